#include "streamd/socketio/member.h"

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

/* Length of the string that s begins with, with its quotes; 0 where it has no end. */
static size_t
string_len(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Length of the value that s begins with: up to the comma, bracket or brace that belongs to what is around it. */
static size_t
value_len(struct str s)
{
	size_t depth = 0, i = 0;

	while (i < s.n) {
		size_t len = s.p[i] == '"' ? string_len(skip(s, i)) : 1;
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
member(struct str json, struct str name)
{
	struct str s = skip_space(json);

	if (s.n == 0 || s.p[0] != '{')
		return (struct str){ NULL, 0 };
	s = skip_space(skip(s, 1));
	while (s.n > 0 && s.p[0] == '"') {
		size_t key_len = string_len(s), len;
		struct str key = { s.p + 1, key_len < 2 ? 0 : key_len - 2 };

		s = skip_space(skip(s, key_len));
		if (key_len == 0 || s.n == 0 || s.p[0] != ':')
			break;
		s = skip_space(skip(s, 1));
		len = value_len(s);
		if (str_eq(key, name))
			return (struct str){ s.p, len };
		s = skip_space(skip(s, len));
		if (s.n == 0 || s.p[0] != ',')
			break;
		s = skip_space(skip(s, 1));
	}
	return (struct str){ NULL, 0 };
}
