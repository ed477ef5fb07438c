/* A channel's subscriptions; for channel.c, subscription.c and trend.c alone. */
#ifndef STREAMD_WEBSOCKET_SUBSCRIPTION_H
#define STREAMD_WEBSOCKET_SUBSCRIPTION_H

#include "streamd/events/principal.h"
#include "streamd/events/topics.h"
#include "streamd/websocket/channel.h"
#include "streamd/websocket/ws.h"

struct trend;

struct channel {
	struct principal principal;
	struct ws *ws;
	struct server *server;
	struct subscription *subscriptions;
	int64_t ends_ms; /* when the token expires, on loop_now's clock; 0: never */
	int64_t trend_queried_ms[2]; /* when each series was last queried */
	enum channel_kind kind : 8;
	uint8_t malformed; /* messages so far */
	uint16_t n; /* subscriptions */
};

struct subscription {
	struct sub sub;
	struct topic_query query;
	struct subscription *prev, *next;
	struct channel *channel;
	struct trend *trend; /* NULL: events are sent as they come */
	int64_t since; /* while queried: events after this seq; -1: from now on */
	bool first_form; /* the grant's own topic, in the short form */
	uint16_t topic_len;
	char topic[]; /* as the client writes it; NUL-terminated */
};

/* Bytes. */
#define TOPIC_MAX 200

static inline struct str
subscription_topic(const struct subscription *s)
{
	return (struct str){ s->topic, s->topic_len };
}

/* Subscribes to the grant's own topic at once, in the short form, after seq `after`. */
void subscription_add_own(struct channel *c, struct str topic, int64_t after);
/* Subscribes by a client's message: queries whether the topic is allowed, replies, and replaces
   the subscription of the same topic. `since` -1: from now on, or from the last event where the
   topic has a state. Takes over `trend`, which may be NULL. */
void subscription_add(struct channel *c, struct str topic, int64_t since, struct trend *trend);
/* NULL where the channel has none of that topic. */
struct subscription *subscription_find(struct channel *c, struct str topic);
/* Frees it. */
void subscription_end(struct subscription *s);
/* Queries for each subscription whether it is still allowed, and ends those that are not. */
void subscriptions_check(struct channel *c);

/* Writes one as an element of a JSON array, and reads it back. */
void subscription_save(const struct subscription *s, struct buf *out, bool first);
void subscription_restore(struct channel *c, json_object *from);

/* Sends an error message; `code` is UNAUTHORIZED, INVALID_TOPIC, BAD_REQUEST or OVERLOADED;
   `topic` may be absent. */
void channel_error(struct channel *c, const char *code, const char *text, struct str topic);

/* A trend's parameters, from the client. */
struct trend_in {
	int64_t since;
	struct str start_date, end_date; /* RFC 3339; absent: the last 30 days */
	struct str aggregation; /* absent: daily */
};
/* Is the topic a trend: a series, queried anew whenever an event may have changed it? */
bool trend_is(struct str topic);
/* A new trend, for a subscription that takes it over. */
struct trend *trend_new(const struct trend_in *in);
/* Queries the series for s->trend and sends it. */
void trend_start(struct subscription *s);
/* Queries the series again where e may have changed it, at most once a second. */
void trend_event(struct subscription *s, const struct event *e);
/* NULL is ignored. */
void trend_free(struct trend *t);
/* Writes its parameters as members of a JSON object, each followed by a comma; reads them back. */
void trend_save(const struct trend *t, struct buf *out);
struct trend *trend_restore(json_object *from);
/* The topic whose events change it; the arena's, or a literal. */
struct str trend_source(struct arena *a, const struct channel *c);

/* The long form's text around `data`, which is JSON; the arena's. `seq` -1: none. */
struct str channel_long_form(struct arena *a, enum channel_kind kind, struct str topic,
    struct str event, struct str data, int64_t at_ms, int64_t seq);

#endif
