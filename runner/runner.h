/*
 * What the parts of the runner share: its name, its few database connections, its counters, the running jobs.
 *
 * Threads: main (queue.c: listens and claims), the heart (lease.c), the sweeper (sweep.c), the publisher for `analytics` (analytics.c),
 * the flusher (flusher.c), and one for each running job. A struct job is written by its own thread; what others may touch is said
 * below. A job's thread may wait for the database (job_ask), for its unflushed events (outbox), and for a provider (http.c), and in
 * each of these it hears job_stop.
 */
#ifndef MILLRACE_RUNNER_H
#define MILLRACE_RUNNER_H

#include <pthread.h>
#include <stdatomic.h>

#include <millrace/db.h>
#include <millrace/metrics.h>

#include "runner/queue/outbox.h"

/* Why a job's thread has to leave what it does. The first that is set counts. */
enum stop {
	STOP_NOT,
	STOP_LOST, /* the lease is another's: write nothing more */
	STOP_CANCELLED, /* end the run with what was said */
	STOP_SHUTDOWN /* give the job back */
};

struct job {
	struct uuid run;
	struct uuid owner; /* absent where it is nobody's (yet) */
	struct uuid conversation; /* absent where the run has none */
	struct uuid document;
	char kind[32];
	int attempt;
	int max_attempts;
	int64_t first_seq; /* what earlier attempts have written; 0: nothing */
	struct str input; /* JSON text, the arena's */
	struct arena *a; /* freed when the thread ends */
	struct outbox *out; /* the run's events on their way into the log */

	atomic_int stop; /* enum stop; set by any thread through job_tell */
	pthread_mutex_t lock; /* guards the two below */
	pthread_cond_t told; /* signalled by job_tell */
	void (*wake)(void *); /* interrupts what the thread waits for, while it waits there */
	void *wake_arg;

	struct job *next, *prev; /* the list of running jobs, under its own lock (job.c) */
};

/* How a job's work came out. */
enum end {
	END_DONE = 1, /* the run has ended in the database, or is another's */
	END_AGAIN, /* an error that may pass: `message` is for the log, and the run waits for its next attempt */
	END_FAILED, /* an error for good: `code` and `message` are for the client */
	END_STOPPED /* job_stop said so */
};

struct outcome {
	enum end end;
	const char *code;
	const char *message; /* lives as long as the job's arena, or for good */
	bool dead; /* END_FAILED: keep the job for `millracectl jobs` */
	int64_t wait_ms; /* END_AGAIN: about how long until then; 0: soon */
};

/* A kind of job: one row in job.c's table. */
struct job_kind {
	const char *name;
	struct outcome (*run)(struct job *j);
};
struct outcome chat_run(struct job *j);
struct outcome ingest_run(struct job *j);
struct outcome search_run(struct job *j);
struct outcome mail_run(struct job *j);
struct outcome oauth_run(struct job *j);

/* Set once before the first thread starts. */
struct runner {
	char name[400]; /* host/instance: who holds the leases */
	struct db_pool *pool;
	int slots;
};
extern struct runner me;

/* What this process counts (runner/metrics.c). */
struct counters {
	atomic_llong claimed, done, failed, dead, again, given_back, lost;
	atomic_llong calls, call_errors, call_retries, call_continuations;
	atomic_llong events, flushes, flush_errors;
	struct histogram flush_seconds;
	atomic_llong documents, passages;
};
extern struct counters counters;
/* All of it for the process row; the arena's. */
struct str counters_json(struct arena *a);

/* A number in [0, n), for jitter; not for secrets. */
int64_t jitter(int64_t n);
void sleep_ms(int64_t ms);

/* -- running jobs (job.c) -- */

/* Starts a thread for a leased job; false where no thread could be made, the job is then given back. `ended` is called when a
   thread is done, from that thread. */
bool job_spawn(
    struct uuid run, struct uuid owner, struct str kind, int attempt, void (*ended)(void));
int jobs_running(void);
/* The running jobs' ids, for the heartbeat. */
struct str_list jobs_list(struct arena *a);
/* Tells one running job, or all of them, to stop. */
void job_tell_run(struct str run, enum stop why);
void jobs_tell_all(enum stop why);
void job_tell(struct job *j, enum stop why);

static inline enum stop
job_stop(struct job *j)
{
	return (enum stop)atomic_load(&j->stop);
}

/* Waits; false where job_stop spoke meanwhile (at once). */
bool job_sleep(struct job *j, int64_t ms);
/* Sets what job_tell calls; NULL ends it. fn is called with j->lock held. */
void job_on_stop(struct job *j, void (*fn)(void *), void *arg);

/*
 * Asks the database until it answers: `call` is an expression in `db` of type enum err. While the server is away it waits, for as
 * long as the job may go on. So a statement may be done twice, and all that are asked this way bear it.
 */
#define JOB_ASK(j, e, call)                                                                 \
	do {                                                                                \
		int job_ask_tries = 0;                                                      \
		do {                                                                        \
			struct db *db = db_pool_take(me.pool);                              \
			(e) = (call);                                                       \
			db_pool_give(me.pool, db);                                          \
		} while ((e) == ERR_OVERLOADED && job_wait_database((j), job_ask_tries++)); \
	} while (0)
bool job_wait_database(struct job *j, int tries);

/*
 * Ends a run: waits until its events are in the log, then asks `call`, an expression in `db`, `after` and `&res` that returns one
 * int8 as chat_finish and its like do; does both again where a crash of the server lost events. The struct outcome *o gets
 * END_DONE, END_STOPPED or END_AGAIN.
 */
#define JOB_END(j, o, call)                                   \
	do {                                                  \
		PGresult *res = NULL;                         \
		int64_t after;                                \
		enum err e;                                   \
		do {                                          \
			if (!outbox_drain((j)->out, &after))  \
				break;                        \
			JOB_ASK((j), e, call);                \
			*(o) = job_ended((j), e, res, after); \
		} while ((o)->end == 0);                      \
		if ((o)->end == 0)                            \
			(o)->end = END_STOPPED;               \
	} while (0)
struct outcome job_ended(struct job *j, enum err e, const PGresult *res, int64_t after);

/* An outcome in one expression. */
static inline struct outcome
job_failed(const char *code, const char *message)
{
	return (struct outcome){ .end = END_FAILED, .code = code, .message = message };
}

/* What to make of a statement's error in a job. */
struct outcome job_db_error(struct job *j, enum err e, const char *what);

/* -- the other threads: each starts one; their *_stop ends and joins it -- */
void lease_start(void);
void lease_stop(void);
void sweep_start(void);
void sweep_stop(void);
void analytics_start(void);
void analytics_stop(void);

/* queue.c: claims until SIGTERM or SIGINT. */
void queue_run(void);

/* A thread with the runner's stack size. Ends the process where it cannot be made and `must` is set. */
bool thread_start(pthread_t *t, void *(*fn)(void *), void *arg, bool must);

#endif
