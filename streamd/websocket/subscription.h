/* What a channel listens to: its subscriptions, for channel.c, subscription.c and trend.c alone. */
#ifndef STREAMD_WEBSOCKET_SUBSCRIPTION_H
#define STREAMD_WEBSOCKET_SUBSCRIPTION_H

#include "streamd/events/topics.h"
#include "streamd/websocket/channel.h"
#include "streamd/websocket/ws.h"

struct trend;

struct channel {
	struct person person;
	struct ws *ws;
	struct access *access;
	struct hub *hub;
	struct subscription *subscriptions;
	int64_t ends_ms; /* loop_now's clock; 0: never */
	int64_t trend_asked_ms[2]; /* when the database was last asked for each series */
	enum channel_kind kind : 8;
	uint8_t malformed; /* messages so far */
	uint16_t n; /* subscriptions */
};

struct subscription {
	struct sub sub;
	struct ask ask;
	struct subscription *prev, *next;
	struct channel *channel;
	struct trend *trend; /* NULL: events as they come */
	int64_t since; /* while it is asked for: go on after this; -1: from now on */
	bool first_form; /* the grant's own */
	uint16_t topic_len;
	char topic[]; /* as the client says it; NUL-terminated */
};

#define TOPIC_MAX 200

static inline struct str
subscription_topic(const struct subscription *s)
{
	return (struct str){ s->topic, s->topic_len };
}

/* The grant's own topic: listened to at once, in the short form. */
void subscription_own(struct channel *c, struct str topic, int64_t after);
/* By message: asks whether it is allowed, answers the client, and listens. In the place of one of the same topic. `since` -1: from now
   on; for what has a state (a run of a workflow), with its last event first. */
void subscription_add(struct channel *c, struct str topic, int64_t since, struct trend *trend);
/* NULL where the channel has none of that topic. */
struct subscription *subscription_find(struct channel *c, struct str topic);
void subscription_end(struct subscription *s);
/* May they all stay? */
void subscriptions_check(struct channel *c);

/* One as an element of a JSON array, and back. */
void subscription_save(const struct subscription *s, struct buf *out, bool first);
void subscription_restore(struct channel *c, json_object *from);

/* Tells the client what is wrong; code is UNAUTHORIZED, INVALID_TOPIC, BAD_REQUEST or OVERLOADED. `topic` may be absent. */
void channel_error(struct channel *c, const char *code, const char *text, struct str topic);

/* What a trend is of; from the client's params. */
struct trend_in {
	int64_t since;
	struct str start_date, end_date; /* RFC 3339; absent: the last 30 days */
	struct str aggregation; /* absent: daily */
};
bool trend_is(struct str topic);
/* A new trend for a subscription, which takes it over. */
struct trend *trend_new(const struct trend_in *in);
/* Answers with the series as soon as the database has told it. */
void trend_start(struct subscription *s);
/* An event that may have changed it. */
void trend_event(struct subscription *s, const struct event *e);
void trend_free(struct trend *t);
/* Its params as members of a JSON object, each with its comma behind it; and back. */
void trend_save(const struct trend *t, struct buf *out);
struct trend *trend_restore(json_object *from);
/* The topic whose events change it; the arena's or a literal. */
struct str trend_source(struct arena *a, const struct channel *c);

/* The long form's text around `data`; the arena's. `seq` -1: none. */
struct str channel_long_form(struct arena *a, enum channel_kind kind, struct str topic,
    struct str event, struct str data, int64_t at_ms, int64_t seq);

#endif
