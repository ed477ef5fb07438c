/*
 * One pipelined PostgreSQL connection on a loop that never blocks (libpq's manual, "Pipeline
 * Mode"). A unit is one or more statements and a Sync: an implicit transaction. Units sent during a
 * turn go out together, and each is answered, in order, when its results have arrived; those that
 * share a flush (pipe_batch), when that has.
 *
 * A lost connection fails every unit in flight with ERR_OVERLOADED; so does one that brings no
 * result for 15 s longer than MILLRACE_STATEMENT_MS. It is made again with backoff (0.1 s to 5 s);
 * until it is up, new units are refused at once. Only the loop's thread may call these functions.
 */
#ifndef MILLRACE_PIPE_H
#define MILLRACE_PIPE_H

#include <millrace/err.h>
#include <millrace/loop.h>
#include <millrace/query.h>

struct pipe;

/* What became of a unit; valid during the call that gets it. */
struct pipe_reply {
	enum err e; /* of the statement that failed; ERR_OK where none did */
	int failed; /* that statement's index; 0 where the connection was lost */
	struct str text; /* its message for the client; absent where there is none */
	PGresult **res; /* one a statement, NULL from the failed one on; set one NULL to keep it */
	int n;
};

/* Called once for each unit, from the loop, with the argument that was given to pipe_send. */
typedef void pipe_done(void *arg, const struct pipe_reply *reply);
/* As that, before it: the unit has come back, and waits for a flush, which takes nothing of the
   connection from others. */
typedef void pipe_held(void *arg);

struct pipe_statement {
	const struct query *query;
	bool keep; /* send query->sql_keep instead of query->sql */
	const struct sql_arg *args;
	int n_args;
};

/*
 * Starts to connect as the role `role` ("millrace_api", …); `application` ends up in
 * pg_stat_activity. Never NULL; the caller closes it with pipe_close. The callbacks may be NULL and
 * run from the loop, with `arg`: `notify` for each NOTIFY, `up` after each connect, which is the
 * place for pipe_listen.
 */
struct pipe *pipe_open(struct loop *l, const char *role, const char *application,
    void (*notify)(void *arg, struct str channel, struct str payload), void (*up)(void *arg),
    void *arg);
/*
 * Writers share flushes from the first connection on; call it right after pipe_open. A unit with a
 * `done` is a writer unless all its statements are marked `-- reads`: it commits without waiting
 * for the disk, and where it succeeds is answered once a flush that was sent behind it has come
 * back, with ERR_OVERLOADED where that fails. One that is sent while no other is in flight flushes
 * by itself, unless its last statement is marked `-- wakes`: then runners are woken at its commit,
 * so that what they write meanwhile shares its flush, or the other way round. What writers notify
 * by notify_durable() (SQL) is sent after the flush; `direct`: by one that flushes by itself with
 * its commit, which is sooner, and keeps the whole server from notifying until it is on disk.
 * Units without `done` may be lost when the server crashes.
 */
void pipe_batch(struct pipe *p, bool direct);
/*
 * Of a pipe whose writers share flushes: makes whoever waits for notifications look again (NOTIFY
 * millrace_doubt), for what a process that was killed has committed and not notified. The pipe does
 * it by itself for a connection that it has lost with units in flight, and instead of notifications
 * that the server did not take.
 */
void pipe_doubt(struct pipe *p);
/* Fails what is in flight with ERR_OVERLOADED and frees everything. Comes before loop_free. */
void pipe_close(struct pipe *p);
/* Is the connection up, so that units can be sent? */
bool pipe_is_up(const struct pipe *p);
/* The number of units sent and not yet answered; preparing a statement is one, too. */
size_t pipe_in_flight(const struct pipe *p);
/*
 * Backpressure for whoever sends a lot: true while output waits for the socket to become writable,
 * or more than 256 units are in flight.
 */
bool pipe_is_busy(const struct pipe *p);

/* Are all of them marked `-- reads`? */
bool pipe_unit_reads(const struct pipe_statement *statements, int n);

/*
 * Queues a unit of `n` statements (1 or more); `done` (may be NULL) is called from the loop, never
 * from within this call. Arguments are copied before it returns; `scratch` is used for that and may
 * be reset afterwards. ERR_OVERLOADED: not connected; nothing is queued, and `done` is not called.
 */
MUST_CHECK enum err pipe_send(struct pipe *p, struct arena *scratch,
    const struct pipe_statement *statements, int n, pipe_done *done, void *arg);

/* The same; `held` (may be NULL) is called where the unit waits for a flush (pipe_batch). */
MUST_CHECK enum err pipe_send_held(struct pipe *p, struct arena *scratch,
    const struct pipe_statement *statements, int n, pipe_held *held, pipe_done *done, void *arg);

/*
 * "LISTEN channel" as a unit of its own. It lasts as long as the connection, so call it from `up`;
 * without a connection it does nothing. `channel` is a literal without quotes.
 */
void pipe_listen(struct pipe *p, const char *channel);

#endif
