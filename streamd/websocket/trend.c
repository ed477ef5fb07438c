#include <stdlib.h>
#include <time.h>

#include <sodium.h>

#include <millrace/clock.h>
#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/json.h>

#include "streamd/events/feed.h"
#include "streamd/events/usage.h"
#include "streamd/server.h"
#include "streamd/websocket/subscription.h"
#include "sql_stream.h"

/* The least time between two queries of a series. */
#define REFRESH_MS 1000
/*
 * All that others read goes through the same connection. A user's series take turns there, and each
 * is followed by a pause of PAUSE times as long as it took: a quarter of the time is theirs.
 */
#define PAUSE 3
#define TURN_MS 20 /* between looks whether it is one's turn */
#define DAYS_DEFAULT 30

struct trend {
	struct loop_timer refresh_timer;
	struct subscription *subscription;
	struct trend_query *query; /* under way; NULL: none */
	int64_t queried_ms;
	bool stale; /* an event has come since queried_ms */
	unsigned char sent[crypto_generichash_BYTES]; /* hash of the series that the client has */
	char start_date[32], end_date[32], aggregation[8]; /* dates "": relative to now */
};

/* A statement under way; it outlives a trend that is freed meanwhile. */
struct trend_query {
	struct trend *trend;
	struct server *server;
	struct uuid user;
	int64_t sent_ms;
};

static void trend_query(struct trend *t);
static void trend_refresh(struct trend *t);

bool
trend_is(struct str topic)
{
	return str_eq(topic, S("lead_trends")) || str_eq(topic, S("conversation_trends"));
}

struct str
trend_source(struct arena *a, const struct channel *c)
{
	return c->principal.analytics ? S("analytics")
				      : arena_printf(a, "user:%s", c->principal.user.text);
}

static void
trend_refresh_fires(struct loop_timer *timer)
{
	trend_refresh(container_of(timer, struct trend, refresh_timer));
}

static void
copy_text(char *to, size_t room, struct str from)
{
	if (from.p && from.n < room)
		memcpy(to, from.p, from.n);
}

struct trend *
trend_new(const struct trend_in *in)
{
	struct trend *t = xmalloc(sizeof(*t));

	*t = (struct trend){ .refresh_timer.fire = trend_refresh_fires };
	copy_text(t->start_date, sizeof(t->start_date), in->start_date);
	copy_text(t->end_date, sizeof(t->end_date), in->end_date);
	copy_text(t->aggregation, sizeof(t->aggregation),
	    in->aggregation.p ? in->aggregation : S("daily"));
	return t;
}

void
trend_free(struct trend *t)
{
	if (!t)
		return;
	if (t->query)
		t->query->trend = NULL;
	if (t->subscription)
		loop_disarm(t->subscription->channel->server->loop, &t->refresh_timer);
	free(t);
}

static void
send_series(struct trend *t, struct str series)
{
	struct subscription *s = t->subscription;
	unsigned char hash[crypto_generichash_BYTES];
	struct arena *a;

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)series.p, series.n, NULL, 0);
	if (memcmp(hash, t->sent, sizeof(hash)) == 0)
		return;
	memcpy(t->sent, hash, sizeof(hash));
	a = arena_new();
	ws_send(s->channel->ws, false,
	    channel_long_form(a, s->channel->kind, subscription_topic(s), (struct str){ NULL, 0 },
		series, clock_unix_ms(), s->sub.sent));
	arena_free(a);
}

/* When this series was last queried for the same client. */
static int64_t *
last_queried(const struct trend *t)
{
	const struct subscription *s = t->subscription;

	return &s->channel->trend_queried_ms[str_eq(subscription_topic(s), S("lead_trends"))];
}

/* In how many milliseconds this series may be queried again; not above 0: now. */
static int64_t
trend_wait(const struct trend *t)
{
	const struct channel *c = t->subscription->channel;
	const struct user_usage *u = usage_find(c->server->usage, &c->principal.user);
	int64_t now = loop_now(c->server->loop), wait = t->queried_ms + REFRESH_MS - now;

	if (u && u->trend_from_ms - now > wait)
		wait = u->trend_from_ms - now;
	return u && u->trend_query && wait < TURN_MS ? TURN_MS : wait;
}

/* Queries again where an event has come since, when it is its turn. */
static void
trend_refresh(struct trend *t)
{
	struct loop *l = t->subscription->channel->server->loop;
	int64_t wait = trend_wait(t);

	if (!t->stale || t->query || t->refresh_timer.due_ms != 0)
		return;
	if (wait > 0)
		loop_arm(l, &t->refresh_timer, wait);
	else
		trend_query(t);
}

static void
trend_query_ended(const struct trend_query *q)
{
	struct user_usage *u = usage_find(q->server->usage, &q->user);
	int64_t now = loop_now(q->server->loop);

	if (u) {
		u->trend_query = false;
		u->trend_from_ms = now + (now - q->sent_ms) * PAUSE;
	}
}

static void
trend_on_reply(void *arg, const struct pipe_reply *reply)
{
	struct trend_query *q = arg;
	struct trend *t = q->trend;

	trend_query_ended(q);
	free(q);
	if (!t)
		return;
	t->query = NULL;
	if (reply->e == ERR_OK && reply->n == 1 && PQntuples(reply->res[0]) == 1) {
		send_series(t, sql_get(reply->res[0], 0, 0));
	} else if (reply->e == ERR_BAD_REQUEST) {
		struct arena *a = arena_new();

		channel_error(t->subscription->channel, "BAD_REQUEST",
		    reply->text.p ? arena_cstr(a, reply->text) : "The params are not valid.",
		    subscription_topic(t->subscription));
		arena_free(a);
		subscription_end(t->subscription);
		return;
	} else {
		t->stale = true;
	}
	trend_refresh(t);
}

/* The client's date, or a date before now. */
static struct str
date(struct arena *a, const char *given, int days_ago)
{
	struct buf b = { .a = a };

	if (*given)
		return str_from(given);
	buf_time(&b, ((int64_t)time(NULL) - days_ago * 86400) * 1000);
	return (struct str){ b.p + 1, b.n - 2 };
}

static void
trend_query(struct trend *t)
{
	struct subscription *s = t->subscription;
	struct server *server = s->channel->server;
	struct user_usage *u = usage_find(server->usage, &s->channel->principal.user);
	struct trend_query *q = xmalloc(sizeof(*q));
	struct arena *a = arena_new();
	enum err e;

	*q = (struct trend_query){ t, server, s->channel->principal.user, loop_now(server->loop) };
	if (u)
		u->trend_query = true;
	t->query = q;
	t->stale = false;
	t->queried_ms = *last_queried(t) = loop_now(server->loop);
	e = pipe_stream_trend(feed_pipe(server->feed), a, trend_on_reply, q,
	    s->channel->principal.user, s->channel->principal.analytics, subscription_topic(s),
	    date(a, t->start_date, DAYS_DEFAULT), date(a, t->end_date, 0),
	    str_from(t->aggregation));
	arena_free(a);
	if (e != ERR_OK)
		trend_on_reply(q, &(struct pipe_reply){ .e = e });
}

/* Repeated subscribing does not query the series more often. */
void
trend_start(struct subscription *s)
{
	struct trend *t = s->trend;

	t->subscription = s;
	t->queried_ms = *last_queried(t);
	t->stale = true;
	trend_refresh(t);
}

void
trend_event(struct subscription *s, const struct event *e)
{
	bool of_leads = str_eq(subscription_topic(s), S("lead_trends"));

	if (!str_starts(e->type, of_leads ? S("lead_") : S("conversation_")) &&
	    (of_leads || !str_starts(e->type, S("message_"))))
		return;
	s->trend->stale = true;
	trend_refresh(s->trend);
}

void
trend_save(const struct trend *t, struct buf *out)
{
	buf_printf(out,
	    "\"start_date\":\"%s\",\"end_date\":\"%s\",\"aggregation\":\"%s\",\"series\":",
	    t->start_date, t->end_date, t->aggregation);
	buf_json(out, base64url(out->a, (struct str){ (const char *)t->sent, sizeof(t->sent) }));
	buf_put(out, S(","));
}

struct trend *
trend_restore(json_object *from)
{
	struct trend *t = trend_new(&(struct trend_in){ .start_date = json_text(from, "start_date"),
	    .end_date = json_text(from, "end_date"),
	    .aggregation = json_text(from, "aggregation") });
	struct arena *a = arena_new();
	struct str sent;

	if (base64url_decode(a, json_text(from, "series"), &sent) && sent.n == sizeof(t->sent))
		memcpy(t->sent, sent.p, sizeof(t->sent));
	arena_free(a);
	return t;
}
