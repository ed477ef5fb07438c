#include <ctype.h>

#include <millrace/json.h>

#include "streamd/json_scan.h"

struct scan {
	const char *p, *end;
	unsigned attachments;
};

static bool scan_value(struct scan *s, unsigned depth);

static void
space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool
accept_char(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
is_digit(const struct scan *s)
{
	return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool
digits(struct scan *s)
{
	const char *from = s->p;

	while (is_digit(s))
		s->p++;
	return s->p > from;
}

static bool
number(struct scan *s)
{
	(void)accept_char(s, '-');
	if (!accept_char(s, '0') && !digits(s))
		return false;
	if (accept_char(s, '.') && !digits(s))
		return false;
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (!accept_char(s, '-'))
			(void)accept_char(s, '+');
		return digits(s);
	}
	return true;
}

/* What follows the backslash. */
static bool
escape(struct scan *s)
{
	if (s->p == s->end)
		return false;
	if (*s->p != 'u')
		return memchr("\"\\/bfnrt", *s->p++, 8) != NULL;
	s->p++;
	for (int i = 0; i < 4; i++)
		if (s->p == s->end || !isxdigit((unsigned char)*s->p++))
			return false;
	return true;
}

static bool
string(struct scan *s, struct str *inside)
{
	const char *from;

	if (!accept_char(s, '"'))
		return false;
	from = s->p;
	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p++;

		if (c == '"') {
			*inside = (struct str){ from, (size_t)(s->p - from) - 1 };
			return true;
		}
		if (c < 0x20 || (c == '\\' && !escape(s)))
			return false;
	}
	return false;
}

static bool
word(struct scan *s, struct str w)
{
	if ((size_t)(s->end - s->p) < w.n || memcmp(s->p, w.p, w.n) != 0)
		return false;
	s->p += w.n;
	return true;
}

static bool
array(struct scan *s, unsigned depth)
{
	space(s);
	if (accept_char(s, ']'))
		return true;
	for (;;) {
		if (!scan_value(s, depth))
			return false;
		if (accept_char(s, ']'))
			return true;
		if (!accept_char(s, ','))
			return false;
	}
}

/* Does a placeholder's number name one of the attachments? */
static bool
placeholder_is_good(const struct scan *s, struct str num)
{
	int64_t n;

	return str_int(num, &n) && n >= 0 && n < (int64_t)s->attachments;
}

static bool
object(struct scan *s, unsigned depth)
{
	struct str name, num = { NULL, 0 };
	bool is_placeholder = false;

	space(s);
	if (accept_char(s, '}'))
		return true;
	for (;;) {
		struct str value;

		space(s);
		if (!string(s, &name))
			return false;
		space(s);
		if (!accept_char(s, ':'))
			return false;
		space(s);
		value.p = s->p;
		if (!scan_value(s, depth))
			return false;
		value.n = (size_t)(s->p - value.p);
		while (value.n > 0 && memchr(" \t\r\n", value.p[value.n - 1], 4))
			value.n--;
		if (str_eq(name, S("num")))
			num = value;
		else if (str_eq(name, S("_placeholder")))
			is_placeholder = str_eq(value, S("true"));
		if (accept_char(s, '}'))
			return s->attachments == 0 || !is_placeholder ||
			       placeholder_is_good(s, num);
		if (!accept_char(s, ','))
			return false;
	}
}

/* A value and the white space around it. */
static bool
scan_value(struct scan *s, unsigned depth)
{
	struct str inside;
	bool good;

	space(s);
	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '{':
	case '[':
		if (depth == JSON_DEPTH_MAX)
			return false;
		good = *s->p++ == '{' ? object(s, depth + 1) : array(s, depth + 1);
		break;
	case '"':
		good = string(s, &inside);
		break;
	case 't':
		good = word(s, S("true"));
		break;
	case 'f':
		good = word(s, S("false"));
		break;
	case 'n':
		good = word(s, S("null"));
		break;
	default:
		good = number(s);
	}
	space(s);
	return good;
}

bool
json_scan_is_value(struct str json, unsigned attachments)
{
	struct scan s = { json.p, json.p + json.n, attachments };

	return json.n > 0 && scan_value(&s, 0) && s.p == s.end;
}

bool
json_scan_element(struct str *rest, struct str *element)
{
	struct scan s = { rest->p, rest->p + rest->n, 0 };
	const char *from;

	/* Skips the bracket before the first element, the comma before each other. */
	space(&s);
	if (s.p == s.end || *s.p == ']')
		return false;
	s.p++;
	space(&s);
	if (s.p == s.end || *s.p == ']')
		return false;
	from = s.p;
	if (!scan_value(&s, 0))
		return false;
	*rest = (struct str){ s.p, (size_t)(s.end - s.p) };
	while (s.p > from && memchr(" \t\r\n", s.p[-1], 4))
		s.p--;
	*element = (struct str){ from, (size_t)(s.p - from) };
	return true;
}

bool
json_scan_text(struct arena *a, struct str json, size_t max, struct str *text)
{
	json_object *o;
	const char *why;

	if (json.n < 2 || json.p[0] != '"' || json.n - 2 > max ||
	    json_parse(a, json, &o, &why) != ERR_OK || !json_object_is_type(o, json_type_string))
		return false;
	*text = (struct str){ json_object_get_string(o), (size_t)json_object_get_string_len(o) };
	return true;
}

/* -------------------------------------------------- one member, unchecked */

static struct str
skip(struct str s, size_t n)
{
	return (struct str){ s.p + n, s.n - n };
}

static struct str
skip_space(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\n' || s.p[0] == '\r'))
		s = skip(s, 1);
	return s;
}

/* The length of the string at s, with its quotes; 0 where it does not end. */
static size_t
string_end(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

/* The length of the value at s: up to the comma or closing bracket of what encloses it. */
static size_t
value_end(struct str s)
{
	size_t depth = 0, i = 0;

	while (i < s.n) {
		size_t len = s.p[i] == '"' ? string_end(skip(s, i)) : 1;
		bool opens = s.p[i] == '{' || s.p[i] == '[',
		     closes = s.p[i] == '}' || s.p[i] == ']';

		if (len == 0 || (depth == 0 && (closes || s.p[i] == ',')))
			break;
		depth += opens;
		depth -= closes;
		i += len;
	}
	while (i > 0 && (s.p[i - 1] == ' ' || s.p[i - 1] == '\t' || s.p[i - 1] == '\n' ||
			    s.p[i - 1] == '\r'))
		i--;
	return i;
}

struct str
json_scan_at(struct str json, struct str name)
{
	struct str s = skip_space(json);

	if (s.n == 0 || s.p[0] != '{')
		return (struct str){ NULL, 0 };
	s = skip_space(skip(s, 1));
	while (s.n > 0 && s.p[0] == '"') {
		size_t key_len = string_end(s), len;
		struct str key = { s.p + 1, key_len < 2 ? 0 : key_len - 2 };

		s = skip_space(skip(s, key_len));
		if (key_len == 0 || s.n == 0 || s.p[0] != ':')
			break;
		s = skip_space(skip(s, 1));
		len = value_end(s);
		if (str_eq(key, name))
			return (struct str){ s.p, len };
		s = skip_space(skip(s, len));
		if (s.n == 0 || s.p[0] != ',')
			break;
		s = skip_space(skip(s, 1));
	}
	return (struct str){ NULL, 0 };
}
