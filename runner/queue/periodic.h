/*
 * Periodic work: what every runner does again and again beside its jobs, in one table (main.c). A
 * scheduler thread knows what is due when and sleeps until then; a few workers, each with a
 * database connection of its own, do it. Nothing polls: between two due times all threads sleep.
 *
 * A row names a function, how often it runs, and so what wakes it: a transaction that makes work
 * for it does pg_notify('millrace_periodic', '<name>'), and periodic_wake runs it at once.
 * `every_ms` is then only how late it may be where a notification was lost. The functions run in
 * several runners at once; their SQL lets one at a time work, or bears it.
 *
 * Nobody starves: a row marked PERIODIC_LONG (it asks other hosts, or may have much to do) leaves
 * one worker to the short ones, and one marked PERIODIC_APART has a thread and a connection to
 * itself.
 */
#ifndef RUNNER_QUEUE_PERIODIC_H
#define RUNNER_QUEUE_PERIODIC_H

#include <millrace/db.h>

#include "runner/queue/stop.h"

enum periodic_kind { PERIODIC_SHORT, PERIODIC_LONG, PERIODIC_APART };

/* What a function may return instead of milliseconds until its next turn. */
#define PERIODIC_AS_TABLED 0 /* after every_ms, more or less */
#define PERIODIC_WHEN_WOKEN INT64_MAX

struct periodic {
	const char *name; /* NULL ends the table */
	int64_t every_ms; /* more than 0 */
	int64_t gap_ms; /* from one beginning to the next at least, however often it is woken */
	/* So long one that is asked for waits for others to ask too, out of the way of who asked */
	int64_t lag_ms;
	enum periodic_kind kind;
	/*
	 * One turn; never two at once. `db` and `a` are the worker's: the arena is reset
	 * afterwards. `stop` is set when the runner ends: what takes long asks it, or hands it on.
	 * Returns when its next turn is due, in milliseconds from now; one that failed says soon.
	 */
	int64_t (*run)(struct db *db, struct arena *a, struct stop *stop);
};

/* Starts the threads; the table lives as long as the process. All run once soon after the start. */
void periodic_start(const struct periodic *table);
/* Ends and joins them. */
void periodic_stop(void);

/*
 * Any thread, also before the start or after the end: a turn is due when lag_ms and gap_ms are
 * over. Unknown names are ignored.
 */
void periodic_wake(struct str name);
/* All of them, since notifications may have been missed. */
void periodic_wake_all(void);
/* A turn is due in `ms` at the latest. */
void periodic_within(struct str name, int64_t ms);

#endif
