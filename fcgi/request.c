/* A request's first steps, the same for every route: read, match, identify, count, check. */
#include <stdlib.h>
#include <time.h>

#include <millrace/address.h>
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/fields.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "fcgi/upload.h"
#include "fcgi/worker.h"

#define PREFLIGHT_SECONDS "86400"
#define IDEMPOTENCY_KEY_MAX 255

struct str
req_param(const struct req *r, const char *name)
{
	return str_from(FCGX_GetParam(name, r->fcgx.envp));
}

struct uuid
path_uuid(const struct req *r, size_t n)
{
	struct uuid u = { "" };

	if (n >= r->match.n_parts || !uuid_parse(r->match.parts[n], &u))
		abort();
	return u;
}

static int
method_number(struct str name)
{
	for (int m = M_GET; m <= M_DELETE; m++)
		if (str_eq(name, str_from(method_name((enum method)m))))
			return m;
	return str_eq(name, S("HEAD")) ? M_GET : 0;
}

static void
read_params(struct req *r)
{
	r->method = req_param(r, "REQUEST_METHOD");
	r->path = req_param(r, "DOCUMENT_URI");
	r->query_string = req_param(r, "QUERY_STRING");
	r->content_type = req_param(r, "CONTENT_TYPE");
	r->address = req_param(r, "REMOTE_ADDR");
	r->request_id = req_param(r, "HTTP_X_REQUEST_ID");
	r->problems.json.a = r->a;
	r->headers.a = r->a;
	r->arrived_us = clock_us();
	r->content_length = 0;
	if (!str_int(req_param(r, "CONTENT_LENGTH"), &r->content_length) || r->content_length < 0)
		r->content_length = 0;
}

/* "GET, HEAD, OPTIONS" for a set of methods. */
static struct str
allow_list(struct req *r, unsigned methods)
{
	struct buf b = { .a = r->a };

	for (int m = M_GET; m <= M_DELETE; m++)
		if (methods & 1U << m)
			buf_printf(
			    &b, "%s%s, ", method_name((enum method)m), m == M_GET ? ", HEAD" : "");
	buf_put(&b, S("OPTIONS"));
	return buf_str(&b);
}

/* OPTIONS says what the path takes; nginx adds Access-Control-Allow-Origin for the origins that are configured there. */
static void
answer_options(struct req *r)
{
	struct str allow = allow_list(r, r->match.methods);

	reply_header(r, "Allow", allow);
	reply_header(r, "Access-Control-Allow-Methods", allow);
	reply_header(r, "Access-Control-Allow-Headers",
	    S("Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-CSRF-Token, "
	      "X-Request-Id"));
	reply_header(r, "Access-Control-Max-Age", S(PREFLIGHT_SECONDS));
	(void)reply_json(r, 204, (struct str){ NULL, 0 });
}

static enum err
find_route(struct req *r)
{
	r->match = route_match(r->worker->pool, method_number(r->method), r->path);
	r->route = r->match.route;
	if (r->match.methods == 0)
		return ERR_NOT_FOUND;
	if (!r->route && !str_eq(r->method, S("OPTIONS"))) {
		reply_header(r, "Allow", allow_list(r, r->match.methods));
		return ERR_METHOD_NOT_ALLOWED;
	}
	return ERR_OK;
}

static enum err
read_idempotency_key(struct req *r)
{
	struct str key = req_param(r, "HTTP_IDEMPOTENCY_KEY");

	if (!key.p || !r->route->idempotent)
		return ERR_OK;
	if (key.n == 0 || key.n > IDEMPOTENCY_KEY_MAX || !str_utf8(key)) {
		problem_add(&r->problems, S("Idempotency-Key"), "must have 1 to %d bytes of UTF-8",
		    IDEMPOTENCY_KEY_MAX);
		return ERR_BAD_REQUEST;
	}
	r->idempotency_key = key;
	return ERR_OK;
}

void
req_drain(struct req *r)
{
	static char sink[16384]; /* never read, so it is not zeroed each time either */

	while (FCGX_GetStr(sink, sizeof(sink), r->fcgx.in) == (int)sizeof(sink))
		;
}

static enum err
read_body(struct req *r)
{
	struct str type;
	size_t len = (size_t)r->content_length;
	char *p;

	(void)str_cut(r->content_type.p ? r->content_type : S(""), ';', &type);
	if (r->content_length > MIB)
		return ERR_TOO_LARGE;
	if (!str_eq_nocase(str_trim(type), S("application/json")) && (len > 0 || r->route->body))
		return len > 0 || type.n > 0 ? ERR_UNSUPPORTED_MEDIA_TYPE : ERR_OK;
	p = arena_alloc(r->a, len + 1);
	if (len > 0 && (size_t)FCGX_GetStr(p, (int)len, r->fcgx.in) != len)
		return ERR_BAD_REQUEST;
	r->body = (struct str){ p, len };
	return ERR_OK;
}

/* Whom a request counts for: who is signed in, else the address. */
static struct str
rate_subject(struct req *r)
{
	struct str network;

	if (r->route->rate == RATE_LOGIN || r->caller.how == CALLER_NOBODY) {
		network = address_network(r->a, r->address);
		return network.p ? network : r->address;
	}
	if (r->caller.how == CALLER_EXTERNAL)
		return arena_printf(
		    r->a, "%s %s", r->caller.external->provider, r->caller.external->subject);
	return r->caller.how == CALLER_KEY ? base64url(r->a, r->caller.key_hash)
					   : uuid_str(&r->caller.user);
}

static enum err
begin(struct req *r)
{
	enum err e;

	if ((e = find_route(r)) != ERR_OK)
		return e;
	if (!r->route) {
		req_drain(r);
		answer_options(r);
		return ERR_OK;
	}
	if ((e = caller_identify(r)) == ERR_UNAUTHORIZED && caller_in_band(r))
		r->caller = (struct caller){ .how = CALLER_NOBODY };
	else if (e != ERR_OK)
		return e;
	if ((e = rate_count(r, rate_subject(r))) != ERR_OK)
		return e;
	if ((e = read_idempotency_key(r)) != ERR_OK)
		return e;
	if (r->route->body_kind == BODY_UPLOAD)
		return upload_begin(r);
	if (r->route->body_kind == BODY_JSON && (e = read_body(r)) != ERR_OK)
		return e;
	req_drain(r);
	return r->route->handler(r);
}

void
req_begin(struct req *r)
{
	enum err e;

	read_params(r);
	e = begin(r);
	if (e == ERR_OK)
		return;
	req_drain(r);
	reply_error(r, e);
}

enum err
body_object(struct req *r, json_object **out)
{
	json_object *o;
	const char *why;

	if (json_parse(r->a, r->body, &o, &why) != ERR_OK) {
		r->error_text =
		    arena_printf(r->a, "The body is not the JSON that is taken here: %s.", why);
		return ERR_BAD_REQUEST;
	}
	if (!json_object_is_type(o, json_type_object))
		return refuse(r, ERR_BAD_REQUEST, "The body must be a JSON object.");
	*out = o;
	return ERR_OK;
}

enum err
body_bind(struct req *r, void *into)
{
	const struct field_table *t = r->route->body;
	json_object *o;
	enum err e;

	if ((e = body_object(r, &o)) != ERR_OK)
		return e;
	if (!json_fields(r->a, t->p, t->n, o, into, &r->problems))
		return refuse(r, ERR_BAD_REQUEST, "Some fields are not valid.");
	return ERR_OK;
}

enum err
query_bind(struct req *r, void *into)
{
	const struct field_table *t = r->route->query;

	if (!query_fields(r->a, t->p, t->n, r->query_string, into, &r->problems))
		return refuse(r, ERR_BAD_REQUEST, "Some parameters are not valid.");
	return ERR_OK;
}

static const struct field list_fields[] = {
	F_INT(struct list_in, limit, 1, LIST_LIMIT_MAX, OPTIONAL),
	F_UUID(struct list_in, before, OPTIONAL),
};
const struct field_table list_query = FIELD_TABLE(struct list_in, list_fields);
