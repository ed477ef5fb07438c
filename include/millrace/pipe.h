/*
 * One pipelined, never blocking PostgreSQL connection on a loop. A unit is one or more statements and a Sync: an implicit
 * transaction. Units queue up during a turn, go out together, and each is answered when its results are there, in order. A lost
 * connection, or one that says nothing for far longer than a statement may take, fails every unit in flight with ERR_OVERLOADED and is
 * made again with backoff (0.1 s to 5 s); until it is, new units are refused at once.
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
	int failed; /* that statement's index */
	struct str text; /* its message for the client; absent where there is none */
	PGresult **res; /* one a statement, NULL from the failed one on; set one NULL to keep it */
	int n;
};

/* Called once a unit, from the loop. */
typedef void pipe_done(void *arg, const struct pipe_reply *reply);

struct pipe_statement {
	const struct query *query;
	bool keep; /* take query->sql_keep */
	const struct sql_arg *args;
	int n_args;
};

/* Starts connecting as `role` ("millrace_api" …); never NULL, the caller closes it with pipe_close. `notify` (may be NULL) gets NOTIFY payloads, `up` (may be NULL) is called after each connect
   when the connection can be used: where LISTEN belongs. */
struct pipe *pipe_open(struct loop *l, const char *role, const char *application,
    void (*notify)(void *arg, struct str channel, struct str payload), void (*up)(void *arg),
    void *arg);
/* Fails what is in flight, and gives everything back; before the loop. */
void pipe_close(struct pipe *p);
/* Can units be sent now? */
bool pipe_is_up(const struct pipe *p);
/* Units sent and not yet answered. */
size_t pipe_in_flight(const struct pipe *p);
/* Bytes of unsent output are waited for by whoever streams a lot: true while more than 1 MiB lies in libpq's buffer or more
   than 256 units are in flight. */
bool pipe_is_busy(const struct pipe *p);

/* Queues a unit; `done(arg, …)` is called later from the loop, never from within. ERR_OVERLOADED: not connected, nothing is
   queued. Arguments are copied before it returns; `scratch` is used for that and may be reset afterwards. */
MUST_CHECK enum err pipe_send(struct pipe *p, struct arena *scratch,
    const struct pipe_statement *statements, int n, pipe_done *done, void *arg);

/* "LISTEN channel" as a unit of its own; for `up`. */
void pipe_listen(struct pipe *p, const char *channel);

#endif
