#include <stdlib.h>
#include <string.h>

#include <millrace/json.h>

#include "fcgi/request.h"

#define COOKIE_LEN_MAX 4096

struct str
req_param(const struct req *r, const char *name)
{
	return str_from(FCGX_GetParam(name, r->fcgx.envp));
}

bool
cookie_next(struct str *rest, struct str name, struct str *value)
{
	while (rest->n > 0) {
		struct str pair, key;

		*rest = str_cut(*rest, ';', &pair);
		*value = str_cut(str_trim(pair), '=', &key);
		if (str_eq(key, name) && value->p)
			return true;
	}
	return false;
}

struct str
req_cookie(const struct req *r, struct str name)
{
	struct str rest = req_param(r, "HTTP_COOKIE"), value, twin;

	if (!cookie_next(&rest, name, &value) || value.n > COOKIE_LEN_MAX ||
	    cookie_next(&rest, name, &twin))
		return (struct str){ NULL, 0 };
	return value;
}

struct uuid
path_uuid(const struct req *r, size_t n)
{
	struct uuid u = { "" };

	if (n >= r->match.n_parts || !uuid_parse(r->match.parts[n], &u))
		abort();
	return u;
}

struct str
path_text(const struct req *r, size_t n)
{
	if (n >= r->match.n_parts)
		abort();
	return r->match.parts[n];
}

enum err
body_check_type(struct req *r)
{
	struct str type;

	(void)str_cut(r->content_type.p ? r->content_type : S(""), ';', &type);
	if (str_eq_nocase(str_trim(type), S("application/json")))
		return ERR_OK;
	/* Whoever sends nothing need not say what it is. */
	if (r->content_length == 0 && (type.n == 0 || !r->route->body))
		return ERR_OK;
	return refuse(
	    r, ERR_UNSUPPORTED_MEDIA_TYPE, "The body's Content-Type is to be application/json.");
}

enum err
body_read(struct req *r)
{
	size_t len = (size_t)r->content_length;
	enum err e;
	char *p;

	if (r->content_length > MIB)
		return refuse(r, ERR_TOO_LARGE,
		    "The request body is larger than 1 MiB, the most that is taken here.");
	if ((e = body_check_type(r)) != ERR_OK)
		return e;
	p = arena_alloc(r->a, len + 1);
	if (len > 0 && (size_t)FCGX_GetStr(p, (int)len, r->fcgx.in) != len)
		return ERR_BAD_REQUEST;
	r->body = (struct str){ p, len };
	return ERR_OK;
}

void
body_drain(struct req *r)
{
	static char sink[16384]; /* static: it is never read, so it need not be zeroed each time */

	while (FCGX_GetStr(sink, sizeof(sink), r->fcgx.in) == (int)sizeof(sink))
		;
}

static enum err
body_value(struct req *r, json_object **out)
{
	const char *why;

	if (json_parse(r->a, r->body, out, &why) == ERR_OK)
		return ERR_OK;
	r->error_text = arena_printf(r->a, "The body is not the JSON that is taken here: %s.", why);
	return ERR_BAD_REQUEST;
}

enum err
body_object(struct req *r, json_object **out)
{
	json_object *o;
	enum err e;

	if ((e = body_value(r, &o)) != ERR_OK)
		return e;
	if (!json_object_is_type(o, json_type_object))
		return refuse(r, ERR_BAD_REQUEST, "The body must be a JSON object.");
	*out = o;
	return ERR_OK;
}

enum err
body_fields(struct req *r, const struct field_table *t, void *into)
{
	json_object *o;
	enum err e;

	if (t != r->route->body)
		abort();
	if ((e = body_object(r, &o)) != ERR_OK)
		return e;
	if (!json_fields(r->a, t->p, t->n, o, into, &r->problems))
		return refuse(r, ERR_BAD_REQUEST, "Some fields are not valid.");
	return ERR_OK;
}

enum err
body_list(struct req *r, const struct field_table *t, void **items, size_t *n)
{
	json_object *v;
	bool array;
	enum err e;

	if (t != r->route->body || !r->route->many)
		abort();
	if ((e = body_value(r, &v)) != ERR_OK)
		return e;
	array = json_object_is_type(v, json_type_array);
	*n = array ? json_object_array_length(v) : 1;
	if (*n < 1 || *n > (size_t)r->route->many)
		return refuse(r, ERR_BAD_REQUEST, "The body must be an object or a list of them.");
	*items = arena_alloc(r->a, *n * t->len);
	memset(*items, 0, *n * t->len);
	for (size_t i = 0; i < *n; i++) {
		json_object *o = array ? json_object_array_get_idx(v, i) : v;

		if (!json_object_is_type(o, json_type_object))
			return refuse(
			    r, ERR_BAD_REQUEST, "The body must be an object or a list of them.");
		if (json_fields(r->a, t->p, t->n, o, (char *)*items + i * t->len, &r->problems))
			continue;
		r->error_text =
		    array ? arena_printf(r->a, "Some fields of entry %zu are not valid.", i + 1)
			  : S("Some fields are not valid.");
		return ERR_BAD_REQUEST;
	}
	return ERR_OK;
}

enum err
query_string_fields(struct req *r, const struct field_table *t, void *into)
{
	if (t != r->route->query)
		abort();
	if (!query_fields(r->a, t->p, t->n, r->query_string, into, &r->problems))
		return refuse(r, ERR_BAD_REQUEST, "Some parameters are not valid.");
	return ERR_OK;
}
