#include <stddef.h>
#include <stdlib.h>

#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "streamd/events/topics.h"
#include "streamd/http/response.h"
#include "streamd/http/head.h"
#include "streamd/socketio/member.h"
#include "streamd/http/deferred.h"
#include "streamd/metrics.h"

/* What is kept while a request waits; one allocation. */
struct reply {
	struct person person; /* who waits; nobody where anyone may call the route */
	struct conn *conn;
	struct buffer *timeout; /* the finished reply for when the time is up */
	bool no_body;
	char request_id[68];
	size_t headers_len;
	char headers[]; /* the grant's, as lines */
};

/* Answers and ends. */
static void
say(struct conn *c, struct buffer *b)
{
	conn_put(c, b);
	conn_finish(c);
}

static void
say_error(struct conn *c, enum err e, const char *text, struct str more_headers)
{
	struct reply *r = c->reply;
	struct arena *a = c->server->scratch;
	struct buf headers = { .a = a };
	struct buffer *b;

	buf_put(&headers, (struct str){ r->headers, r->headers_len });
	buf_put(&headers, more_headers);
	b = answer_error(a, e, text,
	    r->request_id[0] ? str_from(r->request_id) : (struct str){ NULL, 0 }, buf_str(&headers),
	    r->no_body);
	say(c, b);
	buffer_drop(b);
	arena_reset(a);
}

static void
changed(struct person *p, bool ended)
{
	if (ended)
		say_error((container_of(p, struct reply, person))->conn, ERR_UNAUTHORIZED,
		    "The session has ended.", S(""));
}

/* The result's own headers as lines, Content-Type apart. Framing is ours. */
static struct str
result_headers(struct arena *a, const struct reply *r, struct str from, struct str *type)
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
			answer_header(&b, n, v);
	}
	return buf_str(&b);
}

/* {"status", "headers", "body"}: the body goes out as it stands in the event, digit by digit. */
static void
say_result(struct conn *c, struct str data)
{
	struct reply *r = c->reply;
	struct arena *a = c->server->scratch;
	struct answer answer = { .no_body = r->no_body, .body = member(data, S("body")) };
	struct buffer *b;
	int64_t status;

	if (!str_int(member(data, S("status")), &status) || status < 200 || status > 599 ||
	    !answer.body.p) {
		log_error("a result event has no status or no body");
		say_error(c, ERR_INTERNAL, NULL, S(""));
		return;
	}
	answer.status = (int)status;
	answer.headers = result_headers(a, r, member(data, S("headers")), &answer.type);
	b = answer_new(a, &answer);
	say(c, b);
	buffer_drop(b);
	arena_reset(a);
}

static bool
ready(const struct sub *s)
{
	(void)s;
	return true;
}

static bool
take(struct sub *s, struct event *e)
{
	struct conn *c = conn_of_sub(s);

	if (str_eq(e->type, S("result"))) {
		stats.events_sent++;
		say_result(c, e->data);
	} else if (event_is_terminal(e)) {
		log_error("a run ended without the result that a request waits for", "topic",
		    s->topic->name);
		say_error(c, ERR_INTERNAL, NULL, S(""));
	}
	return true;
}

static const struct sub_ops reply_sub = { .ready = ready, .take = take };

static int64_t
due_ms(const struct conn *c)
{
	return c->ends_ms;
}

static void
due(struct conn *c)
{
	say(c, c->reply->timeout);
}

static void
stop(struct conn *c)
{
	say_error(c, ERR_OVERLOADED, "The server is restarting; ask for the run's outcome.",
	    S("Retry-After: 1\r\n"));
}

static void
gone(struct conn *c)
{
	stats.connections_reply--;
	person_leave(c->server->access, &c->reply->person);
	buffer_drop(c->reply->timeout);
	free(c->reply);
	c->reply = NULL;
}

static bool
save(const struct conn *c, struct buf *out)
{
	const struct reply *r = c->reply;

	buf_put(out, S("\"kind\":\"reply\",\"topic\":"));
	buf_json(out, str_from(c->sub.topic->name));
	buf_printf(out, ",\"sent\":%lld,\"no_body\":%s,\"request_id\":", (long long)c->sub.sent,
	    r->no_body ? "true" : "false");
	buf_json(out, str_from(r->request_id));
	buf_put(out, S(",\"headers\":"));
	buf_json(out, (struct str){ r->headers, r->headers_len });
	buf_put(out, S(",\"timeout\":"));
	buf_json(out, base64url(out->a, (struct str){ r->timeout->bytes, r->timeout->len }));
	buf_put(out, S(","));
	person_save(&r->person, out);
	return true;
}

static const struct conn_kind reply_kind = {
	.save = save, .due_ms = due_ms, .due = due, .stop = stop, .gone = gone
};

static struct reply *
reply_alloc(struct str id, struct str headers, bool no_body)
{
	struct reply *r = xmalloc(sizeof(*r) + headers.n);

	*r = (struct reply){ .headers_len = headers.n, .no_body = no_body };
	memcpy(r->headers, headers.p, headers.n);
	if (id.p && id.n < sizeof(r->request_id))
		memcpy(r->request_id, id.p, id.n);
	return r;
}

static struct reply *
reply_new(const struct http_head *h, const struct grant *g, struct str headers)
{
	struct str id = g->request_id.p ? g->request_id : h->request_id;
	struct reply *r = reply_alloc(id, headers, h->method == METHOD_HEAD);

	if (g->timeout_body.p && g->timeout_status >= 200 && g->timeout_status <= 599)
		r->timeout = answer_new(h->arena, &(struct answer){ .status = g->timeout_status,
						      .headers = headers,
						      .body = g->timeout_body,
						      .no_body = r->no_body });
	else
		r->timeout =
		    answer_error(h->arena, ERR_UPSTREAM_TIMEOUT, NULL, id, headers, r->no_body);
	return r;
}

/* The connection waits, for `who`, for what follows `after`. */
static void
wait_for(struct conn *c, const struct person *who, struct str topic, int64_t after)
{
	struct reply *r = c->reply;

	stats.connections_reply++;
	r->conn = c;
	r->person = *who;
	r->person.changed = changed;
	person_enter(c->server->access, &r->person);
	c->sub.ops = &reply_sub;
	conn_become(c, &reply_kind);
	hub_join(c->server->hub, &c->sub, topic, after);
}

void
reply_start(struct conn *c, struct http_head *h, const struct grant *g)
{
	int64_t wait_ms =
	    g->wait_seconds > 0 && g->wait_seconds < 86400 ? g->wait_seconds * 1000 : 50000;
	struct person who = person_of_grant(g);

	stats.requests_reply++;
	c->reply = reply_new(h, g, answer_grant_headers(h->arena, g));
	c->ends_ms = loop_now(c->server->loop) + wait_ms;
	wait_for(c, &who, g->topic, g->after);
	http_head_free(h);
}

bool
reply_restore(struct conn *c, json_object *from)
{
	struct arena *a = arena_new();
	struct str topic = json_text(from, "topic"), headers = json_text(from, "headers"), timeout;
	struct person who = { 0 };
	bool good = topic.p && headers.p && person_restore(&who, from) &&
		    base64url_decode(a, json_text(from, "timeout"), &timeout);

	if (good) {
		c->reply = reply_alloc(json_text(from, "request_id"), headers,
		    json_object_get_boolean(json_at(from, "no_body")));
		c->reply->timeout = buffer_of(timeout);
		wait_for(c, &who, topic, json_int(from, "sent", 0));
	}
	arena_free(a);
	return good;
}
