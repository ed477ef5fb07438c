/*
 * What all of the runner shares: who it is, its few database connections, and what it counts.
 *
 * Threads: main (queue/claim.c: listens and claims), the scheduler of periodic work and its workers
 * (queue/periodic.c), the committer (queue/commit.c), on which events are written too
 * (queue/outbox.c), and one for each running job (queue/job.c). Where a header does not say who may
 * call it, its functions are for the thread of a job, or those of periodic work; they may wait for
 * the database and for other hosts where they are given a job or a struct stop.
 */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H

#include <stdatomic.h>

#include <millrace/db.h>
#include <millrace/metrics.h>

/* Set once, by main, before the first thread starts; read by all. */
struct runner {
	char name[400]; /* host/instance: who holds the leases */
	/* What answers chats, as in usage_event; models/providers.c sets them again as keys come */
	_Atomic(const char *) provider, model;
	struct db_pool *pool; /* connections that all jobs share, for what is not batched */
	int slots; /* jobs at once */
};
extern struct runner runner;

/* What this process counts; metrics.c names it. Any thread may add. */
struct counters {
	atomic_llong claimed, done, failed, dead, again, given_back, lost;
	atomic_llong calls, call_errors, call_retries, call_continuations, call_fallbacks;
	atomic_llong events, flushes, flush_errors;
	struct histogram flush_seconds;
	atomic_llong documents, passages;
	atomic_llong payments, transactions;
	atomic_llong containers, container_errors; /* that were started, and could not be */
	atomic_llong commands, command_errors;
};
extern struct counters counters;

#endif
