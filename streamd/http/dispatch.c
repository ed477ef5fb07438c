#include <time.h>

#include <millrace/grant.h>

#include "streamd/events/principal.h"
#include "streamd/http/dispatch.h"
#include "streamd/http/head.h"
#include "streamd/http/response.h"
#include "streamd/metrics.h"

#define HEAD_SECONDS 10
/* After so long somebody may have left. */
#define FULL_SECONDS 5

static int64_t
dispatch_due_ms(const struct conn *c)
{
	return c->ends_ms;
}

static void
dispatch_gone(struct conn *c)
{
	http_head_free(c->head);
	c->head = NULL;
}

static void
dispatch_due(struct conn *c)
{
	response_refuse(c, ERR_BAD_REQUEST, "The request did not arrive in time.", S(""));
}

static void
dispatch_stop(struct conn *c)
{
	if (!http_head_begun(c->head))
		conn_close(c);
}

static void dispatch_bytes(struct conn *c, struct str bytes);

/* Part of a head cannot be handed over. */
static bool
dispatch_save(const struct conn *c, struct buf *out)
{
	buf_put(out, S("\"kind\":\"request\","));
	return !http_head_begun(c->head);
}

static const struct conn_kind dispatch_kind = { .save = dispatch_save,
	.bytes = dispatch_bytes,
	.due_ms = dispatch_due_ms,
	.due = dispatch_due,
	.stop = dispatch_stop,
	.gone = dispatch_gone };

bool
dispatch_restore(struct conn *c, json_object *from)
{
	(void)from;
	dispatch_start(c);
	return true;
}

void
dispatch_start(struct conn *c)
{
	c->head = http_head_new();
	c->ends_ms = loop_now(c->server->loop) + HEAD_SECONDS * 1000;
	conn_set_kind(c, &dispatch_kind);
}

static const struct target *
dispatch_find(const struct server *s, struct str path, struct str *rest)
{
	for (const struct target *t = s->targets; t < s->targets + s->n_targets; t++) {
		if (!str_starts(path, t->path))
			continue;
		*rest = (struct str){ path.p + t->path.n, path.n - t->path.n };
		return t->known(*rest) ? t : NULL;
	}
	return NULL;
}

static bool
dispatch_grant(struct http_head *h, const struct target *t, struct str rest, struct grant *g)
{
	return h->grant.p && grant_read(h->arena, h->grant, g) == ERR_OK && t->fits(g, rest) &&
	       g->topic.n <= 200 && g->after >= 0;
}

/* What will pass: too much is held now, or the process stops. The grant's headers still go out:
   they name what the worker has begun, which goes on. */
static void
dispatch_refuse_for_now(struct conn *c, const struct target *t, const struct grant *g, enum err e,
    const char *text, int64_t wait_s)
{
	struct arena *a = c->head->arena;

	if (t->refuse && t->refuse(c, g, e, text, wait_s))
		return;
	response_refuse(c, e, text,
	    arena_printf(a, "Retry-After: %lld\r\n%.*s", (long long)wait_s,
		S_ARG(response_grant_headers(a, g))));
}

void
dispatch_request(struct conn *c, struct http_head *h)
{
	struct str rest;
	struct grant g;
	const struct target *t = dispatch_find(c->server, h->path, &rest);

	if (!t)
		response_refuse(c, ERR_NOT_FOUND, "There is no such stream.", S(""));
	else if (h->method != METHOD_GET && h->method != METHOD_HEAD &&
		 (!t->posts || h->method == METHOD_OTHER))
		response_refuse(c, ERR_METHOD_NOT_ALLOWED, NULL, S("Allow: GET, HEAD\r\n"));
	else if (!dispatch_grant(h, t, rest, &g))
		response_refuse(
		    c, ERR_BAD_REQUEST, "This request does not come from a worker.", S(""));
	else if (!t->in_band && g.expires_at != 0 && g.expires_at <= time(NULL))
		response_refuse(c, ERR_UNAUTHORIZED, NULL, S(""));
	else if (c->server->stopping)
		dispatch_refuse_for_now(c, t, &g, ERR_OVERLOADED, NULL, 1);
	else if (!t->in_band && principals_user_is_full(c->server->principals, &g.user))
		dispatch_refuse_for_now(c, t, &g, ERR_RATE_LIMITED,
		    "You have too many streams open; close some of them first.", FULL_SECONDS);
	else if (!t->counts && !server_make_room(c->server))
		dispatch_refuse_for_now(c, t, &g, ERR_OVERLOADED,
		    "Too many streams are open; try again shortly.", FULL_SECONDS);
	else
		t->start(c, h, &g);
}

static void
dispatch_bytes(struct conn *c, struct str bytes)
{
	switch (http_head_feed(c->head, bytes)) {
	case HTTP_MORE:
		return;
	case HTTP_READY:
		c->server->request(c, c->head);
		return;
	case HTTP_HEAD_TOO_LARGE:
		response_refuse(c, ERR_HEADERS_TOO_LARGE, NULL, S(""));
		return;
	case HTTP_TOO_LARGE:
		response_refuse(c, ERR_TOO_LARGE, NULL, S(""));
		return;
	case HTTP_BAD:
		response_refuse(c, ERR_BAD_REQUEST, "This is not an HTTP request.", S(""));
		return;
	}
}
