/* A request's first steps, the same for every route, and the end of one that fails. */
#include <millrace/address.h>
#include <millrace/clock.h>

#include "fcgi/caller.h"
#include "fcgi/pieces.h"
#include "fcgi/rate.h"
#include "fcgi/upload.h"
#include "fcgi/worker.h"

#define PREFLIGHT_SECONDS "86400"
#define PREFLIGHT_ASKED_MAX 2000
#define IDEMPOTENCY_KEY_MAX 255 /* bytes */

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
	/* A trailing slash makes no difference to anything. */
	if (r->path.n > 1 && r->path.p[r->path.n - 1] == '/')
		r->path.n--;
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

/* What a preflight asks for (Fetch, 3.3.3), behind what it gets anyway. */
static struct str
with_asked(struct req *r, struct str list, const char *param)
{
	struct str asked = req_param(r, param);

	if (asked.n == 0 || asked.n > PREFLIGHT_ASKED_MAX)
		return list;
	return arena_printf(r->a, "%.*s, %.*s", S_ARG(list), S_ARG(asked));
}

/*
 * What the path accepts. nginx adds Access-Control-Allow-Origin for the configured origins: whether
 * a page may call is decided by that. Of a preflight that is refused it would learn nothing, so it
 * is the request itself that is refused, in words.
 */
static void
reply_options(struct req *r)
{
	struct str allow = allow_list(r, r->match.methods);

	reply_header(r, "Allow", allow);
	reply_header(r, "Access-Control-Allow-Methods",
	    with_asked(r, allow, "HTTP_ACCESS_CONTROL_REQUEST_METHOD"));
	reply_header(r, "Access-Control-Allow-Headers",
	    with_asked(r,
		S("Anthropic-Version, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, "
		  "MCP-Protocol-Version, Mcp-Session-Id, X-Api-Key, X-CSRF-Token, X-Request-Id"),
		"HTTP_ACCESS_CONTROL_REQUEST_HEADERS"));
	reply_header(r, "Access-Control-Max-Age", S(PREFLIGHT_SECONDS));
	(void)reply_json(r, 204, (struct str){ NULL, 0 });
}

static enum err
find_route(struct req *r)
{
	r->match = route_match(r->worker->pool, method_number(r->method), r->path);
	r->route = r->match.route;
	r->problems.camel = r->route && !r->route->snake;
	if (str_eq(r->method, S("OPTIONS")) &&
	    (r->match.methods || req_param(r, "HTTP_ACCESS_CONTROL_REQUEST_METHOD").p))
		return ERR_OK;
	if (r->match.methods == 0)
		return ERR_NOT_FOUND;
	if (!r->route) {
		reply_header(r, "Allow", allow_list(r, r->match.methods));
		return ERR_METHOD_NOT_ALLOWED;
	}
	return ERR_OK;
}

static enum err
read_idempotency_key(struct req *r)
{
	struct str key;

	if (!r->route->idempotent || !(key = req_param(r, "HTTP_IDEMPOTENCY_KEY")).p)
		return ERR_OK;
	if (key.n == 0 || key.n > IDEMPOTENCY_KEY_MAX || !str_utf8(key)) {
		problem_add(&r->problems, S("Idempotency-Key"), "must have 1 to %d bytes of UTF-8",
		    IDEMPOTENCY_KEY_MAX);
		return ERR_BAD_REQUEST;
	}
	r->idempotency_key = key;
	return ERR_OK;
}

/*
 * Whom a request counts for: the user, by whatever credential, else the address. A key is nobody's
 * until it has been good once, since anybody can make up any number of them.
 */
static struct str
subject_of(struct req *r)
{
	struct uuid user = r->caller.user;
	struct str network;

	if (r->route->rate == RATE_LOGIN || r->caller.how == CALLER_NOBODY ||
	    (r->caller.how == CALLER_KEY && !rate_key_user(r->caller.key_hash, &user))) {
		network = address_network(r->a, r->address);
		return network.p ? network : r->address;
	}
	if (r->caller.how == CALLER_EXTERNAL)
		return arena_printf(
		    r->a, "%s %s", r->caller.external->provider, r->caller.external->subject);
	return r->caller.how == CALLER_KEY ? arena_str(r->a, uuid_str(&user))
					   : uuid_str(&r->caller.user);
}

/* The database is asked about a key that was never good: that counts on any route. */
static enum rate
rate_of(const struct req *r)
{
	struct uuid user;

	if (r->route->rate == RATE_NONE && r->caller.how == CALLER_KEY &&
	    !rate_key_user(r->caller.key_hash, &user))
		return RATE_READ;
	return r->route->rate;
}

/*
 * Is an unknown caller refused inside the socket that was asked for? A browser's WebSocket learns
 * the reason from a close code alone, and Socket.IO may still send its token in CONNECT.
 */
static bool
refuses_in_band(const struct req *r)
{
	return r->route && r->route->mode == SOCKET &&
	       (r->route->caller == AUTH_OPTIONAL ||
		   str_eq_nocase(req_param(r, "HTTP_UPGRADE"), S("websocket")));
}

/* A compressed body would be read as if it were not (RFC 9110, 8.4). */
static enum err
check_coding(struct req *r)
{
	struct str coding;

	if (r->route->body_kind == BODY_NONE)
		return ERR_OK;
	coding = str_trim(req_param(r, "HTTP_CONTENT_ENCODING"));
	if (coding.n == 0 || str_eq_nocase(coding, S("identity")))
		return ERR_OK;
	return refuse(r, ERR_UNSUPPORTED_MEDIA_TYPE,
	    "The body is to be sent as it is, without a Content-Encoding.");
}

static enum err
begin(struct req *r)
{
	enum err e;

	if ((e = find_route(r)) != ERR_OK)
		return e;
	if (!r->route) {
		body_drain(r);
		reply_options(r);
		return ERR_OK;
	}
	if ((e = caller_identify(r)) == ERR_UNAUTHORIZED && refuses_in_band(r))
		r->caller = (struct caller){ .how = CALLER_NOBODY };
	else if (e != ERR_OK)
		return e;
	r->subject = subject_of(r);
	if ((e = rate_count(r, rate_of(r))) != ERR_OK)
		return e;
	if ((e = read_idempotency_key(r)) != ERR_OK || (e = check_coding(r)) != ERR_OK)
		return e;
	if (r->route->body_kind == BODY_UPLOAD || (r->route->large && r->content_length > MIB))
		return upload_begin(r);
	if (r->route->body_kind == BODY_JSON && (e = body_read(r)) != ERR_OK)
		return e;
	body_drain(r);
	return r->route->handler(r);
}

void
request_fail(struct req *r, enum err e)
{
	if (r->pieces)
		pieces_break(r);
	else if (e != ERR_UNAUTHORIZED || !refuses_in_band(r) || r->route->nobody(r) != ERR_OK)
		reply_error(r, e);
}

void
request_begin(struct req *r)
{
	enum err e;

	read_params(r);
	e = begin(r);
	if (e == ERR_OK)
		return;
	body_drain(r);
	request_fail(r, e);
}
