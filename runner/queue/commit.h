/*
 * The short writes of all jobs and of the queue, on one connection: claims, begins, ends,
 * give-backs and event batches. Each is a transaction of its own; those that come together share a
 * flush of the server's log (pipe_batch), and nobody hears of one that is not on disk, its caller
 * least of all. So an effect elsewhere that follows such a write finds it there after any crash.
 * Statements that take long stay on the pool's connections: here they would keep all others
 * waiting.
 *
 * The queries are those marked `-- batched`: commit_NAME(a, &res, …) of sql_runner.h, and job_NAME
 * or job_end_NAME of sql_job.h.
 */
#ifndef RUNNER_QUEUE_COMMIT_H
#define RUNNER_QUEUE_COMMIT_H

#include <millrace/err.h>
#include <millrace/query.h>

/*
 * Starts the thread. What a predecessor may have committed and not notified is announced once
 * (pipe_doubt).
 */
void commit_start(void);
/* When nobody calls commit_query any more: ends and joins the thread. */
void commit_stop(void);

/*
 * Runs one statement and waits until it is on disk; any thread. *out (may be NULL) gets the rows,
 * the arena's. Errors: as db_query's; ERR_OVERLOADED at once where the connection is away, and
 * where it was lost meanwhile, when nobody knows what became of the statement.
 */
MUST_CHECK enum err commit_query(
    struct arena *a, const struct query *q, const struct sql_arg *args, PGresult **out);

#endif
