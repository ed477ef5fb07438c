/*
 * Counts down to when processes are due: an event agent_countdown each second, for whoever is in
 * their rooms. It is made here and in no log, so who misses one misses nothing. The database is
 * asked every few seconds, while somebody listens. One thread; nothing blocks.
 */
#ifndef STREAMD_EVENTS_COUNTDOWN_H
#define STREAMD_EVENTS_COUNTDOWN_H

#include <millrace/loop.h>

#include "streamd/events/hub.h"

struct countdown;
struct feed;

/* l, h and f stay the caller's. Never NULL; freed by countdown_close, after the feed is closed,
   which ends what is under way. */
struct countdown *countdown_open(struct loop *l, struct hub *h, struct feed *f);
void countdown_close(struct countdown *c);
/* Somebody has begun to listen to a topic. NULL, where there is no database (tests), is ignored. */
void countdown_wake(struct countdown *c);

#endif
