#include <stdlib.h>

#include <millrace/json.h>

#include "streamd/http/response.h"
#include "streamd/socketio/engine.h"
#include "streamd/socketio/poll.h"

/* A waiting poll. */
struct poll {
	struct session *session; /* NULL: responded */
	size_t n;
	char headers[]; /* the grant's, for the response */
};

void
poll_reply(struct conn *c, struct arena *a, int status, struct str type, struct str headers,
    struct str body)
{
	struct buf all = { .a = a };
	struct buffer *b;

	buf_put(&all, headers);
	buf_put(&all, S("Cache-Control: no-store\r\n"));
	b = response_new(
	    a, &(struct response){
		   .status = status, .type = type, .headers = buf_str(&all), .body = body });
	conn_put(c, b);
	buffer_drop(b);
	conn_finish(c);
}

void
poll_send(struct session *s, struct str payload)
{
	struct conn *c = s->poll;
	struct arena *a = s->engine->out;

	s->poll = NULL;
	c->poll->session = NULL;
	poll_reply(c, a, 200, TEXT_TYPE, (struct str){ c->poll->headers, c->poll->n }, payload);
	arena_reset(a);
}

static int64_t
poll_due_ms(const struct conn *c)
{
	(void)c;
	return 0;
}

static void
poll_due(struct conn *c)
{
	(void)c;
}

static void
poll_stop(struct conn *c)
{
	if (c->poll->session)
		session_end(c->poll->session, END_BY_US, WS_RESTART, "");
}

/* A client that closes its waiting poll has gone. */
static void
poll_gone(struct conn *c)
{
	struct session *s = c->poll->session;

	if (s) {
		s->poll = NULL;
		session_end(s, END_LOST, WS_NORMAL, "");
	}
	free(c->poll);
	c->poll = NULL;
}

static bool
poll_save(const struct conn *c, struct buf *out)
{
	const struct poll *p = c->poll;

	buf_put(out, S("\"kind\":\"poll\",\"headers\":"));
	buf_json(out, (struct str){ p->headers, p->n });
	buf_put(out, S(","));
	return p->session && session_save(p->session, out);
}

static const struct conn_kind poll_kind = {
	.save = poll_save,
	.due_ms = poll_due_ms,
	.due = poll_due,
	.stop = poll_stop,
	.gone = poll_gone,
};

void
poll_wait(struct session *s, struct conn *c, struct str headers)
{
	struct poll *p = xmalloc(sizeof(*p) + headers.n);

	*p = (struct poll){ .session = s, .n = headers.n };
	if (headers.n > 0)
		memcpy(p->headers, headers.p, headers.n);
	c->poll = p;
	c->ends_ms = 0;
	s->poll = c;
	conn_set_kind(c, &poll_kind);
}

bool
poll_restore(struct conn *c, json_object *from)
{
	struct session *s = session_restore(c->server->engine, from, true);

	if (!s)
		return false;
	poll_wait(s, c, json_text(from, "headers"));
	session_flush(s);
	return true;
}
