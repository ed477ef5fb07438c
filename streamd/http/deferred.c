#include <stddef.h>
#include <stdlib.h>

#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/log.h>
#include <millrace/sse.h>

#include "streamd/events/feed.h"
#include "streamd/events/principal.h"
#include "streamd/http/deferred.h"
#include "streamd/http/head.h"
#include "streamd/http/response.h"
#include "streamd/json_scan.h"
#include "streamd/metrics.h"
#include "sql_stream.h"

/* A waiting request. */
struct deferred {
	struct principal principal; /* without a user where anybody may call the route */
	struct conn *conn;
	struct buffer *timeout; /* the finished response for the time limit */
	bool no_body;
	bool streams; /* the run's text may be the body */
	bool begun; /* it is, and this is an event stream by now */
	enum face face;
	/* The run that ends where the client goes away; of what may stream, once it does. Absent:
	   none does */
	struct uuid cancels;
	char request_id[68];
	/* The grant's, as lines, and of a stream those that the run has added; own */
	size_t headers_len;
	char *headers;
};

/* Responds and finishes. */
static void
deferred_send(struct conn *c, struct buffer *b)
{
	conn_put(c, b);
	conn_finish(c);
}

static struct buffer *
stream_chunk(struct arena *a, struct str text)
{
	return buffer_of(arena_printf(a, "%zx\r\n%.*s\r\n", text.n, S_ARG(text)));
}

static void
stream_end(struct conn *c)
{
	struct buffer *b = buffer_of(S("0\r\n\r\n"));

	conn_put(c, b);
	buffer_drop(b);
	conn_finish(c);
}

/* What was charged, or has been tried again already, is not to be sent again by itself. */
static struct buffer *
error_response(
    struct arena *a, const struct deferred *r, enum err e, const char *text, struct str headers)
{
	struct str id = r->request_id[0] ? str_from(r->request_id) : (struct str){ NULL, 0 };

	if (r->face == FACE_NONE)
		return response_error(a, e, text, id, headers, r->no_body);
	return response_new(
	    a, &(struct response){ .status = err_info(e)->status,
		   .headers = arena_printf(a, "%.*sX-Should-Retry: false\r\n", S_ARG(headers)),
		   .body = face_error(a, e, text ? str_from(text) : (struct str){ NULL, 0 }, id),
		   .no_body = r->no_body });
}

static void
deferred_send_error(struct conn *c, enum err e, const char *text, struct str more_headers)
{
	struct deferred *r = c->deferred;
	struct arena *a = c->server->scratch;
	struct buf headers = { .a = a };
	struct buffer *b;

	buf_put(&headers, (struct str){ r->headers, r->headers_len });
	buf_put(&headers, more_headers);
	if (r->begun)
		b = stream_chunk(
		    a, face_error_event(a, r->face, e, str_from(text ? text : err_info(e)->text)));
	else
		b = error_response(a, r, e, text, buf_str(&headers));
	conn_put(c, b);
	if (r->begun)
		stream_end(c);
	else
		conn_finish(c);
	buffer_drop(b);
	arena_reset(a);
}

static void
deferred_on_change(struct principal *p, bool ended)
{
	if (ended)
		deferred_send_error((container_of(p, struct deferred, principal))->conn,
		    ERR_UNAUTHORIZED, "The session has ended.", S(""));
}

/* The result's own headers as lines, with Content-Type apart and without those that frame the
   body. */
static struct str
result_headers(struct arena *a, const struct deferred *r, struct str from, struct str *type)
{
	struct buf b = { .a = a };
	json_object *o = NULL;
	const char *why;

	buf_put(&b, (struct str){ r->headers, r->headers_len });
	if (!from.p || json_parse(a, from, &o, &why) != ERR_OK ||
	    !json_object_is_type(o, json_type_object))
		return buf_str(&b);
	json_object_object_foreach (o, name, value) {
		struct str n = str_from(name), v = json_text(o, name);

		(void)value;
		if (!v.p || str_eq_nocase(n, S("content-length")) ||
		    str_eq_nocase(n, S("transfer-encoding")) || str_eq_nocase(n, S("connection")))
			continue;
		if (str_eq_nocase(n, S("content-type")))
			*type = v;
		else
			response_put_header(&b, n, v);
	}
	return buf_str(&b);
}

/* Sends {"status", "headers", "body"}. The body is the event's text, so numbers keep their
   digits. */
static void
deferred_send_result(struct conn *c, struct str data)
{
	struct deferred *r = c->deferred;
	struct arena *a = c->server->scratch;
	struct response response = { .no_body = r->no_body, .body = json_scan_at(data, S("body")) };
	struct buffer *b;
	int64_t status;

	if (!str_int(json_scan_at(data, S("status")), &status) || status < 200 || status > 599 ||
	    !response.body.p) {
		log_error("deferred: result has no status or no body");
		deferred_send_error(c, ERR_INTERNAL, NULL, S(""));
		return;
	}
	response.status = (int)status;
	response.headers = result_headers(a, r, json_scan_at(data, S("headers")), &response.type);
	b = response_new(a, &response);
	deferred_send(c, b);
	buffer_drop(b);
	arena_reset(a);
}

/* -- a stream in the client's format -- */

/* An event stream's head in the place of an ordinary response's. */
static void
stream_begin(struct conn *c)
{
	struct deferred *r = c->deferred;
	struct buffer *b = buffer_of(arena_printf(c->server->scratch,
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " SSE_TYPE "\r\n"
	    "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
	    "Transfer-Encoding: chunked\r\n%.*s\r\n",
	    (int)r->headers_len, r->headers));

	r->begun = true;
	conn_put(c, b);
	buffer_drop(b);
	conn_rearm(c);
}

/* The run adds headers before its stream begins; a whole reply has its own. */
static void
stream_headers(struct conn *c, struct str from)
{
	struct deferred *r = c->deferred;
	struct arena *a = c->server->scratch;
	struct str type, lines = result_headers(a, r, from, &type);

	r->headers = xrealloc(r->headers, lines.n + 1);
	memcpy(r->headers, lines.p, lines.n);
	r->headers_len = lines.n;
	arena_reset(a);
}

/* False where there is no room for it. */
static bool
stream_deliver(struct conn *c, struct event *e)
{
	struct arena *a = c->server->scratch;
	struct str text;
	struct buffer *b;

	if (!json_scan_text(a, json_scan_at(e->data, S("content")), SIZE_MAX, &text)) {
		log_error("deferred: a token event has no text", "topic", c->sub.topic->name);
		return true;
	}
	if (!c->deferred->begun)
		stream_begin(c);
	if (!conn_has_room(c, text.n + 32))
		conn_flush(c);
	if (!c->dead && !conn_has_room(c, text.n + 32)) {
		arena_reset(a);
		return false;
	}
	b = stream_chunk(a, text);
	conn_put(c, b);
	buffer_drop(b);
	arena_reset(a);
	metrics.events_sent++;
	return true;
}

static bool
deferred_ready(const struct sub *s)
{
	const struct conn *c = conn_of_sub(s);

	return !c->deferred->begun || c->n == 0;
}

static void
deferred_drained(struct conn *c)
{
	if (c->deferred->begun)
		hub_drained(&c->sub);
}

/* The run has ended without a result: with its error, or the end of its text. */
static void
deferred_end(struct conn *c, struct event *e)
{
	struct arena *a = arena_new();
	struct str code, text;
	enum err err = ERR_COUNT;

	if (c->deferred->begun && str_eq(e->type, S("done"))) {
		stream_end(c);
	} else if (json_scan_text(a, json_scan_at(e->data, S("code")), 100, &code) &&
		   json_scan_text(a, json_scan_at(e->data, S("message")), SIZE_MAX, &text) &&
		   (err = err_from_code(arena_cstr(a, code))) != ERR_COUNT) {
		deferred_send_error(c, err, arena_cstr(a, text), S(""));
	} else {
		log_error("deferred: run ended without a result", "topic", c->sub.topic->name);
		deferred_send_error(c, ERR_INTERNAL, NULL, S(""));
	}
	arena_free(a);
}

static bool
deferred_deliver(struct sub *s, struct event *e)
{
	struct conn *c = conn_of_sub(s);

	if (c->deferred->streams && json_scan_at(e->data, S("content")).p && !stream_deliver(c, e))
		return false;
	if (str_eq(e->type, S("headers")))
		stream_headers(c, json_scan_at(e->data, S("headers")));
	if (c->dead)
		return true;
	if (str_eq(e->type, S("result"))) {
		metrics.events_sent++;
		deferred_send_result(c, e->data);
	} else if (event_is_terminal(e)) {
		deferred_end(c, e);
	}
	return true;
}

static const struct sub_ops deferred_sub = { .ready = deferred_ready, .deliver = deferred_deliver };

static int64_t
deferred_due_ms(const struct conn *c)
{
	return c->deferred->begun ? c->put_ms + config()->stream_ping_seconds * 1000 : c->ends_ms;
}

static void
deferred_due(struct conn *c)
{
	struct buffer *ping;

	if (!c->deferred->begun) {
		deferred_send(c, c->deferred->timeout);
	} else if (c->n > 0) {
		c->put_ms = loop_now(c->server->loop); /* queued output serves as well */
	} else {
		ping = buffer_of(S("7\r\n: ping\n\r\n"));
		conn_put(c, ping);
		buffer_drop(ping);
	}
}

static void
deferred_stop(struct conn *c)
{
	deferred_send_error(c, ERR_OVERLOADED,
	    "The server is restarting; ask for the run's outcome.", S("Retry-After: 1\r\n"));
}

static void
cancel_done(void *arg, const struct pipe_reply *reply)
{
	(void)arg;
	if (reply->e != ERR_OK)
		log_warn("deferred: a run whose client is gone could not be cancelled");
}

/* Has the client gone away without its reply, or in the middle of a stream? */
static bool
is_left(const struct conn *c)
{
	const struct deferred *r = c->deferred;

	return !c->closing && !c->handed_over && !c->server->stopping && (r->begun || !r->streams);
}

static void
deferred_gone(struct conn *c)
{
	struct uuid run = c->deferred->cancels;

	metrics.connections_reply--;
	if (run.text[0] && is_left(c) &&
	    pipe_stream_run_cancel(
		feed_pipe(c->server->feed), c->server->scratch, cancel_done, NULL, run) != ERR_OK)
		log_warn("deferred: a run whose client is gone could not be cancelled");
	principal_detach(c->server->principals, &c->deferred->principal);
	buffer_drop(c->deferred->timeout);
	free(c->deferred->headers);
	free(c->deferred);
	c->deferred = NULL;
}

static bool
deferred_save(const struct conn *c, struct buf *out)
{
	const struct deferred *r = c->deferred;

	buf_put(out, S("\"kind\":\"reply\",\"topic\":"));
	buf_json(out, str_from(c->sub.topic->name));
	buf_printf(out,
	    ",\"sent\":%lld,\"no_body\":%s,\"streams\":%s,\"begun\":%s,\"face\":%d,"
	    "\"request_id\":",
	    (long long)c->sub.sent, r->no_body ? "true" : "false", r->streams ? "true" : "false",
	    r->begun ? "true" : "false", (int)r->face);
	buf_json(out, str_from(r->request_id));
	buf_put(out, S(",\"cancels\":"));
	buf_json(out, uuid_str(&r->cancels));
	buf_put(out, S(",\"headers\":"));
	buf_json(out, (struct str){ r->headers, r->headers_len });
	buf_put(out, S(",\"timeout\":"));
	buf_json(out, base64url(out->a, (struct str){ r->timeout->bytes, r->timeout->len }));
	buf_put(out, S(","));
	principal_save(&r->principal, out);
	return true;
}

static const struct conn_kind deferred_kind = { .save = deferred_save,
	.due_ms = deferred_due_ms,
	.due = deferred_due,
	.drained = deferred_drained,
	.stop = deferred_stop,
	.gone = deferred_gone };

static struct deferred *
deferred_alloc(struct str id, struct str headers, bool no_body)
{
	struct deferred *r = xmalloc(sizeof(*r));

	*r = (struct deferred){
		.headers_len = headers.n, .headers = xmalloc(headers.n + 1), .no_body = no_body
	};
	memcpy(r->headers, headers.p, headers.n);
	if (id.p && id.n < sizeof(r->request_id))
		memcpy(r->request_id, id.p, id.n);
	return r;
}

static struct deferred *
deferred_new(const struct http_head *h, const struct grant *g, struct str headers)
{
	struct str id = g->request_id.p ? g->request_id : h->request_id;
	struct deferred *r = deferred_alloc(id, headers, h->method == METHOD_HEAD);

	if (g->timeout_body.p && g->timeout_status >= 200 && g->timeout_status <= 599)
		r->timeout = response_new(h->arena, &(struct response){ .status = g->timeout_status,
							.headers = headers,
							.body = g->timeout_body,
							.no_body = r->no_body });
	else
		r->timeout =
		    response_error(h->arena, ERR_UPSTREAM_TIMEOUT, NULL, id, headers, r->no_body);
	return r;
}

/* Makes the connection wait for events after `after`. */
static void
deferred_wait(struct conn *c, const struct principal *who, struct str topic, int64_t after)
{
	struct deferred *r = c->deferred;

	metrics.connections_reply++;
	r->conn = c;
	r->principal = *who;
	r->principal.on_change = deferred_on_change;
	principal_attach(c->server->principals, &r->principal);
	c->sub.ops = &deferred_sub;
	conn_set_kind(c, &deferred_kind);
	hub_subscribe(c->server->hub, &c->sub, topic, after);
}

void
deferred_start(struct conn *c, struct http_head *h, const struct grant *g)
{
	int64_t wait_ms =
	    g->wait_seconds > 0 && g->wait_seconds < 86400 ? g->wait_seconds * 1000 : 50000;
	struct principal who = principal_of_grant(g);
	struct str kind;

	metrics.requests_reply++;
	c->deferred = deferred_new(h, g, response_grant_headers(h->arena, g));
	c->deferred->streams = g->streams;
	c->deferred->face = g->face;
	if (g->cancels)
		(void)uuid_parse(str_cut(g->topic, ':', &kind), &c->deferred->cancels);
	c->ends_ms = loop_now(c->server->loop) + wait_ms;
	deferred_wait(c, &who, g->topic, g->after);
	http_head_free(h);
}

bool
deferred_restore(struct conn *c, json_object *from)
{
	struct arena *a = arena_new();
	struct str topic = json_text(from, "topic"), headers = json_text(from, "headers"), timeout;
	struct principal who = { 0 };
	bool good = topic.p && headers.p && principal_restore(&who, from) &&
		    base64url_decode(a, json_text(from, "timeout"), &timeout);

	if (good) {
		c->deferred = deferred_alloc(json_text(from, "request_id"), headers,
		    json_object_get_boolean(json_at(from, "no_body")));
		c->deferred->timeout = buffer_of(timeout);
		c->deferred->streams = json_object_get_boolean(json_at(from, "streams"));
		c->deferred->begun = json_object_get_boolean(json_at(from, "begun"));
		c->deferred->face = (enum face)json_int(from, "face", FACE_NONE);
		(void)!uuid_parse(json_text(from, "cancels"), &c->deferred->cancels);
		deferred_wait(c, &who, topic, json_int(from, "sent", 0));
	}
	arena_free(a);
	return good;
}
