/*
 * Places for work that the machine can do little of at once. Whoever has fewest of them is next,
 * and of several who came first. A few are open to all, so that one user may fill them while nobody
 * else is here; those beyond are for users who have none, so that nobody waits for another's long
 * work. Any thread may call these.
 */
#ifndef RUNNER_QUEUE_PLACES_H
#define RUNNER_QUEUE_PLACES_H

#include <millrace/str.h>

#include "runner/queue/stop.h"

struct place;

struct places {
	int open; /* of them, for anybody */
	int most; /* in all */
	pthread_mutex_t lock; /* guards what follows */
	int n_held;
	struct place *held, *waiting; /* those who wait in the order in which they came */
};
#define PLACES(n_open, n_most)                                                         \
	{                                                                              \
		.open = (n_open), .most = (n_most), .lock = PTHREAD_MUTEX_INITIALIZER, \
	}

/* One that is held or waited for; on the stack of who does. */
struct place {
	struct places *of;
	struct uuid owner; /* absent: nobody's, who count as one user */
	bool is_held;
	pthread_cond_t changed;
	struct place *prev, *next;
};

/*
 * Waits for a place and holds it until place_give. False where the stop is set first; nothing is
 * held then. Uses stop_on_set.
 */
bool place_take(struct place *mine, struct places *of, struct uuid owner, struct stop *stop);
void place_give(struct place *mine);

#endif
