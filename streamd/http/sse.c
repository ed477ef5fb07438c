#include <stddef.h>
#include <stdlib.h>

#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/sse.h>

#include "streamd/events/principal.h"
#include "streamd/http/head.h"
#include "streamd/http/response.h"
#include "streamd/http/sse.h"
#include "streamd/metrics.h"

#define LAST_CHUNK "0\r\n\r\n"

/* Clients reconnect over so long a time when the process stops. */
#define RETURN_MS 5000

/* A stream's principal. */
struct sse {
	struct principal principal;
	struct conn *conn;
};

static const struct conn_kind sse_kind;

/* Queues a literal that all streams share; `*shared` keeps it for good. */
static void
put_shared(struct conn *c, struct buffer **shared, struct str bytes)
{
	if (!*shared)
		*shared = buffer_of(bytes);
	conn_put(c, *shared);
}

static void
sse_end(struct conn *c)
{
	static struct buffer *last_chunk;

	put_shared(c, &last_chunk, S(LAST_CHUNK));
	conn_finish(c);
}

static bool
sse_ready(const struct sub *s)
{
	return conn_of_sub(s)->n == 0;
}

static bool
sse_deliver(struct sub *s, struct event *e)
{
	struct conn *c = conn_of_sub(s);

	/* `result` is for deferred replies. */
	if (str_eq(e->type, S("result")))
		return true;
	if (!conn_has_room(c, event_sse(e)->len)) {
		conn_flush(c);
		if (c->dead)
			return true;
		if (!conn_has_room(c, event_sse(e)->len))
			return false;
	}
	conn_put(c, event_sse(e));
	metrics.events_sent++;
	if (event_is_terminal(e))
		sse_end(c);
	return true;
}

static void
sse_ended(struct sub *s)
{
	sse_end(conn_of_sub(s));
}

/* A client that reconnects is refused by a worker, with the reason. */
static void
sse_on_change(struct principal *p, bool ended)
{
	if (ended)
		sse_end((container_of(p, struct sse, principal))->conn);
}

static const struct sub_ops sse_sub = {
	.ready = sse_ready, .deliver = sse_deliver, .ended = sse_ended
};

static int64_t
sse_due_ms(const struct conn *c)
{
	int64_t ping = c->put_ms + config()->stream_ping_seconds * 1000;

	return c->ends_ms != 0 && c->ends_ms < ping ? c->ends_ms : ping;
}

static void
sse_due(struct conn *c)
{
	static struct buffer *ping;

	if (c->ends_ms != 0 && c->ends_ms <= loop_now(c->server->loop))
		sse_end(c);
	else if (c->n > 0)
		c->put_ms = loop_now(c->server->loop); /* queued output serves as well */
	else
		put_shared(c, &ping, S("7\r\n: ping\n\r\n"));
}

static void
sse_drained(struct conn *c)
{
	hub_drained(&c->sub);
}

static void
sse_gone(struct conn *c)
{
	metrics.connections_sse--;
	if (c->sse)
		principal_detach(c->server->principals, &c->sse->principal);
	free(c->sse);
	c->sse = NULL;
}

/* Spread reconnects at random, so that they do not come all at once. */
static void
sse_stop(struct conn *c)
{
	struct arena *a = c->server->scratch;
	uint16_t wait;
	struct str text;
	struct buffer *b;

	random_bytes(&wait, sizeof(wait));
	text = arena_printf(a, "retry: %d\n", 500 + wait % RETURN_MS);
	b = buffer_of(arena_printf(a, "%zx\r\n%.*s\r\n", text.n, S_ARG(text)));
	conn_put(c, b);
	buffer_drop(b);
	arena_reset(a);
	sse_end(c);
}

static bool
sse_save(const struct conn *c, struct buf *out)
{
	buf_put(out, S("\"kind\":\"sse\",\"topic\":"));
	buf_json(out, str_from(c->sub.topic->name));
	buf_printf(out, ",\"sent\":%lld,", (long long)c->sub.sent);
	principal_save(&c->sse->principal, out);
	return true;
}

static const struct conn_kind sse_kind = {
	.save = sse_save,
	.due_ms = sse_due_ms,
	.due = sse_due,
	.drained = sse_drained,
	.stop = sse_stop,
	.gone = sse_gone,
};

/* The response's head and the stream's first lines. */
static void
put_head(struct conn *c, const struct http_head *h, const struct grant *g, struct str lines)
{
	struct buf b = { .a = h->arena };
	struct buffer *made;

	buf_put(&b, S("HTTP/1.1 200 OK\r\n"
		      "Connection: close\r\n"
		      "Content-Type: " SSE_TYPE "\r\n"
		      "Cache-Control: no-cache\r\n"
		      "X-Accel-Buffering: no\r\n"
		      "Transfer-Encoding: chunked\r\n"));
	buf_put(&b, response_grant_headers(h->arena, g));
	buf_put(&b, S("\r\n"));
	if (h->method != METHOD_HEAD)
		buf_printf(&b, "%zx\r\n%.*s\r\n", lines.n, S_ARG(lines));
	made = buffer_of(buf_str(&b));
	conn_put(c, made);
	buffer_drop(made);
}

/* Subscribes to events after `after`. */
static void
sse_subscribe(struct conn *c, const struct principal *who, struct str topic, int64_t after)
{
	c->sse = xmalloc(sizeof(*c->sse));
	*c->sse = (struct sse){ .principal = *who, .conn = c };
	c->sse->principal.on_change = sse_on_change;
	principal_attach(c->server->principals, &c->sse->principal);
	c->sub.ops = &sse_sub;
	hub_subscribe(c->server->hub, &c->sub, topic, after);
}

void
sse_start(struct conn *c, struct http_head *h, const struct grant *g)
{
	bool head_sent_as_get = h->method == METHOD_GET && str_eq(g->method, S("HEAD"));
	bool head = h->method == METHOD_HEAD;
	struct principal who = principal_of_grant(g);

	metrics.requests_sse++;
	metrics.connections_sse++;
	c->ends_ms = loop_at_unix(c->server->loop, g->expires_at);
	put_head(c, h, g, S("retry: 1000\n"));
	c->sse = NULL;
	conn_set_kind(c, &sse_kind);
	if (head) {
		conn_finish(c);
	} else if (head_sent_as_get) {
		sse_end(c);
	} else {
		sse_subscribe(c, &who, g->topic, g->after);
	}
	http_head_free(h);
}

bool
sse_refuse(struct conn *c, const struct grant *g, enum err e, const char *text, int64_t wait_s)
{
	const struct http_head *h = c->head;

	if (!str_eq(g->method, S("GET")) && !str_eq(g->method, S("HEAD")))
		return false;
	metrics.requests_refused++;
	put_head(c, h, g, sse_refusal(h->arena, e, str_from(text), wait_s));
	if (h->method == METHOD_HEAD)
		conn_finish(c);
	else
		sse_end(c);
	return true;
}

bool
sse_restore(struct conn *c, json_object *from)
{
	struct str topic = json_text(from, "topic");
	struct principal who = { 0 };

	if (!topic.p || !principal_restore(&who, from))
		return false;
	metrics.connections_sse++;
	c->put_ms = loop_now(c->server->loop);
	c->sse = NULL;
	conn_set_kind(c, &sse_kind);
	sse_subscribe(c, &who, topic, json_int(from, "sent", 0));
	return true;
}
