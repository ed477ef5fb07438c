#include <time.h>

#include <millrace/config.h>
#include <millrace/grant.h>
#include <millrace/log.h>
#include <millrace/json.h>

#include "streamd/events/topics.h"
#include "streamd/http/response.h"
#include "streamd/websocket/channel.h"
#include "streamd/socketio/engine.h"
#include "streamd/http/head.h"
#include "streamd/http/deferred.h"
#include "streamd/http/dispatch.h"
#include "streamd/http/sse.h"
#include "streamd/metrics.h"

#define HEAD_SECONDS 10

static int64_t
due_ms(const struct conn *c)
{
	return c->ends_ms;
}

static void
gone(struct conn *c)
{
	http_head_free(c->head);
	c->head = NULL;
}

void
request_refuse(struct conn *c, enum err e, const char *text, struct str headers)
{
	struct http_head *h = c->head;
	struct buffer *b =
	    answer_error(h->arena, e, text, h->request_id, headers, h->method == METHOD_HEAD);

	stats.requests_refused++;
	log_debug("refused", "code", err_info(e)->code, "request_id",
	    h->request_id.p ? arena_cstr(h->arena, h->request_id) : NULL);
	conn_put(c, b);
	buffer_drop(b);
	conn_finish(c);
}

static void
due(struct conn *c)
{
	request_refuse(c, ERR_BAD_REQUEST, "The request did not arrive in time.", S(""));
}

static void
stop(struct conn *c)
{
	if (!http_head_begun(c->head))
		conn_close(c);
}

static void request_bytes(struct conn *c, struct str bytes);

/* One that has said nothing yet is anybody's. */
static bool
save(const struct conn *c, struct buf *out)
{
	buf_put(out, S("\"kind\":\"request\","));
	return !http_head_begun(c->head);
}

static const struct conn_kind request_kind = { .save = save,
	.bytes = request_bytes,
	.due_ms = due_ms,
	.due = due,
	.stop = stop,
	.gone = gone };

bool
request_restore(struct conn *c, json_object *from)
{
	(void)from;
	request_start(c);
	return true;
}

void
request_start(struct conn *c)
{
	c->head = http_head_new();
	c->ends_ms = loop_now(c->server->loop) + HEAD_SECONDS * 1000;
	conn_become(c, &request_kind);
}

static bool
is_uuid(struct str id)
{
	struct uuid u;

	return uuid_parse(id, &u);
}

/* The grant's topic is "<kind>:<id>" with the id of the path: one that was made for another request is not taken. */
static bool
is_of_path(const struct grant *g, struct str id)
{
	struct str kind;

	return str_eq(str_cut(g->topic, ':', &kind), id) && g->user.text[0];
}

/* A reply may be nobody's: of a route that anyone may call. */
static bool
is_reply_of_path(const struct grant *g, struct str id)
{
	struct str kind;

	return str_eq(str_cut(g->topic, ':', &kind), id);
}

static bool
is_channel(struct str name)
{
	return channel_named(name) != CHANNEL_KINDS;
}

static bool
is_any(const struct grant *g, struct str rest)
{
	(void)rest;
	return g->topic.n > 0 || !g->user.text[0];
}

static bool
is_nothing(struct str rest)
{
	return rest.n == 0;
}

static bool
is_anybody(const struct grant *g, struct str rest)
{
	(void)g;
	(void)rest;
	return true;
}

static void
start_channel(struct conn *c, struct http_head *h, const struct grant *g)
{
	struct str name = h->path;

	while (memchr(name.p, '/', name.n))
		name = str_cut(name, '/', &(struct str){ NULL, 0 });
	channel_start(c, h, g, channel_named(name));
}

/*
 * What can be asked for: the path up to what is variable in it, which `known` checks; whether the grant is for it; what the connection
 * becomes. What is refused `in_band` tells an ended token, and a user of too many, in its own way, after the handshake. What `counts` of
 * its own is not refused for there being too much here: most of its requests go on with what is here already.
 */
static const struct target {
	struct str path;
	bool (*known)(struct str rest);
	bool (*fits)(const struct grant *g, struct str rest);
	bool in_band;
	bool posts; /* POST and OPTIONS, too */
	bool counts;
	void (*start)(struct conn *c, struct http_head *h, const struct grant *g);
} targets[] = {
	{ { "/_stream/run/", 13 }, is_uuid, is_of_path, false, false, false, sse_start },
	{ { "/_stream/reply/", 15 }, is_uuid, is_reply_of_path, false, false, false, reply_start },
	{ { "/_stream/ws/", 12 }, is_channel, is_any, true, false, false, start_channel },
	{ { "/_stream/socketio", 17 }, is_nothing, is_anybody, true, true, true, engine_request },
};

static const struct target *
target_of(struct str path, struct str *rest)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		size_t skip = targets[i].path.n;

		if (!str_starts(path, targets[i].path))
			continue;
		*rest = (struct str){ path.p + skip, path.n - skip };
		return targets[i].known(*rest) ? &targets[i] : NULL;
	}
	return NULL;
}

static bool
grant_fits(struct http_head *h, const struct target *t, struct str rest, struct grant *g)
{
	return h->grant.p && grant_read(h->arena, h->grant, g) == ERR_OK && t->fits(g, rest) &&
	       g->topic.n <= 200 && g->after >= 0;
}

/* There is too much here. What a worker has begun goes on, and its headers say what that is. */
static void
refuse_for_now(struct conn *c, const struct grant *g, enum err e, const char *text)
{
	struct arena *a = c->head->arena;

	request_refuse(c, e, text,
	    arena_printf(a, "Retry-After: 5\r\n%.*s", S_ARG(answer_grant_headers(a, g))));
}

/* What the whole head asks for. */
static void
request_go(struct conn *c)
{
	struct http_head *h = c->head;
	struct str rest;
	struct grant g;
	const struct target *t = target_of(h->path, &rest);

	if (!t)
		request_refuse(c, ERR_NOT_FOUND, "There is no such stream.", S(""));
	else if (h->method != METHOD_GET && h->method != METHOD_HEAD &&
		 (!t->posts || h->method == METHOD_OTHER))
		request_refuse(c, ERR_METHOD_NOT_ALLOWED, NULL, S("Allow: GET, HEAD\r\n"));
	else if (!grant_fits(h, t, rest, &g))
		request_refuse(
		    c, ERR_BAD_REQUEST, "This request does not come from a worker.", S(""));
	else if (!t->in_band && g.expires_at != 0 && g.expires_at <= time(NULL))
		request_refuse(c, ERR_UNAUTHORIZED, NULL, S(""));
	else if (c->server->stopping)
		request_refuse(c, ERR_OVERLOADED, NULL, S("Retry-After: 1\r\n"));
	else if (!t->in_band && access_is_full(c->server->access, &g.user))
		refuse_for_now(c, &g, ERR_RATE_LIMITED,
		    "You have too many streams open; close some of them first.");
	else if (!t->counts && !server_make_room(c->server))
		refuse_for_now(
		    c, &g, ERR_OVERLOADED, "Too many streams are open; try again shortly.");
	else
		t->start(c, h, &g);
}

static void
request_bytes(struct conn *c, struct str bytes)
{
	switch (http_head_feed(c->head, bytes)) {
	case HTTP_MORE:
		return;
	case HTTP_READY:
		if (c->server->request)
			c->server->request(c, c->head);
		else
			request_go(c);
		return;
	case HTTP_TOO_LARGE:
		request_refuse(c, ERR_TOO_LARGE, "The request's head is too large.", S(""));
		return;
	case HTTP_BAD:
		request_refuse(c, ERR_BAD_REQUEST, "This is not an HTTP request.", S(""));
		return;
	}
}
