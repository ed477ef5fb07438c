/*
 * The document is made of the route table, the field tables and reply_schemas, the same that the
 * worker goes by, so that it cannot differ from what is served.
 */
#include <ctype.h>

#include <millrace/face.h>
#include <millrace/fields.h>
#include <millrace/process.h>

#include "fcgi/openapi.h"
#include "fcgi/path_type.h"
#include "fcgi/route.h"

/* A path, with its variables' types, and a route that answers there. */
struct endpoint {
	struct str path;
	const struct route *route;
	bool is_alias;
};

static int
flags_of(const struct route *r)
{
	return r->snake ? 0 : SCHEMA_CAMEL;
}

static struct str
next_part(struct str *path)
{
	struct str part;

	*path = str_cut(*path, '/', &part);
	return part;
}

static bool
is_variable(struct str part)
{
	return part.n > 0 && part.p[0] == '{';
}

static void
put_path(struct buf *b, struct str path)
{
	struct str rest = path, part = next_part(&rest);

	while (rest.p) {
		part = next_part(&rest);
		if (is_variable(part))
			buf_printf(b, "/{%.*s}", S_ARG(path_variable(part)));
		else
			buf_printf(b, "/%.*s", S_ARG(part));
	}
}

static void
put_path_parameters(struct buf *b, struct str path, bool *first)
{
	while (path.p) {
		struct str part = next_part(&path);

		if (!is_variable(part))
			continue;
		buf_printf(b,
		    "%s{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":%s}",
		    *first ? "" : ",", S_ARG(path_variable(part)), path_type_of(part)->schema);
		*first = false;
	}
}

static void
put_header_parameter(struct buf *b, const char *name, const char *description, bool *first)
{
	buf_printf(b,
	    "%s{\"name\":\"%s\",\"in\":\"header\",\"schema\":{\"type\":\"string\"},\"description\":"
	    "\"%s\"}",
	    *first ? "" : ",", name, description);
	*first = false;
}

static void
put_parameters(struct buf *b, const struct endpoint *e)
{
	const struct route *r = e->route;
	bool first = true;

	buf_put(b, S("\"parameters\":["));
	put_path_parameters(b, e->path, &first);
	for (size_t i = 0; r->query && i < r->query->n; i++) {
		const struct field *f = &r->query->p[i];
		struct buf one = { .a = b->a };

		field_schema(&one, f, flags_of(r));
		buf_printf(b,
		    "%s{\"name\":\"%.*s\",\"in\":\"query\",\"required\":%s,\"schema\":%.*s}",
		    first ? "" : ",", S_ARG(field_name(b->a, f, !r->snake)),
		    f->required == REQUIRED ? "true" : "false", S_ARG(buf_str(&one)));
		first = false;
	}
	if (r->idempotent)
		put_header_parameter(b, "Idempotency-Key",
		    "The same key and body within a day get the first reply again.", &first);
	if (r->mode == STREAM)
		put_header_parameter(b, "Last-Event-ID",
		    r->method == M_GET ? "The id of the last event that was seen."
				       : "The same, where an Idempotency-Key is repeated.",
		    &first);
	buf_put(b, S("]"));
}

static void
put_body_object(struct buf *b, const struct route *r)
{
	if (r->body)
		fields_schema(b, r->body->p, r->body->n,
		    flags_of(r) | (r->body_kind == BODY_JSON ? SCHEMA_NULL : 0));
	else
		buf_put(b, S("{\"type\":\"object\"}"));
}

static void
put_body(struct buf *b, const struct route *r)
{
	if (r->body_kind == BODY_NONE)
		return;
	buf_printf(b, ",\"requestBody\":{\"required\":true,\"content\":{\"%s\":{\"schema\":",
	    r->body_kind == BODY_UPLOAD ? "multipart/form-data" : "application/json");
	if (r->body_kind == BODY_UPLOAD)
		buf_put(b, S("{\"allOf\":[{\"type\":\"object\",\"properties\":{\"file\":{\"type\":"
			     "\"string\",\"format\":\"binary\"}},"
			     "\"required\":[\"file\"]},"));
	buf_put(b, r->many ? S("{\"anyOf\":[") : S(""));
	put_body_object(b, r);
	if (r->many) {
		buf_printf(
		    b, ",{\"type\":\"array\",\"minItems\":1,\"maxItems\":%d,\"items\":", r->many);
		put_body_object(b, r);
		buf_put(b, S("}]}"));
	}
	buf_put(b, r->body_kind == BODY_UPLOAD ? S("]}}}}") : S("}}}"));
}

/* A reply is a schema's name, a name with [] for an array, a media type, or nothing. */
static void
put_reply(struct buf *b, int status, const struct route *r)
{
	const char *name = r->reply;
	size_t n = name ? strlen(name) : 0;
	bool list = n > 2 && strcmp(name + n - 2, "[]") == 0;

	buf_printf(b, "\"%d\":{\"description\":\"%s\"", status,
	    route_is_event_source(r)
		? "The events. A stream that ends after `retry:`, without any, refuses "
		  "for so many milliseconds: an EventSource gives up at 429 or 503."
		: err_info(ERR_OK)->text);
	if (name && strcmp(name, "EventStream") == 0)
		buf_put(b, S(",\"content\":{\"text/event-stream\":{\"schema\":{\"$ref\":\"#/"
			     "components/schemas/EventStream\"}}}"));
	else if (name && strchr(name, '/'))
		buf_printf(b, ",\"content\":{\"%s\":{\"schema\":{\"type\":\"string\"}}}", name);
	else if (name)
		buf_printf(b,
		    ",\"content\":{\"application/json\":{\"schema\":%s{\"$ref\":\"#/components/"
		    "schemas/%.*s\"}%s}}",
		    list ? "{\"type\":\"array\",\"items\":" : "", (int)(list ? n - 2 : n), name,
		    list ? "}" : "");
	buf_put(b, S("}"));
}

/* getApiThingsId for GET /api/things/{id}; a hyphen is told from a slash: getApiOld_Things. */
static void
put_operation_id(struct buf *b, enum method method, struct str path)
{
	for (const char *m = method_name(method); *m; m++)
		buf_printf(b, "%c", tolower((unsigned char)*m));
	while (path.p) {
		struct str part = next_part(&path);
		bool upper = true;

		if (is_variable(part))
			part = path_variable(part);
		for (size_t i = 0; i < part.n; i++) {
			unsigned char c = (unsigned char)part.p[i];

			if (isalnum(c))
				buf_printf(b, "%c", upper ? toupper(c) : c);
			else if (c == '-')
				buf_put(b, S("_"));
			upper = !isalnum(c);
		}
	}
}

/*
 * Any one of these; the cookie together with its header where something changes, and no token in
 * the query (a socket's handshake cannot carry a header).
 */
static void
put_security(struct buf *b, const struct route *r)
{
	bool is_safe = r->method == M_GET || r->mode == SOCKET;

	if (r->caller == AUTH_PUBLIC)
		buf_put(b, S("\"security\":[],"));
	else
		buf_printf(b, "\"security\":[%s{\"bearer\":[]},{\"cookie\":[]%s}%s],",
		    r->caller == AUTH_OPTIONAL ? "{}," : "", is_safe ? "" : ",\"csrf\":[]",
		    is_safe ? ",{\"query\":[]}" : "");
}

/* The kinds of credentials, as put_security names them. */
static const char security_schemes[] =
    "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"description\":"
    "\"A token from signing in, an API key (mr_...), or a token of Clerk's or Supabase's where the "
    "server takes them. It goes before the other ways.\"},"
    "\"cookie\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"" SESSION_COOKIE
    "\",\"description\":\"As POST /api/v1/auth/login sets it.\"},"
    "\"csrf\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-CSRF-Token\",\"description\":"
    "\"The value of the " CSRF_COOKIE " cookie.\"},"
    "\"query\":{\"type\":\"apiKey\",\"in\":\"query\",\"name\":\"token\",\"description\":"
    "\"The same as bearer, for GET by what cannot send headers.\"}}";

static void
put_responses(struct buf *b, const struct route *r)
{
	buf_put(b, S(",\"responses\":{"));
	put_reply(b, r->status, r);
	if (r->also || r->status == 202) {
		buf_put(b, S(","));
		put_reply(b, r->also ? r->also : 200, r);
	}
	for (int status = 400; r->refusal && status <= 404; status += 4)
		buf_printf(b,
		    ",\"%d\":{\"description\":\"A refusal\",\"content\":{\"application/json\":{"
		    "\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}}",
		    status, r->refusal);
	if (route_is_event_source(r))
		buf_put(b, S(",\"204\":{\"description\":\"Every event has been seen.\"}"));
	buf_printf(b,
	    ",\"default\":{\"description\":\"An error\",\"content\":{"
	    "\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}}}",
	    face_is_path(str_from(r->path)) ? "VendorError" : "Error");
}

static void
put_description(struct buf *b, const struct endpoint *e)
{
	const struct route *r = e->route;

	if (!e->is_alias && !r->scope)
		return;
	buf_put(b, S(",\"description\":\""));
	if (e->is_alias) {
		buf_printf(b, "The same as %s ", method_name(r->method));
		put_path(b, str_from(r->path));
		buf_put(b, S("."));
	}
	if (r->scope)
		buf_printf(b, "%sAn API key needs one of the scopes: %s.", e->is_alias ? " " : "",
		    r->scope);
	buf_put(b, S("\""));
}

static void
put_operation(struct buf *b, const struct endpoint *e)
{
	const struct route *r = e->route;

	buf_put(b, S("\""));
	for (const char *m = method_name(r->method); *m; m++)
		buf_printf(b, "%c", tolower((unsigned char)*m));
	buf_put(b, S("\":{\"operationId\":\""));
	put_operation_id(b, r->method, e->path);
	buf_put(b, S("\",\"summary\":"));
	buf_json(b, str_from(r->summary));
	put_description(b, e);
	buf_printf(b, ",\"tags\":[\"%s\"],", r->pool);
	put_security(b, r);
	put_parameters(b, e);
	put_body(b, r);
	put_responses(b, r);
	buf_put(b, S("}"));
}

/* Every route under every name; *n of them. */
static struct endpoint *
list_endpoints(struct arena *a, size_t *n)
{
	struct endpoint *all = arena_alloc(a, n_routes * (n_aliases + 1) * sizeof(*all));

	*n = 0;
	for (size_t i = 0; i < n_routes; i++)
		for (size_t k = 0; k <= n_aliases; k++) {
			struct str path = route_path(a, &routes[i], k);

			if (path.p)
				all[(*n)++] = (struct endpoint){ path, &routes[i], k > 0 };
		}
	return all;
}

/* The path item of all[i], with the operations of all that follow and share its path. */
static void
put_path_item(struct buf *b, const struct endpoint *all, size_t n, size_t i)
{
	buf_put(b, S("\""));
	put_path(b, all[i].path);
	buf_put(b, S("\":{"));
	put_operation(b, &all[i]);
	for (size_t k = i + 1; k < n; k++)
		if (str_eq(all[k].path, all[i].path)) {
			buf_put(b, S(","));
			put_operation(b, &all[k]);
		}
	buf_put(b, S("}"));
}

struct str
openapi_document(struct arena *a)
{
	struct buf b = { .a = a };
	size_t n;
	const struct endpoint *all = list_endpoints(a, &n);

	buf_put(&b, S("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Millrace\",\"version\":"
		      "\"" MILLRACE_VERSION "\",\"description\":"
		      "\"A self-hosted backend for AI-assistant applications.\"},"
		      "\"servers\":[{\"url\":\"/\"}],\"paths\":{"));
	for (size_t i = 0; i < n; i++) {
		size_t first = 0;

		while (!str_eq(all[first].path, all[i].path))
			first++;
		if (first < i)
			continue;
		buf_put(&b, i > 0 ? S(",") : S(""));
		put_path_item(&b, all, n, i);
	}
	buf_printf(&b, "},\"components\":{\"securitySchemes\":%s,\"schemas\":%s}}",
	    security_schemes, reply_schemas);
	return buf_str(&b);
}
