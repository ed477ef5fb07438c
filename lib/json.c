#include <ctype.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include <millrace/json.h>

#define NUMBER_DIGITS_MAX 1000 /* PostgreSQL keeps 16,383 behind the point */

static void
json_free_object(void *o)
{
	json_object_put(o);
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool
has_nul(const char *p, size_t n)
{
	return n > 0 && memchr(p, '\0', n) != NULL;
}

/* json-c accepts NUL in strings (as \u0000), NaN and Infinity even when strict; refuse them. */
static const char *
value_problem(json_object *o)
{
	const char *why = NULL;

	switch (json_object_get_type(o)) {
	case json_type_string:
		return has_nul(json_object_get_string(o), (size_t)json_object_get_string_len(o))
			   ? "a string holds NUL"
			   : NULL;
	case json_type_double:
		return isfinite(json_object_get_double(o)) ? NULL : "a number is not finite";
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(o) && !why; i++)
			why = value_problem(json_object_array_get_idx(o, i));
		return why;
	case json_type_object: {
		json_object_object_foreach (o, name, value) {
			(void)name;
			if ((why = value_problem(value)) != NULL)
				break;
		}
		return why;
	}
	case json_type_null:
	case json_type_boolean:
	case json_type_int:
		break;
	}
	return NULL;
}

/* The code unit of a "\uXXXX" at p (of n bytes), or -1. */
static int
escaped_unit(const char *p, size_t n)
{
	int unit = 0;

	if (n < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/*
 * What is wrong with the escape at p, or NULL; *len is its length. RFC 8259 leaves unpaired
 * surrogates to the implementation; here they are refused.
 */
static const char *
escape_problem(const char *p, size_t n, size_t *len)
{
	int unit = escaped_unit(p, n), low;

	*len = unit < 0 ? 2 : 6;
	if (unit == 0)
		return "a string holds NUL";
	if (unit < 0xd800 || unit > 0xdfff)
		return NULL;
	low = n > 6 ? escaped_unit(p + 6, n - 6) : -1;
	*len = 12;
	return unit < 0xdc00 && low >= 0xdc00 && low <= 0xdfff ? NULL
							       : "a string holds half a character";
}

static bool
is_digit(struct str text, size_t i)
{
	return i < text.n && text.p[i] >= '0' && text.p[i] <= '9';
}

/*
 * Is there a leading zero, a point without a digit beside it, or the exponent of a number that
 * PostgreSQL's numeric does not hold, at i?
 */
static const char *
number_problem(struct str text, size_t i)
{
	char before = i > 0 ? text.p[i - 1] : ' ';

	if ((text.p[i] == 'e' || text.p[i] == 'E') && i > 0 && is_digit(text, i - 1)) {
		size_t n =
		    i + 1 + (i + 1 < text.n && (text.p[i + 1] == '-' || text.p[i + 1] == '+'));

		if (is_digit(text, n) && is_digit(text, n + 1) && is_digit(text, n + 2) &&
		    is_digit(text, n + 3))
			return "a number's exponent has more than three digits";
	}
	if (text.p[i] == '.' && !is_digit(text, i + 1))
		return "a number ends in a point";
	if (text.p[i] == '.' && (i == 0 || !is_digit(text, i - 1)))
		return "a number begins with a point";
	if (text.p[i] == '0' && is_digit(text, i + 1) &&
	    (before == '-' ||
		!(isalnum((unsigned char)before) || before == '.' || before == '+')) &&
	    !(before == '-' && i > 1 && (text.p[i - 2] == 'e' || text.p[i - 2] == 'E')))
		return "a number begins with a needless zero";
	return NULL;
}

/*
 * Finds what json-c accepts even when strict, although RFC 8259 forbids it or leaves it open: NUL
 * as an escape (which truncates a member's name unnoticed), control characters in strings, unpaired
 * surrogates, numbers like 01, 1. and -.5 or too long for PostgreSQL (1e-9999), and empty
 * containers one level below the depth limit. NULL: none of it.
 */
static const char *
text_problem(struct str text)
{
	bool in_string = false;
	const char *why;
	size_t depth = 0, digits = 0;

	for (size_t i = 0, len; i < text.n; i += len) {
		char c = text.p[i];

		len = 1;
		digits = is_digit(text, i) || (digits > 0 && c == '.') ? digits + 1 : 0;
		if (!in_string && digits > NUMBER_DIGITS_MAX)
			return "a number has too many digits";
		if (c == '"')
			in_string = !in_string;
		else if (in_string && (unsigned char)c < 0x20)
			return "a string holds a control character";
		else if (in_string && c == '\\') {
			if ((why = escape_problem(text.p + i, text.n - i, &len)) != NULL)
				return why;
		} else if (!in_string && (c == '[' || c == '{')) {
			if (++depth > JSON_DEPTH_MAX)
				return "nested too deep";
		} else if (!in_string && (c == ']' || c == '}')) {
			depth -= depth > 0;
		} else if (!in_string && (why = number_problem(text, i)) != NULL)
			return why;
	}
	return NULL;
}

/* Is the number whose n digits begin at `at` a whole one that 64 bits do not hold? */
static bool
is_large(struct str text, size_t at, size_t n)
{
	char before = at > 0 ? text.p[at - 1] : ' ',
	     behind = at + n < text.n ? text.p[at + n] : ' ';
	bool negative = before == '-';

	if (strchr(".eE", behind) || strchr(".eE+", before) ||
	    (negative && at > 1 && strchr("eE", text.p[at - 2])))
		return false;
	return negative
		   ? n > 19 || (n == 19 && memcmp(text.p + at, "9223372036854775808", 19) > 0)
		   : n > 20 || (n == 20 && memcmp(text.p + at, "18446744073709551615", 20) > 0);
}

/*
 * The text with an exponent behind each whole number beyond 64 bits: json-c makes the nearest
 * number that it has of those, and keeps the text of all that have an exponent.
 */
static struct str
keep_large(struct arena *a, struct str text)
{
	struct buf b = { .a = a };
	bool in_string = false;
	size_t done = 0;

	for (size_t i = 0, n; i<text.n; i += n> 0 ? n : 1) {
		n = 0;
		if (in_string && text.p[i] == '\\')
			n = 2;
		else if (text.p[i] == '"')
			in_string = !in_string;
		while (!in_string && is_digit(text, i + n))
			n++;
		if (n >= 19 && is_large(text, i, n)) {
			buf_put(&b, (struct str){ text.p + done, i + n - done });
			buf_put(&b, S("e0"));
			done = i + n;
		}
	}
	if (done == 0)
		return text;
	buf_put(&b, (struct str){ text.p + done, text.n - done });
	return buf_str(&b);
}

/* Parses one value; *at is where it ends, or is none any more. */
static json_object *
tokens_parse(struct arena *a, struct str text, enum json_tokener_error *state, size_t *at)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	json_object *o;

	if (!tok)
		abort();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With the NUL after the text json-c knows that a number at its end is complete. */
	o = json_tokener_parse_ex(tok, arena_cstr(a, text), (int)text.n + 1);
	*state = json_tokener_get_error(tok);
	*at = json_tokener_get_parse_end(tok) + 1;
	json_tokener_free(tok);
	if (o)
		arena_defer(a, json_free_object, o);
	return o;
}

enum err
json_parse(struct arena *a, struct str text, json_object **out, const char **why)
{
	struct str kept;
	json_object *o;
	enum json_tokener_error state;
	size_t at;

	*why = "not UTF-8, or too long";
	if (text.n > INT32_MAX - 1 || !str_utf8(text))
		return ERR_BAD_REQUEST;
	*why = "a string holds NUL";
	if (has_nul(text.p, text.n))
		return ERR_BAD_REQUEST;
	*why = text.n == 0			     ? "empty"
	       : str_starts(text, S("\xef\xbb\xbf")) ? "it begins with a byte order mark"
						     : text_problem(text);
	if (*why)
		return ERR_BAD_REQUEST;
	kept = keep_large(a, text);
	o = tokens_parse(a, kept, &state, &at);
	/* The place is told of the text that was given. */
	if (!o && kept.p != text.p)
		(void)tokens_parse(a, text, &state, &at);
	if (state != json_tokener_success || !o) {
		*why = state == json_tokener_error_depth ? "nested too deep"
		       : state == json_tokener_continue	 ? "cut short"
		       : state == json_tokener_success
			   ? "null"
			   : arena_printf(a, "not JSON from byte %zu on", at).p;
		return ERR_BAD_REQUEST;
	}
	if ((*why = value_problem(o)) != NULL)
		return ERR_BAD_REQUEST;
	*out = o;
	return ERR_OK;
}

json_object *
json_at(json_object *o, const char *name)
{
	json_object *member = NULL;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, name, &member))
		return NULL;
	return member;
}

size_t
json_length(json_object *o)
{
	return json_object_is_type(o, json_type_array) ? json_object_array_length(o) : 0;
}

bool
json_has(json_object *o, const char *name)
{
	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, name, NULL);
}

struct str
json_text(json_object *o, const char *name)
{
	json_object *member = json_at(o, name);

	if (!json_object_is_type(member, json_type_string))
		return (struct str){ NULL, 0 };
	return (struct str){ json_object_get_string(member),
		(size_t)json_object_get_string_len(member) };
}

int64_t
json_int(json_object *o, const char *name, int64_t fallback)
{
	json_object *member = json_at(o, name);

	return json_object_is_type(member, json_type_int) ? json_object_get_int64(member)
							  : fallback;
}

struct str
json_serialised(json_object *o)
{
	return str_from(json_object_to_json_string_ext(
	    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

bool
url_decode(struct arena *a, struct str s, bool plus_is_space, struct str *out)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c == '\0')
			return false;
		p[n++] = c;
	}
	*out = (struct str){ p, n };
	return str_utf8(*out);
}

void
buf_time(struct buf *b, int64_t unix_ms)
{
	time_t at = (time_t)(unix_ms / 1000);
	struct tm tm = { 0 };

	(void)gmtime_r(&at, &tm);
	buf_printf(b, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(unix_ms % 1000));
}
