/*
 * The short writes of all jobs, on one connection: ends, give-backs and event batches. Each is a
 * transaction of its own; those that come together share a flush of the server's log (pipe_batch),
 * and nobody hears of one that is not on disk, its caller least of all. So an effect elsewhere that
 * follows such a write finds it there after any crash. Statements that take long stay on the pool's
 * connections: here they would keep all others waiting.
 *
 * The queries are those marked `-- batched`: commit_NAME(a, &res, …) of sql_runner.h, and job_NAME
 * or job_end_NAME of sql_job.h. Those marked `-- posted` are sent in the committer's turn by who
 * does not wait: post_NAME(done, done_arg, …). Of those marked `-- many` one goes at a time;
 * what comes meanwhile goes together, as one statement.
 */
#ifndef RUNNER_QUEUE_COMMIT_H
#define RUNNER_QUEUE_COMMIT_H

#include <millrace/err.h>
#include <millrace/pipe.h>

/*
 * Starts the thread, and waits some seconds at most for its connection. What a predecessor may have
 * committed and not notified is announced once (pipe_doubt). `turn` is called at each commit_turn,
 * or soon after.
 */
void commit_start(void (*turn)(void));
/*
 * When nobody calls commit_query any more: ends and joins the thread. What was posted and not
 * answered is answered ERR_OVERLOADED, by the calling thread.
 */
void commit_stop(void);

/*
 * Any thread, between start and stop: sends what is queued. Where the committer's thread has
 * nothing to do, the caller's does so, which spares a first token the time until that is awake.
 */
void commit_turn(void);
/* The thread's loop, for timers of what runs there. In a turn, or on that thread. */
struct loop *commit_loop(void);
/* As pipe_send of the one statement; in a turn, or on that thread: returns at once. */
MUST_CHECK enum err commit_post(
    const struct query *q, const struct sql_arg *args, pipe_done *done, void *done_arg);

/*
 * Runs one statement and waits until it is on disk; any thread. *out (may be NULL) gets the rows,
 * the arena's. Errors: as db_query's; ERR_OVERLOADED at once where the connection is away, and
 * where it was lost meanwhile, when nobody knows what became of the statement.
 */
MUST_CHECK enum err commit_query(
    struct arena *a, const struct query *q, const struct sql_arg *args, PGresult **out);

#endif
