/*
 * A running job: its thread, what it is to do, how it asks the database and how it ends. A struct
 * job is written by its own thread; other threads touch its `stop` alone. A job's thread may wait
 * for the database, for its unflushed events (outbox), and for another host (outside/), and in each
 * of these its stop ends the wait.
 *
 * Statements of a job are the generated job_NAME(j, &res, …) of sql_job.h, and for those marked `--
 * ends` job_end_NAME(j, …).
 */
#ifndef RUNNER_QUEUE_JOB_H
#define RUNNER_QUEUE_JOB_H

#include <millrace/fields.h>
#include <millrace/query.h>

#include "runner/queue/outbox.h"
#include "runner/queue/stop.h"

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
	/* JSON text that came with the claim: what a chat or a workflow begins with; else absent */
	struct str begun;
	struct arena *a; /* freed when the job has ended */
	struct outbox *out; /* the run's events on their way into the log */
	struct stop stop;
	/* models' calls that its searches have made (jobs/meaning.h, jobs/rerank.h) */
	int n_searches;
	bool stops_statements; /* the stop ends the job's statements, too, while this is true */

	struct job *next, *prev; /* the list of running jobs, under its own lock (job.c) */
};

/* How a job's work came out. */
enum end {
	END_DONE = 1, /* the run has ended in the database, or is another's */
	/*
	 * An error that may pass: `message` is for the log, and the run waits for its next attempt
	 */
	END_AGAIN,
	END_FAILED, /* an error for good: `code` and `message` are for the client */
	END_STOPPED /* the job's stop is set */
};

struct outcome {
	enum end end;
	const char *code;
	const char *message; /* lives as long as the job's arena, or for good */
	bool dead; /* END_FAILED: keep the job for `millracectl jobs` */
	int64_t wait_ms; /* END_AGAIN: about how long until then; 0: soon */
};

/* A kind of job. The table of them is jobs/kinds.c's; one without a name ends it. */
struct job_kind {
	const char *name; /* job.kind in the database */
	struct outcome (*run)(struct job *j);
};

/* What a job is begun with: it is leased to this runner. */
struct leased {
	struct uuid run, owner, conversation, document; /* as in struct job */
	struct str kind, input, begun;
	int64_t attempt, max_attempts, first_seq;
	bool is_cancelled;
};

/* -- running jobs; any thread -- */

/*
 * Once, before the first job: what there is to do, and what is called when a job's thread is done,
 * from that thread.
 */
void jobs_init(const struct job_kind *kinds, void (*ended)(void));
/*
 * Begins a job on a thread, which other jobs may have been on before; false where no thread could
 * be made: its lease then runs out.
 */
bool job_spawn(const struct leased *l);
int jobs_running(void);
/*
 * The running jobs' ids, for the heartbeat; `left`: and of those that have come to an end here, and
 * may be leased to this runner still. The arena's.
 */
struct str_list jobs_list(struct arena *a, bool left);
/* Sets one running job's stop, or everybody's. A run that is not here is ignored. */
void job_stop_run(struct str run, enum stop_why why);
void jobs_stop_all(enum stop_why why);

/* -- for a job's own thread -- */

/*
 * Reads the job's input by a field table into `into`. False where it does not fit; *o is then the
 * job's outcome.
 */
MUST_CHECK bool job_input(
    struct job *j, const struct field *fields, size_t n, void *into, struct outcome *o);

/*
 * Asks the database until it answers; for sql_job.h. While the server is away it waits, for as long
 * as the job may go on (ERR_OVERLOADED then, and where the stop has ended the statement). So a
 * statement may be done twice, and all that are asked this way bear it. *out gets rows of the
 * arena.
 */
MUST_CHECK enum err job_query(struct job *j, struct arena *a, const struct query *q,
    const struct sql_arg *args, PGresult **out);

/*
 * Ends a run; for sql_job.h. Waits until its events are in the log, then asks `q`, which returns
 * one int8 as job_done() does. args[3] gets the seq of the last event. END_DONE, END_STOPPED or
 * END_AGAIN.
 */
struct outcome job_end(struct job *j, const struct query *q, struct sql_arg *args);

/* An outcome in one expression. */
static inline struct outcome
job_failed(const char *code, const char *message)
{
	return (struct outcome){ .end = END_FAILED, .code = code, .message = message };
}

static inline struct outcome
job_again(const char *message, int64_t wait_ms)
{
	return (struct outcome){ .end = END_AGAIN, .message = message, .wait_ms = wait_ms };
}

static inline struct outcome
job_stopped(void)
{
	return (struct outcome){ .end = END_STOPPED };
}

/* The lease is another's, as a statement has just said. */
struct outcome job_lost(struct job *j);
/* What to make of a statement's error in a job; `what` failed, for the log. */
struct outcome job_db_error(struct job *j, enum err e, const char *what);

#endif
