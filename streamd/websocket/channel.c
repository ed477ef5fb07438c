#include <stdlib.h>

#include <utlist.h>

#include <millrace/container_of.h>
#include <millrace/fields.h>
#include <millrace/json.h>

#include "streamd/http/head.h"
#include "streamd/http/response.h"
#include "streamd/server.h"
#include "streamd/websocket/subscription.h"

#define MESSAGE_MAX ((size_t)64 * 1024)
#define MALFORMED_MAX 3
#define SUBSCRIPTIONS_MAX 100

static const struct ws_app channel_app;

void
channel_error(struct channel *c, const char *code, const char *text, struct str topic)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	buf_printf(&b, "{\"type\":\"error\",\"code\":\"%s\",\"message\":", code);
	buf_json(&b, str_from(text));
	if (topic.p) {
		buf_put(&b, S(",\"topic\":"));
		buf_json(&b, topic);
	}
	buf_put(&b, S("}"));
	ws_send(c->ws, false, buf_str(&b));
	arena_free(a);
}

/* The third malformed message closes the channel. */
static void
channel_malformed(struct channel *c, const char *text)
{
	channel_error(c, "BAD_REQUEST", text, (struct str){ NULL, 0 });
	if (++c->malformed >= MALFORMED_MAX)
		ws_close(c->ws, WS_POLICY, "Three malformed messages.");
}

/* -------------------------------------------------- messages from clients */

struct subscribe_in {
	struct str type;
	struct str topic;
	struct trend_in params;
};

static const char *const aggregations[] = { "daily", "weekly", "monthly", NULL };

static const struct field params_fields[] = {
	F_INT(struct trend_in, since, 0, INT64_MAX - 1, OPTIONAL),
	F_TIME(struct trend_in, start_date, OPTIONAL),
	F_TIME(struct trend_in, end_date, OPTIONAL),
	F_ENUM(struct trend_in, aggregation, aggregations, OPTIONAL),
};

static const struct field subscribe_fields[] = {
	F_STR(struct subscribe_in, topic, 1, TOPIC_MAX, REQUIRED),
	F_OBJECT(struct subscribe_in, params, params_fields, OPTIONAL),
};

/* Can there be a topic of that name? */
static bool
is_topic(struct str topic)
{
	static const char *const kinds[] = { "user", "run", "conversation", "agent", "process",
		"workflow_run", NULL };
	struct str kind, id = str_cut(topic, ':', &kind);

	if (!id.p)
		return str_eq(topic, S("analytics")) || trend_is(topic);
	return id.n > 0 && topic.n <= TOPIC_MAX && str_is_in(kind, kinds);
}

static bool
bind_topic(struct channel *c, struct arena *a, json_object *o, struct subscribe_in *in)
{
	struct problems problems = { .json.a = a };

	*in = (struct subscribe_in){ .params.since = -1 };
	if (!json_fields(a, subscribe_fields, 2, o, in, &problems)) {
		channel_malformed(
		    c, arena_printf(a, "The message is not valid: %.*s.", S_ARG(problems.first)).p);
		return false;
	}
	if (is_topic(in->topic))
		return true;
	channel_error(c, "INVALID_TOPIC", "There is no such topic.", in->topic);
	return false;
}

static void
channel_subscribe(struct channel *c, struct arena *a, json_object *o)
{
	struct subscribe_in in;

	if (!bind_topic(c, a, o, &in))
		return;
	if (c->n >= SUBSCRIPTIONS_MAX && !subscription_find(c, in.topic)) {
		channel_error(
		    c, "BAD_REQUEST", "One connection has at most 100 subscriptions.", in.topic);
		return;
	}
	subscription_add(c, in.topic, trend_is(in.topic) ? -1 : in.params.since,
	    trend_is(in.topic) ? trend_new(&in.params) : NULL);
}

static void
channel_unsubscribe(struct channel *c, struct arena *a, json_object *o)
{
	struct subscribe_in in;
	struct subscription *s;
	struct buf b = { .a = a };

	if (!bind_topic(c, a, o, &in))
		return;
	if ((s = subscription_find(c, in.topic)) != NULL)
		subscription_end(s);
	buf_put(&b, S("{\"type\":\"unsubscribed\",\"topic\":"));
	buf_json(&b, in.topic);
	buf_put(&b, S("}"));
	ws_send(c->ws, false, buf_str(&b));
}

static void
channel_message(struct ws *w, bool binary, struct str bytes)
{
	struct channel *c = w->own;
	struct arena *a = arena_new();
	json_object *o = NULL;
	const char *why;
	struct str type;

	if (binary || json_parse(a, bytes, &o, &why) != ERR_OK ||
	    !json_object_is_type(o, json_type_object))
		channel_malformed(c, "A message must be a JSON object, as text.");
	else if (type = json_text(o, "type"), str_eq(type, S("heartbeat")))
		ws_send(w, false, bytes);
	else if (str_eq(type, S("ping")))
		ws_send(w, false, S("{\"type\":\"pong\"}"));
	else if (str_eq(type, S("subscribe")))
		channel_subscribe(c, a, o);
	else if (str_eq(type, S("unsubscribe")))
		channel_unsubscribe(c, a, o);
	else
		channel_malformed(c, "The type must be heartbeat, ping, subscribe or unsubscribe.");
	arena_free(a);
}

/* ------------------------------------------------------------ the channel */

static void
channel_drained(struct ws *w)
{
	struct channel *c = w->own;
	struct subscription *s;

	DL_FOREACH (c->subscriptions, s)
		hub_drained(&s->sub);
}

static int64_t
channel_due_ms(const struct ws *w)
{
	return ((const struct channel *)w->own)->ends_ms;
}

static void
channel_due(struct ws *w)
{
	ws_close(w, WS_POLICY, "The token has expired.");
}

static void
channel_stop(struct ws *w)
{
	ws_close(w, WS_RESTART, "The server is restarting; connect again in a few seconds.");
}

static void
channel_gone(struct ws *w)
{
	struct channel *c = w->own;

	principal_detach(c->server->principals, &c->principal);
	while (c->subscriptions)
		subscription_end(c->subscriptions);
	free(c);
}

static bool
channel_save(const struct ws *w, struct buf *out)
{
	const struct channel *c = w->own;
	const struct subscription *s;

	buf_put(out, S("\"kind\":\"channel\","));
	principal_save(&c->principal, out);
	buf_printf(out, "\"channel\":%d,\"malformed\":%d,\"until_ms\":%lld,\"subscriptions\":[",
	    (int)c->kind, (int)c->malformed, (long long)c->ends_ms);
	DL_FOREACH (c->subscriptions, s)
		subscription_save(s, out, s == c->subscriptions);
	buf_put(out, S("],"));
	return true;
}

static const struct ws_app channel_app = {
	.save = channel_save,
	.message = channel_message,
	.drained = channel_drained,
	.due_ms = channel_due_ms,
	.due = channel_due,
	.stop = channel_stop,
	.gone = channel_gone,
	.message_max = MESSAGE_MAX,
};

static void
channel_on_change(struct principal *p, bool ended)
{
	struct channel *c = container_of(p, struct channel, principal);

	if (ended)
		ws_close(c->ws, WS_POLICY, "The session has ended.");
	else
		subscriptions_check(c);
}

static struct channel *
channel_new(struct server *s, const struct principal *who, enum channel_kind kind)
{
	struct channel *c = xmalloc(sizeof(*c));

	*c = (struct channel){ .server = s, .kind = kind, .principal = *who };
	c->principal.on_change = channel_on_change;
	return c;
}

void
channel_start(struct conn *conn, struct http_head *h, const struct grant *g, enum channel_kind kind)
{
	const struct principal who = principal_of_grant(g);
	struct channel *c = channel_new(conn->server, &who, kind);
	struct ws *w = ws_accept(conn, h, response_grant_headers(h->arena, g), &channel_app, c);

	if (!w) {
		free(c);
		return;
	}
	c->ws = w;
	c->ends_ms = loop_at_unix(conn->server->loop, g->expires_at);
	if (!g->user.text[0]) {
		ws_close(w, WS_POLICY, "The token is not valid.");
	} else if (c->ends_ms != 0 && c->ends_ms <= loop_now(conn->server->loop)) {
		ws_close(w, WS_POLICY, "The token has expired.");
	} else if (principals_user_is_full(c->server->principals, &g->user)) {
		ws_close(
		    w, WS_TRY_AGAIN, "You have too many streams open; close some of them first.");
	} else {
		principal_attach(c->server->principals, &c->principal);
		subscription_add_own(c, g->topic, g->after);
		ws_rearm(w);
	}
	ws_begin(w, h);
}

bool
channel_restore(struct conn *conn, json_object *from)
{
	json_object *list = json_at(from, "subscriptions");
	struct principal who = { 0 };
	int64_t kind = json_int(from, "channel", CHANNEL_KINDS);
	struct channel *c;

	if (kind < 0 || kind >= CHANNEL_KINDS || !principal_restore(&who, from) ||
	    !json_object_is_type(list, json_type_array))
		return false;
	c = channel_new(conn->server, &who, (enum channel_kind)kind);
	c->ws = ws_restore(conn, from, &channel_app, c);
	if (!c->ws) {
		free(c);
		return false;
	}
	c->ends_ms = json_int(from, "until_ms", 0);
	c->malformed = (uint8_t)json_int(from, "malformed", 0);
	principal_attach(c->server->principals, &c->principal);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		subscription_restore(c, json_object_array_get_idx(list, i));
	ws_resume(c->ws, from);
	return true;
}
