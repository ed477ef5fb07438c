#include <time.h>

#include <millrace/config.h>
#include <millrace/grant.h>
#include <millrace/log.h>

#include "answer.h"
#include "http.h"
#include "reply.h"
#include "request.h"
#include "sse.h"
#include "stats.h"

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

/* Answers in the error shape and ends. `headers` are lines, each with its line break, or empty. */
static void
refuse(struct conn *c, enum err e, const char *text, struct str headers)
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
	refuse(c, ERR_BAD_REQUEST, "The request did not arrive in time.", S(""));
}

static void
stop(struct conn *c)
{
	if (!http_head_begun(c->head))
		conn_close(c);
}

static const struct conn_kind request_kind = {
	.due_ms = due_ms, .due = due, .stop = stop, .gone = gone
};

void
request_start(struct conn *c)
{
	c->head = http_head_new();
	c->ends_ms = loop_now(c->server->loop) + HEAD_SECONDS * 1000;
	conn_become(c, &request_kind);
}

enum target { TARGET_NONE, TARGET_RUN, TARGET_REPLY };

static enum target
path_target(struct str path, struct str *id)
{
	const struct str run = S("/_stream/run/"), reply = S("/_stream/reply/");
	bool is_run = str_starts(path, run);
	size_t skip = is_run ? run.n : reply.n;
	struct uuid u;

	if (!is_run && !str_starts(path, reply))
		return TARGET_NONE;
	*id = (struct str){ path.p + skip, path.n - skip };
	if (!uuid_parse(*id, &u))
		return TARGET_NONE;
	return is_run ? TARGET_RUN : TARGET_REPLY;
}

/* The topic is "<kind>:<id>" with the id of the path: a grant that was made for another request is not taken. */
static bool
grant_fits(const struct grant *g, struct str id)
{
	struct str kind;

	return str_eq(str_cut(g->topic, ':', &kind), id) && g->topic.n <= 200 && g->after >= 0;
}

/* What the whole head asks for. */
static void
request_go(struct conn *c)
{
	struct http_head *h = c->head;
	struct str id;
	struct grant g;
	enum target target = path_target(h->path, &id);

	if (target == TARGET_NONE)
		refuse(c, ERR_NOT_FOUND, "There is no such stream.", S(""));
	else if (h->method == METHOD_OTHER)
		refuse(c, ERR_METHOD_NOT_ALLOWED, NULL, S("Allow: GET, HEAD\r\n"));
	else if (!h->grant.p || grant_read(h->arena, h->grant, &g) != ERR_OK || !grant_fits(&g, id))
		refuse(c, ERR_BAD_REQUEST, "This request does not come from a worker.", S(""));
	else if (g.expires_at != 0 && g.expires_at <= time(NULL))
		refuse(c, ERR_UNAUTHORIZED, NULL, S(""));
	else if (c->server->stopping)
		refuse(c, ERR_OVERLOADED, NULL, S("Retry-After: 1\r\n"));
	else if (server_is_full(c->server))
		refuse(c, ERR_OVERLOADED, "Too many streams are open; try again shortly.",
		    S("Retry-After: 5\r\n"));
	else if (target == TARGET_RUN)
		sse_start(c, h, &g);
	else
		reply_start(c, h, &g);
}

void
request_bytes(struct conn *c, struct str bytes)
{
	if (c->kind != &request_kind || c->closing)
		return;
	switch (http_head_feed(c->head, bytes)) {
	case HTTP_MORE:
		return;
	case HTTP_READY:
		request_go(c);
		return;
	case HTTP_TOO_LARGE:
		refuse(c, ERR_TOO_LARGE, "The request's head is too large.", S(""));
		return;
	case HTTP_BAD:
		refuse(c, ERR_BAD_REQUEST, "This is not an HTTP request.", S(""));
		return;
	}
}
