/*
 * May a principal listen to a topic? The database decides (topic_allowed); that one is allowed is
 * cached for a few seconds. The whole cache is dropped at once when anybody's role, session or
 * ownership changes (NOTIFY millrace_access), and when a notification may have been missed.
 *
 * One thread; nothing blocks. A callback may come before the call returns.
 */
#ifndef STREAMD_EVENTS_TOPICS_H
#define STREAMD_EVENTS_TOPICS_H

#include <millrace/err.h>
#include <millrace/loop.h>

#include "streamd/events/hub.h"
#include "streamd/events/principal.h"

struct topics;

/* A query under way; embed it in the object that waits, with `on_reply` set. It stays in place
   until on_reply, or topic_query_cancel. */
struct topic_query {
	struct topic_request *request; /* NULL: nothing is under way */
	/* Called once. ERR_OK: `allowed` is whether the topic may be listened to, `head` its
	   last seq, `kept` whether every event after topics_query's `after` is still in the log.
	   Any other error: the database gave no reply, and the rest is 0. */
	void (*on_reply)(struct topic_query *q, enum err e, bool allowed, int64_t head, bool kept);
};

/* h, f and u stay the caller's and must outlive the result. Never NULL; the caller frees it with
   topics_close, after the feed is closed, which ends what is under way. */
struct topics *topics_open(struct loop *l, const struct hub *h, struct feed *f, struct usage *u);
void topics_close(struct topics *ts);
/* For the feed's table (feed.h): `topics` is a struct topics. */
void topics_on_notify(void *topics, struct str payload);
void topics_on_listen(void *topics);

/* Queries whether p may listen to `topic`, and whether all after seq `after` is kept (-1: not of
   interest, which lets the cache reply). Copies p's ids and the topic. */
void topics_query(struct topics *ts, struct topic_query *q, const struct principal *p,
    struct str topic, int64_t after);
/* on_reply will not be called. Idempotent. */
void topic_query_cancel(struct topic_query *q);
/* Has p's user so many queries without a reply, cancelled ones included, that more would delay
   everybody? Check it before a query that a client can cause as often as it likes. */
bool topics_user_is_flooding(const struct topics *ts, const struct principal *p);

#endif
