/*
 * Topics and who listens to them. A subscriber keeps one number, the last seq it was given; event n goes at once to those
 * that stand at n - 1, and everyone else is behind and is caught up from the event table. So whatever made the gap (a lost
 * connection, a restart, a slow reader, an event that came by reference), it heals by one way, in order, nothing twice.
 *
 * The hub owns topics; a subscriber is embedded in its connection, which owns it and must leave before it goes.
 */
#ifndef STREAMD_EVENTS_HUB_H
#define STREAMD_EVENTS_HUB_H

#include <uthash.h>

#include "streamd/events/event.h"

struct hub;
struct reader;
struct sub;

struct sub_ops {
	/* Is nothing waiting on this subscriber, so that reading the table for it is of use? Where it says no, hub_drained is
	   called once it would say yes. */
	bool (*ready)(const struct sub *s);
	/* Takes the event, or answers false where there is no room. May leave its topic. */
	bool (*take)(struct sub *s, struct event *e);
	/* The topic's last event stands at or before where the subscriber began (a made-up Last-Event-ID): nothing will come.
	   NULL where that cannot be. May leave its topic. */
	void (*over)(struct sub *s);
};

struct sub {
	const struct sub_ops *ops;
	struct topic *topic; /* NULL: listens to nothing */
	struct sub *prev, *next;
	int64_t sent; /* the last seq given, or passed over */
};

struct topic {
	UT_hash_handle hh;
	struct hub *hub;
	struct sub *subs;
	struct sub
	    *next; /* while an event is given to all: who is given it after the present one */
	struct topic *hungry_next;
	int64_t latest; /* the last seq known to exist */
	int64_t latest_before; /* `latest` as it was when the read began */
	int64_t read_upto; /* while reading: the seq after which the read goes on */
	int64_t
	    short_since_us; /* when the log was seen to end before what its readers have; 0: it does not */
	int64_t short_head; /* where it ended then */
	uint32_t busy; /* callers on the stack that still need it */
	bool unsure; /* notifications may have been missed: `latest` is not to be relied on */
	bool hungry; /* in the queue of those to be read */
	bool reading; /* a read is under way */
	uint32_t name_len;
	char name[]; /* NUL-terminated */
};

/* The caller frees it with hub_free. */
struct hub *hub_new(void);
/* Where the hub reads from; before anyone joins. Stays the caller's. */
void hub_read_from(struct hub *h, struct reader *r);
/* Only without subscribers and reads under way. */
void hub_free(struct hub *h);
size_t hub_topics(const struct hub *h);
/* How far a topic is; false where nobody here listens to it, or it is not known just now. */
bool hub_head(const struct hub *h, struct str topic, int64_t *head);

/* Makes s a listener of `topic` for everything after `after`. s->ops is set. */
void hub_join(struct hub *h, struct sub *s, struct str topic, int64_t after);
/* Idempotent. */
void hub_leave(struct sub *s);
/* The subscriber can take events again. */
void hub_drained(struct sub *s);

/* A notification: seq exists; `e` (NULL: by reference only) is it. */
void hub_notified(struct hub *h, struct str topic, int64_t seq, struct event *e);
/* The listening connection is new: what was told before this is not known. */
void hub_doubt(struct hub *h);
/* Topics whose log was too short are to be read again. */
void hub_look_again(struct hub *h);
/* Starts the reads that are due; once a turn. */
void hub_turn(struct hub *h);

/* The topics that wait to be read, oldest first; NULL where none does. The caller starts a read after topic->read_upto and
   answers it with hub_read_done or hub_read_failed. */
struct topic *hub_next_hungry(struct hub *h);
/* One event of a read, in order. */
void hub_read_event(struct topic *t, struct event *e);
/* The read's end; `head` is the topic's last seq as the read saw it, `empty` says that no event came. May free the topic. */
void hub_read_done(struct topic *t, int64_t head, bool empty);
/* Nothing came; the topic waits again. May free the topic. */
void hub_read_failed(struct topic *t);

#endif
