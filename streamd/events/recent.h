/*
 * What was notified of runs that nobody listened to yet. A client comes a moment after its run was
 * made, and the run's first events may be there before it: kept for some seconds, they spare a read
 * of the log, and so does knowing that nothing can have come.
 *
 * Of a run that is old, of which too much came, or an event without its content, nothing is known.
 * One thread; nothing blocks and nothing fails.
 */
#ifndef STREAMD_EVENTS_RECENT_H
#define STREAMD_EVENTS_RECENT_H

#include "streamd/events/event.h"

struct recent;

/* An event that is kept; the next one has the next seq. */
struct kept {
	struct kept *next;
	struct event event;
	char bytes[];
};

/* All that a topic has had. */
struct known {
	int64_t last; /* seq; 0: nothing came */
	struct kept *first, **end;
	size_t bytes;
};

/* Never NULL; the caller frees it with recent_free. At first it is sure of nothing. */
struct recent *recent_new(void);
void recent_free(struct recent *r);
/*
 * Notifications may be missing up to `until_ms`, Unix milliseconds of the database's clock: of runs
 * made until then nothing is known.
 */
void recent_unsure(struct recent *r, int64_t until_ms);
/* A topic that nobody listens to was notified of event `seq`, which is e (NULL: without it). */
void recent_add(struct recent *r, struct str topic, int64_t seq, const struct event *e);
/*
 * Somebody listens to a topic: all that it has had, the caller's to free with known_free; NULL:
 * that is not known. After that nothing is, since what comes is not told here.
 */
struct known *recent_take(struct recent *r, struct str topic);
/* NULL is ignored. */
void known_free(struct known *k);

#endif
