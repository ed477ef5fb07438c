#include <millrace/json.h>

#include <millrace/lenient.h>

#define PARSE_DEPTH_MAX 64
#define PARTS_DEPTH_MAX 4
#define COUNT_MAX 9007199254740992.0 /* 2^53: a JSON number is exact up to there */
#define REPLACEMENT S("\xef\xbf\xbd")

static void
put_object(void *o)
{
	json_object_put(o);
}

/* The code unit of a \uXXXX at the start of s, or -1. */
static int
escaped_unit(struct str s)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	int unit = 0;

	if (s.n < 6 || s.p[0] != '\\' || s.p[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		const char *digit = s.p[i] ? strchr(digits, s.p[i]) : NULL;

		if (!digit)
			return -1;
		unit = unit * 16 + (int)(digit - digits) % 16;
	}
	return unit;
}

static bool
is_high(int unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool
is_low(int unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Appends what stands for the backslash at the start of s; how much of s that was. */
static size_t
put_escape(struct buf *b, struct str s)
{
	int unit = escaped_unit(s), next = -1;
	size_t len = unit >= 0 ? 6 : s.n < 2 ? s.n : 2;
	char half[3];

	if (is_high(unit))
		next = escaped_unit((struct str){ s.p + 6, s.n - 6 });
	if (unit == 0) {
		buf_put(b, REPLACEMENT);
	} else if (is_low(unit) || (is_high(unit) && !is_low(next))) {
		half[0] = (char)(0xe0 | unit >> 12);
		half[1] = (char)(0x80 | (unit >> 6 & 0x3f));
		half[2] = (char)(0x80 | (unit & 0x3f));
		buf_put(b, (struct str){ half, 3 });
	} else {
		len = is_high(unit) ? 12 : len;
		buf_put(b, (struct str){ s.p, len });
	}
	return len;
}

/* The text with each escape that json-c would lose, and each NUL, replaced. */
static struct str
without_odd_escapes(struct arena *a, struct str s)
{
	struct buf b = { .a = a };

	if (!memmem(s.p, s.n, "\\u", 2) && !memchr(s.p, '\0', s.n))
		return s;
	while (s.n > 0) {
		size_t n = 0;

		while (n < s.n && s.p[n] != '\\' && s.p[n] != '\0')
			n++;
		buf_put(&b, (struct str){ s.p, n });
		if (n < s.n && s.p[n] == '\\')
			n += put_escape(&b, (struct str){ s.p + n, s.n - n });
		else if (n < s.n && ++n > 0)
			buf_put(&b, REPLACEMENT);
		s.p += n;
		s.n -= n;
	}
	return buf_str(&b);
}

bool
lenient_parse(struct arena *a, struct str text, json_object **out)
{
	struct json_tokener *tok = json_tokener_new_ex(PARSE_DEPTH_MAX);
	enum json_tokener_error state;

	if (!tok)
		abort();
	if (str_starts(text, S("\xef\xbb\xbf"))) {
		text.p += 3;
		text.n -= 3;
	}
	if (text.n > 0)
		text = without_odd_escapes(a, text);
	/* With the NUL after the text json-c knows that a number at its end is complete. */
	*out = text.n > INT32_MAX - 1
		   ? NULL
		   : json_tokener_parse_ex(tok, arena_cstr(a, text), (int)text.n + 1);
	state = json_tokener_get_error(tok);
	json_tokener_free(tok);
	if (*out)
		arena_defer(a, put_object, *out);
	return state == json_tokener_success && text.n > 0;
}

struct str
json_mend(struct arena *a, struct str text)
{
	if (str_starts(text, S("\xef\xbb\xbf"))) {
		text.p += 3;
		text.n -= 3;
	}
	return text.n > 0 ? text_mend(a, without_odd_escapes(a, text)) : text;
}

bool
mended_parse(struct arena *a, struct str *text, json_object **out)
{
	const char *why;

	*text = json_mend(a, *text);
	return json_parse(a, *text, out, &why) == ERR_OK;
}

/* A part of a list counts where it is text; what a model thinks, or refers to, is none. */
static bool
is_text_part(json_object *part)
{
	struct str type = json_text(part, "type");

	return !type.p || str_eq(type, S("text")) || str_eq(type, S("output_text")) ||
	       str_eq(type, S("refusal"));
}

static void
put_text(struct arena *a, struct buf *b, json_object *o, int depth)
{
	switch (json_object_get_type(o)) {
	case json_type_string:
		buf_put(b, (struct str){
			       json_object_get_string(o), (size_t)json_object_get_string_len(o) });
		break;
	case json_type_int:
	case json_type_double:
	case json_type_boolean:
		buf_put(b, str_from(json_object_to_json_string(o)));
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(o) && depth < PARTS_DEPTH_MAX; i++)
			put_text(a, b, json_object_array_get_idx(o, i), depth + 1);
		break;
	case json_type_object:
		if (is_text_part(o) && depth < PARTS_DEPTH_MAX)
			put_text(
			    a, b, json_at(o, json_at(o, "text") ? "text" : "refusal"), depth + 1);
		break;
	case json_type_null:
		break;
	}
}

struct str
lenient_text(struct arena *a, json_object *o)
{
	struct buf b = { .a = a };

	if (!o)
		return (struct str){ NULL, 0 };
	if (json_object_is_type(o, json_type_string))
		return (
		    struct str){ json_object_get_string(o), (size_t)json_object_get_string_len(o) };
	put_text(a, &b, o, 0);
	return b.n > 0 ? buf_str(&b) : (struct str){ NULL, 0 };
}

int64_t
lenient_count(json_object *o)
{
	int64_t n = -1;
	double d;

	if (json_object_is_type(o, json_type_string)) {
		if (!str_int(str_from(json_object_get_string(o)), &n))
			return -1;
		d = (double)n;
	} else if (json_object_is_type(o, json_type_int) ||
		   json_object_is_type(o, json_type_double)) {
		d = json_object_get_double(o);
	} else {
		return -1;
	}
	if (!(d >= 0 && d <= COUNT_MAX))
		return -1;
	n = (int64_t)d;
	return n + (d > (double)n);
}

bool
is_json_object(struct str text)
{
	struct arena *scratch = arena_new();
	json_object *o;
	const char *why;
	bool good = json_parse(scratch, text, &o, &why) == ERR_OK &&
		    json_object_is_type(o, json_type_object);

	arena_free(scratch);
	return good;
}

/* How many bytes a character has that begins so; 0: none begins so. */
static size_t
char_len(char first)
{
	unsigned char c = (unsigned char)first;

	return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* The surrogate at the start of s, as UTF-8 would have it; -1: there is none. */
static int
half_at(struct str s)
{
	if (s.n < 3 || s.p[0] != (char)0xed || ((unsigned char)s.p[1] & 0xe0) != 0xa0 ||
	    ((unsigned char)s.p[2] & 0xc0) != 0x80)
		return -1;
	return 0xd000 | ((unsigned char)s.p[1] & 0x3f) << 6 | ((unsigned char)s.p[2] & 0x3f);
}

size_t
text_whole(struct str s)
{
	size_t n = s.n;

	for (size_t k = 1; k <= 3 && k <= s.n; k++) {
		char c = s.p[s.n - k];

		if (((unsigned char)c & 0xc0) == 0x80)
			continue;
		if (char_len(c) > k)
			n -= k;
		break;
	}
	return n >= 3 && is_high(half_at((struct str){ s.p + n - 3, 3 })) ? n - 3 : n;
}

/* Appends what stands for the bytes at the start of s; how many they were. */
static size_t
put_char(struct buf *b, struct str s)
{
	size_t len = char_len(s.p[0]);
	int high = half_at(s), low;

	if (len > 0 && len <= s.n && s.p[0] != '\0' && str_utf8((struct str){ s.p, len })) {
		buf_put(b, (struct str){ s.p, len });
		return len;
	}
	low = is_high(high) ? half_at((struct str){ s.p + 3, s.n - 3 }) : -1;
	if (is_low(low)) {
		int c = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
		char utf8[4] = { (char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3f)),
			(char)(0x80 | (c >> 6 & 0x3f)), (char)(0x80 | (c & 0x3f)) };

		buf_put(b, (struct str){ utf8, 4 });
		return 6;
	}
	buf_put(b, REPLACEMENT);
	if (high >= 0)
		return 3;
	for (len = 1; len < s.n && ((unsigned char)s.p[len] & 0xc0) == 0x80;)
		len++;
	return len;
}

struct str
text_mend(struct arena *a, struct str s)
{
	struct buf b = { .a = a };

	if (s.n == 0 || (str_utf8(s) && !memchr(s.p, '\0', s.n)))
		return s;
	while (s.n > 0) {
		size_t n = put_char(&b, s);

		s.p += n;
		s.n -= n;
	}
	return buf_str(&b);
}
