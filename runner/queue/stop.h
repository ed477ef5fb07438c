/*
 * What makes work end early. Who works owns a struct stop and asks it between steps, or waits by
 * stop_sleep; any other thread may set it, which ends the wait at once. What blocks elsewhere
 * (libcurl) registers a function that interrupts it.
 */
#ifndef RUNNER_QUEUE_STOP_H
#define RUNNER_QUEUE_STOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The first that is set counts, but STOP_LOST outranks the others: after it nothing may be written.
 */
enum stop_why {
	STOP_NOT,
	STOP_LOST, /* the lease is another's: write nothing more */
	STOP_CANCELLED, /* end the run with what was said */
	STOP_SHUTDOWN /* give the job back */
};

struct stop {
	atomic_int why; /* enum stop_why */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t set;
	void (*wake)(void *); /* interrupts what the worker waits for, while it waits there */
	void *wake_arg;
};

/* Prepares a stop that is not set, before another thread sees it. */
void stop_init(struct stop *s);

/* Gives back what stop_init() took, when no other thread uses it any more. */
void stop_destroy(struct stop *s);

/* Sets it, and ends the worker's wait. Any thread. Does not block but for a `wake` that does. */
void stop_set(struct stop *s, enum stop_why why);

/* Why it is set; STOP_NOT where it is not. Any thread. */
static inline enum stop_why
stop_why(struct stop *s)
{
	return (enum stop_why)atomic_load(&s->why);
}

/* The worker's: waits for `ms`; false, and at once, where the stop is set. */
bool stop_sleep(struct stop *s, int64_t ms);

/*
 * The worker's: from now on stop_set calls fn(arg), in its own thread and with s->lock held; NULL
 * ends that, and when it returns no call is under way. A stop that is set already is not announced:
 * ask stop_why afterwards.
 */
void stop_on_set(struct stop *s, void (*fn)(void *), void *arg);

#endif
