/* OpenAPI 3.1 (spec.openapis.org) out of the route table, the field tables and handlers/schemas.json, so that they cannot differ. */
#include <ctype.h>

#include <millrace/fields.h>
#include <millrace/process.h>

#include "fcgi/route.h"

#pragma GCC diagnostic ignored "-Woverlength-strings"
static const char schemas[] =
#include "schemas.h"
    ;

static void
put_path(struct buf *b, const char *path)
{
	bool in_type = false;

	for (; *path; path++) {
		if (*path == ':')
			in_type = true;
		else if (*path == '}')
			in_type = false;
		if (!in_type)
			buf_printf(b, "%c", *path);
	}
}

static void
put_path_parameters(struct buf *b, const char *path, bool *first)
{
	struct str rest = str_from(path), part, name;

	while (rest.p) {
		rest = str_cut(rest, '/', &part);
		if (part.n == 0 || part.p[0] != '{')
			continue;
		(void)str_cut((struct str){ part.p + 1, part.n - 2 }, ':', &name);
		buf_printf(b,
		    "%s{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
		    "\"string\"%s}}",
		    *first ? "" : ",", S_ARG(name),
		    memmem(part.p, part.n, ":uuid", 5) ? ",\"format\":\"uuid\""
		    : memmem(part.p, part.n, ":provider", 9)
			? ",\"enum\":[\"github\",\"google\",\"microsoft\"]"
			: "");
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
put_parameters(struct buf *b, const struct route *r)
{
	bool first = true;

	buf_put(b, S("\"parameters\":["));
	put_path_parameters(b, r->path, &first);
	for (size_t i = 0; r->query && i < r->query->n; i++) {
		const struct field *f = &r->query->p[i];
		struct buf one = { .a = b->a };

		field_schema(&one, f, !r->snake);
		buf_printf(b,
		    "%s{\"name\":\"%s\",\"in\":\"query\",\"required\":%s,\"schema\":%.*s}",
		    first ? "" : ",", f->name, f->required == REQUIRED ? "true" : "false",
		    S_ARG(buf_str(&one)));
		first = false;
	}
	if (r->idempotent)
		put_header_parameter(b, "Idempotency-Key",
		    "The same key and body within 24 hours get the first reply again.", &first);
	if (r->mode == STREAM && r->method == M_GET)
		put_header_parameter(
		    b, "Last-Event-ID", "The id of the last event that was seen.", &first);
	buf_put(b, S("]"));
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
	if (r->body)
		fields_schema(b, r->body->p, r->body->n, !r->snake);
	else
		buf_put(b, S("{\"type\":\"object\"}"));
	buf_put(b, r->body_kind == BODY_UPLOAD ? S("]}}}}") : S("}}}"));
}

/* A reply is a schema's name, a name with [] for an array, a media type, or nothing. */
static void
put_reply(struct buf *b, int status, const struct route *r)
{
	const char *name = r->reply;
	size_t n = name ? strlen(name) : 0;
	bool list = n > 2 && strcmp(name + n - 2, "[]") == 0;

	buf_printf(b, "\"%d\":{\"description\":\"%s\"", status, err_info(ERR_OK)->text);
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

static void
put_operation_id(struct buf *b, const struct route *r)
{
	bool upper = false;

	for (const char *m = method_name(r->method); *m; m++)
		buf_printf(b, "%c", tolower((unsigned char)*m));
	upper = true;
	for (const char *p = r->path; *p; p++) {
		if (*p == ':')
			while (p[1] && p[1] != '}')
				p++;
		else if (isalnum((unsigned char)*p)) {
			buf_printf(b, "%c", upper ? toupper((unsigned char)*p) : *p);
			upper = false;
		} else
			upper = true;
	}
}

/* Any one of these; the cookie with its header where something changes (a socket's handshake cannot carry one). */
static void
put_security(struct buf *b, const struct route *r)
{
	bool is_safe = r->method == M_GET || r->mode == SOCKET;

	if (r->caller == AUTH_PUBLIC)
		buf_put(b, S("\"security\":[],"));
	else
		buf_printf(b, "\"security\":[%s{\"bearer\":[]},{\"cookie\":[]%s},{\"query\":[]}],",
		    r->caller == AUTH_OPTIONAL ? "{}," : "", is_safe ? "" : ",\"csrf\":[]");
}

/* The ways to say who is calling, as put_security names them. */
static const char security_schemes[] = "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\","
				       "\"description\":\"A token from signing in, an API key "
				       "(mr_...), or a token of Clerk's or Supabase's where the "
				       "server takes them. It goes before the other ways.\"},"
				       "\"cookie\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":"
				       "\"access_token\",\"description\":\"As "
				       "POST /api/v1/auth/login sets it.\"},"
				       "\"csrf\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":"
				       "\"X-CSRF-Token\",\"description\":\"The value of "
				       "the csrf_access_token cookie.\"},"
				       "\"query\":{\"type\":\"apiKey\",\"in\":\"query\",\"name\":"
				       "\"token\",\"description\":\"The same as bearer, for "
				       "what cannot send headers.\"}}";

static void
put_operation(struct buf *b, const struct route *r)
{
	struct str m = str_from(method_name(r->method));

	buf_put(b, S("\""));
	for (size_t i = 0; i < m.n; i++)
		buf_printf(b, "%c", tolower((unsigned char)m.p[i]));
	buf_put(b, S("\":{\"operationId\":\""));
	put_operation_id(b, r);
	buf_put(b, S("\",\"summary\":"));
	buf_json(b, str_from(r->summary));
	buf_printf(b, ",\"tags\":[\"%s\"],", r->pool);
	put_security(b, r);
	put_parameters(b, r);
	put_body(b, r);
	buf_put(b, S(",\"responses\":{"));
	put_reply(b, r->status, r);
	if (r->also || r->status == 202) {
		buf_put(b, S(","));
		put_reply(b, r->also ? r->also : 200, r);
	}
	if (r->refusal)
		buf_printf(b,
		    ",\"400\":{\"description\":\"A refusal\",\"content\":{\"application/json\":{"
		    "\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}}",
		    r->refusal);
	if (r->mode == STREAM && r->method == M_GET)
		buf_put(b, S(",\"204\":{\"description\":\"Every event has been seen.\"}"));
	buf_put(b, S(",\"default\":{\"description\":\"An "
		     "error\",\"content\":{\"application/json\":{\"schema\":"
		     "{\"$ref\":\"#/components/schemas/Error\"}}}}}}"));
}

struct str
openapi_document(struct arena *a)
{
	struct buf b = { .a = a };
	bool first_path = true;

	buf_put(&b, S("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Millrace\",\"version\":"
		      "\"" MILLRACE_VERSION "\","
		      "\"description\":\"A self-hosted backend for AI-assistant applications.\"},"
		      "\"servers\":[{\"url\":\"/\"}],\"paths\":{"));
	for (size_t i = 0; i < n_routes; i++) {
		bool first_method = true, seen = false;

		for (size_t k = 0; k < i; k++)
			seen = seen || strcmp(routes[k].path, routes[i].path) == 0;
		if (seen)
			continue;
		buf_put(&b, first_path ? S("\"") : S(",\""));
		first_path = false;
		put_path(&b, routes[i].path);
		buf_put(&b, S("\":{"));
		for (size_t k = i; k < n_routes; k++) {
			if (strcmp(routes[k].path, routes[i].path) != 0)
				continue;
			buf_put(&b, first_method ? S("") : S(","));
			first_method = false;
			put_operation(&b, &routes[k]);
		}
		buf_put(&b, S("}"));
	}
	buf_printf(&b, "},\"components\":{\"securitySchemes\":%s,\"schemas\":%s}}",
	    security_schemes, schemas);
	return buf_str(&b);
}
