/*
 * Slots for work that the machine can do little of at once. Whoever has fewest of them is next,
 * and of several who came first. A few are open to all, so that one user may fill them while nobody
 * else is here; those beyond are for users who have none, so that nobody waits for another's long
 * work. While others are here, or were a moment ago, nobody has more than a quarter: each would
 * take a processor from them. What is short counts for little, and keeps what is open to all
 * then. Where slots have a rest, who had one for long waits so many times as long for the next,
 * half a second at most, while others are here. Any thread may call these.
 */
#ifndef RUNNER_QUEUE_SLOTS_H
#define RUNNER_QUEUE_SLOTS_H

#include <millrace/str.h>

#include "runner/queue/stop.h"

struct slot;

#define SLOTS_REMEMBERED 64

struct slots {
	int open; /* of them, for anybody */
	int most; /* in all */
	int rest; /* times what one took */
	pthread_mutex_t lock; /* guards what follows */
	int n_held;
	int64_t others_until_ms; /* until then there are several users, on clock_ms' clock */
	struct slot *held, *waiting; /* those who wait in the order in which they came */
	int64_t rests_until_ms[SLOTS_REMEMBERED]; /* by a hash of who, which some may share */
};
#define SLOTS(n_open, n_most, n_rest)                                 \
	{                                                             \
		.open = (n_open), .most = (n_most), .rest = (n_rest), \
		.lock = PTHREAD_MUTEX_INITIALIZER,                    \
	}

/* One that is held or waited for; on the stack of who does. */
struct slot {
	/* This, the owner and whether it is short are set by who waits; the rest is zero. */
	struct slots *of;
	struct uuid owner; /* absent: nobody's, who count as one user */
	bool is_short; /* a few milliseconds' work */
	bool is_held;
	int64_t since_ms; /* held */
	pthread_cond_t changed;
	struct slot *prev, *next;
};

/*
 * Waits for a slot and holds it until slot_release. False where the stop is set first; nothing is
 * held then. Uses stop_on_set.
 */
bool slot_acquire(struct slot *mine, struct stop *stop);
void slot_release(struct slot *mine);

#endif
