#include <math.h>

#include <millrace/json.h>

static void
put_object(void *o)
{
	json_object_put(o);
}

static bool
has_nul(const char *p, size_t n)
{
	return memchr(p, '\0', n) != NULL;
}

/* json-c takes NUL in strings (as \u0000), NaN and Infinity even when strict; nothing here may. */
static const char *
unsound(json_object *o)
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
			why = unsound(json_object_array_get_idx(o, i));
		return why;
	case json_type_object: {
		json_object_object_foreach (o, name, value) {
			(void)name;
			if ((why = unsound(value)) != NULL)
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

/* "\u0000" in a member's name would cut it short unseen, so the text itself is looked at: the escape is refused wherever an
   odd number of backslashes makes it one. */
static bool
escapes_nul(struct str text)
{
	for (size_t i = 0; i + 6 <= text.n; i++) {
		if (text.p[i] != '\\')
			continue;
		if (memcmp(text.p + i, "\\u0000", 6) == 0)
			return true;
		i++;
	}
	return false;
}

enum err
json_parse(struct arena *a, struct str text, json_object **out, const char **why)
{
	struct json_tokener *tok;
	json_object *o;
	enum json_tokener_error state;

	*why = "not UTF-8";
	if (text.n > INT32_MAX - 1 || !str_utf8(text))
		return ERR_BAD_REQUEST;
	*why = "NUL";
	if (text.n == 0 || has_nul(text.p, text.n) || escapes_nul(text)) {
		*why = text.n == 0 ? "empty" : "a string holds NUL";
		return ERR_BAD_REQUEST;
	}
	tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	if (!tok)
		return ERR_INTERNAL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* The NUL after the text tells json-c that a number at its end is whole. */
	o = json_tokener_parse_ex(tok, arena_cstr(a, text), (int)text.n + 1);
	state = json_tokener_get_error(tok);
	json_tokener_free(tok);
	if (o)
		arena_defer(a, put_object, o);
	if (state != json_tokener_success || !o) {
		*why = state == json_tokener_error_depth ? "nested too deep"
		       : state == json_tokener_continue	 ? "cut short"
		       : state == json_tokener_success	 ? "null"
							 : "not JSON";
		return ERR_BAD_REQUEST;
	}
	if ((*why = unsound(o)) != NULL)
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
json_int(json_object *o, const char *name, int64_t otherwise)
{
	json_object *member = json_at(o, name);

	return json_object_is_type(member, json_type_int) ? json_object_get_int64(member)
							  : otherwise;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
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
