/*
 * Topics and who listens to them. A subscriber keeps one number, the seq of the last event that it
 * was given. Event n is delivered at once to those that have n - 1; everyone else is behind and is
 * caught up from the event log. So whatever made a gap (a lost connection, a restart, a slow
 * client, an event too large for a notification), it heals in one way, in order, without
 * duplicates.
 *
 * The hub owns topics. A subscriber is embedded in its owner, which unsubscribes it before it
 * goes. One thread; nothing blocks and nothing fails.
 */
#ifndef STREAMD_EVENTS_HUB_H
#define STREAMD_EVENTS_HUB_H

#include <uthash.h>

#include <millrace/arena.h>

#include "streamd/events/event.h"
#include "streamd/events/recent.h"

struct hub;
struct sub;

/* Where the hub reads the log. Embed it; both are called from hub_turn and other hub calls. */
struct hub_source {
	/* Topics are pending: read those that hub_next_pending gives, a few at once. */
	void (*read)(struct hub_source *source);
	/* Call hub_recheck_short a little later, once for all calls until then. */
	void (*recheck_later)(struct hub_source *source);
};

struct sub_ops {
	/* Has the subscriber nothing queued, so that reading the log for it is of use? Where not,
	   its owner calls hub_drained once it is. */
	bool (*ready)(const struct sub *s);
	/* Takes the event; false where there is no room. It may unsubscribe this and others. */
	bool (*deliver)(struct sub *s, struct event *e);
	/* The topic's last event is at or before the seq that the subscriber began with (an
	   invented Last-Event-ID): nothing will come. Optional. It may unsubscribe this and
	   others. */
	void (*ended)(struct sub *s);
	/* It takes what is announced, too. */
	bool announced;
};

struct sub {
	const struct sub_ops *ops;
	struct topic *topic; /* NULL: not subscribed */
	struct sub *prev, *next;
	int64_t sent; /* seq of the last event delivered, or passed over */
};

struct topic {
	UT_hash_handle hh;
	struct hub *hub;
	struct sub *subs;
	struct sub *next; /* during a delivery to all: who comes after the present one */
	struct topic *pending_next;
	struct known *known; /* all that came before its first subscriber; NULL: the log says it */
	int64_t latest; /* the last seq known to exist */
	int64_t came; /* the last seq that came, of which a crash may have undone the commit */
	int64_t latest_before; /* `latest` when the read began */
	int64_t read_upto; /* while reading: the seq after which the read goes on */
	int64_t short_since_us; /* since when the log ends before `sent` of a subscriber; 0: no */
	int64_t short_head; /* where it ended then */
	uint32_t busy; /* callers on the stack that still need it */
	bool stale; /* notifications may be lost: `latest` is not reliable */
	bool pending; /* queued for a read */
	bool reading; /* a read is under way */
	uint32_t name_len;
	char name[]; /* NUL-terminated */
};

/* Never NULL. The caller frees it with hub_free, without subscribers and reads under way. */
struct hub *hub_new(void);
void hub_free(struct hub *h);
/* Sets the source, which stays the caller's; before the first subscriber. */
void hub_set_source(struct hub *h, struct hub_source *source);
size_t hub_topics(const struct hub *h);
/* The topic's last seq into *head; false where nobody subscribes to it or it is not known now. */
bool hub_head(const struct hub *h, struct str topic, int64_t *head);

/* Subscribes s, whose ops are set, to everything after seq `after`. The name is copied. */
void hub_subscribe(struct hub *h, struct sub *s, struct str topic, int64_t after);
/* Idempotent. */
void hub_unsubscribe(struct sub *s);
/* The subscriber is ready again. */
void hub_drained(struct sub *s);

/* A notification: seq exists, and e is that event (NULL: it came without). e stays the caller's. */
void hub_notified(struct hub *h, struct str topic, int64_t seq, struct event *e);
/* Delivers an event that is in no log, and has no seq, to who takes such and has room; e stays the
   caller's. */
void hub_announce(struct hub *h, struct str topic, struct event *e);
/* The names of the topics that somebody listens to who takes such; the arena's. */
struct str_list hub_announced(const struct hub *h, struct arena *a);
/* Notifications may be lost: every topic is read. */
void hub_mark_stale(struct hub *h);
/* Reads those topics again whose log was too short. */
void hub_recheck_short(struct hub *h);
/*
 * Notifications up to `until_ms` (Unix, by the database's clock) may be lost: of runs made until
 * then the log is read. At first it is of all.
 */
void hub_unsure(struct hub *h, int64_t until_ms);
/* Gives new subscribers what is known without the log; once a loop turn, before all is written. */
void hub_recall(struct hub *h);
/* Lets the source read what is pending; once a loop turn. */
void hub_turn(struct hub *h);

/* For the source: the oldest pending topic, NULL where there is none. The source reads what follows
   topic->read_upto and ends the read with hub_read_done or hub_read_failed. */
struct topic *hub_next_pending(struct hub *h);
/* One event of a read, in order; e stays the caller's. */
void hub_read_event(struct topic *t, struct event *e);
/* Ends a read. `head` is the topic's last seq in the read's snapshot, `empty` says that no event
   came. May free the topic. */
void hub_read_done(struct topic *t, int64_t head, bool empty);
/* Ends a read without result; the topic is pending again. May free the topic. */
void hub_read_failed(struct topic *t);

#endif
