#include <stdlib.h>

#include <utlist.h>

#include <millrace/container_of.h>
#include <millrace/json.h>

#include "streamd/metrics.h"
#include "streamd/server.h"
#include "streamd/websocket/subscription.h"

static const char *const kind_names[CHANNEL_KINDS] = { "analytics", "notifications", "workflows" };

enum channel_kind
channel_named(struct str name)
{
	int kind = 0;

	while (kind < CHANNEL_KINDS && !str_eq(name, str_from(kind_names[kind])))
		kind++;
	return (enum channel_kind)kind;
}

static struct subscription *
subscription_of_sub(const struct sub *s)
{
	return container_of(s, struct subscription, sub);
}

static struct subscription *
subscription_of_query(const struct topic_query *q)
{
	return container_of(q, struct subscription, query);
}

/* --------------------------------------------------- events to the client */

/* A user's own topic carries all events about them, of which a channel shows its part. */
static bool
is_shown(enum channel_kind kind, struct str topic, struct str type)
{
	/* for deferred replies */
	if (str_eq(type, S("result")))
		return false;
	if (!str_starts(topic, S("user:")))
		return true;
	switch (kind) {
	case CHANNEL_NOTIFICATIONS:
		return str_starts(type, S("notification_"));
	case CHANNEL_WORKFLOWS:
		return str_starts(type, S("workflow_"));
	case CHANNEL_ANALYTICS:
	case CHANNEL_KINDS:
		break;
	}
	return str_starts(type, S("lead_")) || str_starts(type, S("message_")) ||
	       str_starts(type, S("conversation_")) || str_starts(type, S("subscription_"));
}

struct str
channel_long_form(struct arena *a, enum channel_kind kind, struct str topic, struct str event,
    struct str data, int64_t at_ms, int64_t seq)
{
	struct buf b = { .a = a };

	buf_printf(&b, "{\"type\":\"event\",\"channel\":\"%s\",\"topic\":", kind_names[kind]);
	buf_json(&b, topic);
	if (event.p) {
		buf_put(&b, S(",\"event\":"));
		buf_json(&b, event);
	}
	buf_put(&b, S(",\"data\":"));
	buf_put(&b, data);
	buf_put(&b, S(",\"ts\":"));
	buf_time(&b, at_ms);
	if (seq >= 0)
		buf_printf(&b, ",\"seq\":%lld", (long long)seq);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

static struct str
short_form(struct arena *a, struct str topic, const struct event *e)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"type\":"));
	buf_json(&b, e->type);
	buf_put(&b, S(",\"data\":"));
	buf_put(&b, e->data);
	buf_put(&b, S(",\"topic\":"));
	buf_json(&b, topic);
	buf_printf(&b, ",\"seq\":%lld}", (long long)e->seq);
	return buf_str(&b);
}

/* The event's frame, shared by all subscriptions with the same form and window. */
static struct buffer *
frame_of(const struct subscription *s, struct event *e)
{
	const struct channel *c = s->channel;
	unsigned seen_by = s->first_form ? 0 : 1 + c->kind;
	unsigned key = FORM_CHANNEL | seen_by << 4 | c->ws->deflate_bits;
	struct buffer *b = event_form(e, key);
	struct arena *a;
	struct str text;

	if (b)
		return b;
	a = arena_new();
	text = s->first_form ? short_form(a, subscription_topic(s), e)
			     : channel_long_form(a, c->kind, subscription_topic(s), e->type,
				   e->data, e->at_ms, e->seq);
	b = event_keep(e, key, ws_frame(false, text, c->ws->deflate_bits));
	arena_free(a);
	return b;
}

static bool
subscription_ready(const struct sub *s)
{
	return subscription_of_sub(s)->channel->ws->conn->n == 0;
}

static bool
subscription_deliver(struct sub *sub, struct event *e)
{
	struct subscription *s = subscription_of_sub(sub);
	struct ws *w = s->channel->ws;
	struct conn *conn = w->conn;
	struct buffer *b;

	if (s->trend) {
		trend_event(s, e);
		return true;
	}
	if (!is_shown(s->channel->kind, subscription_topic(s), e->type))
		return true;
	b = frame_of(s, e);
	/* Making room may find the connection closed, and s freed by that. */
	if (!ws_has_room(w, b->len))
		return conn->dead;
	ws_send_frame(w, b);
	metrics.events_sent++;
	return true;
}

static const struct sub_ops subscription_ops = { .ready = subscription_ready,
	.deliver = subscription_deliver };

/* --------------------------------------------------------------- lifetime */

static struct subscription *
subscription_new(struct channel *c, struct str topic,
    void (*on_reply)(struct topic_query *, enum err, bool, int64_t, bool))
{
	struct subscription *s = xmalloc(sizeof(*s) + topic.n + 1);

	*s = (struct subscription){ .channel = c,
		.query.on_reply = on_reply,
		.sub.ops = &subscription_ops,
		.topic_len = (uint16_t)topic.n };
	memcpy(s->topic, topic.p, topic.n);
	s->topic[topic.n] = '\0';
	DL_APPEND(c->subscriptions, s);
	c->n++;
	return s;
}

void
subscription_end(struct subscription *s)
{
	struct channel *c = s->channel;

	hub_unsubscribe(&s->sub);
	topic_query_cancel(&s->query);
	trend_free(s->trend);
	DL_DELETE(c->subscriptions, s);
	c->n--;
	free(s);
}

struct subscription *
subscription_find(struct channel *c, struct str topic)
{
	struct subscription *s;

	DL_FOREACH (c->subscriptions, s)
		if (str_eq(subscription_topic(s), topic))
			return s;
	return NULL;
}

/* Each event of such a topic carries the whole state, so the last one is the present state. */
static bool
has_state(struct str topic)
{
	return str_starts(topic, S("workflow_run:")) || str_starts(topic, S("agent:")) ||
	       str_starts(topic, S("process:"));
}

static void
send_subscribed(struct subscription *s, int64_t seq, bool kept)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	buf_put(&b, S("{\"type\":\"subscribed\",\"topic\":"));
	buf_json(&b, subscription_topic(s));
	buf_printf(&b, ",\"seq\":%lld%s}", (long long)seq, kept ? "" : ",\"complete\":false");
	ws_send(s->channel->ws, false, buf_str(&b));
	arena_free(a);
}

static void
send_overloaded(struct channel *c, struct str topic)
{
	channel_error(c, "OVERLOADED", "The database is not available; try again shortly.", topic);
}

/* The reply for a client's subscribe. */
static void
subscription_on_reply(struct topic_query *q, enum err e, bool allowed, int64_t head, bool kept)
{
	struct subscription *s = subscription_of_query(q);
	struct channel *c = s->channel;
	int64_t after = s->since >= 0 ? s->since : head;

	if (e != ERR_OK || !allowed) {
		if (e != ERR_OK)
			send_overloaded(c, subscription_topic(s));
		else
			channel_error(
			    c, "UNAUTHORIZED", "This topic is not for you.", subscription_topic(s));
		subscription_end(s);
		return;
	}
	if (s->since < 0 && !s->trend && head > 0 && has_state(subscription_topic(s)))
		after = head - 1;
	send_subscribed(s, after, kept);
	if (s->trend) {
		struct arena *a = arena_new();

		hub_subscribe(c->server->hub, &s->sub, trend_source(a, c), head);
		arena_free(a);
		trend_start(s);
		return;
	}
	hub_subscribe(c->server->hub, &s->sub, subscription_topic(s), after);
}

void
subscription_add(struct channel *c, struct str topic, int64_t since, struct trend *trend)
{
	struct subscription *s = subscription_find(c, topic);
	struct arena *a;

	if (topics_user_is_flooding(c->server->topics, &c->principal)) {
		send_overloaded(c, topic);
		trend_free(trend);
		return;
	}
	a = arena_new();
	if (s)
		subscription_end(s);
	s = subscription_new(c, topic, subscription_on_reply);
	s->since = since;
	s->trend = trend;
	/* A trend needs the right to its source, and the source's head to begin with. */
	topics_query(
	    c->server->topics, &s->query, &c->principal, trend ? trend_source(a, c) : topic, since);
	arena_free(a);
}

void
subscription_add_own(struct channel *c, struct str topic, int64_t after)
{
	struct subscription *s = subscription_new(c, topic, NULL);

	s->first_form = true;
	hub_subscribe(c->server->hub, &s->sub, topic, after);
}

/* The reply to whether one may stay. Losing the topic that the connection was opened for closes it:
   a client without it would wait for nothing. */
static void
subscription_on_recheck(struct topic_query *q, enum err e, bool allowed, int64_t head, bool kept)
{
	struct subscription *s = subscription_of_query(q);
	struct channel *c = s->channel;

	(void)head;
	(void)kept;
	/* Without a reply nothing changes: principals are revalidated when the database is back. */
	if (e != ERR_OK || allowed)
		return;
	if (s->first_form) {
		ws_close(c->ws, WS_POLICY, "Your rights have changed; connect again.");
		return;
	}
	channel_error(
	    c, "UNAUTHORIZED", "This topic is not for you any more.", subscription_topic(s));
	subscription_end(s);
}

void
subscriptions_check(struct channel *c)
{
	struct arena *a = arena_new();
	struct conn *conn = c->ws->conn;
	struct ws *w = c->ws;
	struct subscription *s, *next;

	DL_FOREACH_SAFE (c->subscriptions, s, next) {
		/* a query under way gets the present rights */
		if (s->query.request)
			continue;
		s->query.on_reply = subscription_on_recheck;
		topics_query(c->server->topics, &s->query, &c->principal,
		    s->trend ? trend_source(a, c) : subscription_topic(s), -1);
		if (conn->dead || w->detached)
			break;
	}
	arena_free(a);
}

/* One whose query is under way is queried again by the successor. */
void
subscription_save(const struct subscription *s, struct buf *out, bool first)
{
	buf_printf(out, "%s{\"first_form\":%s,\"joined\":%s,\"since\":%lld,\"sent\":%lld,",
	    first ? "" : ",", s->first_form ? "true" : "false", s->sub.topic ? "true" : "false",
	    (long long)s->since, (long long)s->sub.sent);
	if (s->trend)
		trend_save(s->trend, out);
	buf_put(out, S("\"topic\":"));
	buf_json(out, subscription_topic(s));
	buf_put(out, S("}"));
}

void
subscription_restore(struct channel *c, json_object *from)
{
	struct str topic = json_text(from, "topic");
	struct trend *trend = topic.p && trend_is(topic) ? trend_restore(from) : NULL;
	struct subscription *s;
	struct arena *a;

	if (!topic.p || topic.n > TOPIC_MAX)
		return;
	if (!json_object_get_boolean(json_at(from, "joined"))) {
		subscription_add(c, topic, json_int(from, "since", -1), trend);
		return;
	}
	a = arena_new();
	s = subscription_new(c, topic, NULL);
	s->first_form = json_object_get_boolean(json_at(from, "first_form"));
	s->trend = trend;
	hub_subscribe(
	    c->server->hub, &s->sub, trend ? trend_source(a, c) : topic, json_int(from, "sent", 0));
	if (trend)
		trend_start(s);
	arena_free(a);
}
