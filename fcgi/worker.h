/*
 * A worker process: one thread, one epoll set with the listening socket, every kept connection from nginx and the one pipelined
 * database connection; and its counters.
 */
#ifndef FCGI_WORKER_H
#define FCGI_WORKER_H

#include <millrace/keys.h>
#include <millrace/loop.h>
#include <millrace/metrics.h>
#include <millrace/pipe.h>

#include "fcgi/request.h"

/* What this process counts (fcgi/metrics.c). */
struct worker_metrics {
	uint64_t connections;
	uint64_t by_status[6]; /* 1xx … 5xx by their first digit */
	uint64_t rate_limited;
	struct histogram request_seconds;
};
extern struct worker_metrics metrics;

struct worker {
	const char *pool; /* the name of the one that this process is of */
	struct loop *loop;
	struct pipe *pipe;
	struct loop_fd listener;
	struct loop_timer tick, drain, first_look;
	struct loop_timer pause; /* armed: nothing is accepted until it fires */
	bool stopping;
	bool current; /* the database stands at our migration */
	size_t n_connections, connections_max;
	struct keys keys; /* of external tokens */
	struct arena *scratch; /* for the pipe's parameters; reset after each ask */
};

/* Serves until SIGTERM has been heard and every kept connection is gone, 30 s at most. */
void worker_run(const char *pool);

/*
 * Takes connections from now on, where there is room for one. Called when the database's version is known, so that a worker that has just
 * started refuses nothing that another would serve; where the database is away, after a second. Idempotent.
 */
void worker_accept(struct worker *w);

/* A request has arrived and its parameters are read: routes it, identifies, checks, calls the handler. */
void req_begin(struct req *r);
/* Finds and checks the caller's credential as far as that goes without the database: r->caller. ERR_UNAUTHORIZED where the route needs
   one and none is valid, ERR_FORBIDDEN where a cookie came without its CSRF token. */
MUST_CHECK enum err caller_identify(struct req *r);
/* Is a caller whom nobody knows told so inside the socket that was asked for? */
bool caller_in_band(const struct req *r);
/* The statement that makes the caller the transaction's (args: room for CALLER_ARGS). How many: 0 for nobody, else 1. */
#define CALLER_ARGS 7
size_t caller_statement(struct req *r, struct pipe_statement *s, struct sql_arg *args);
/* Writes the status and every header that belongs to any reply into head, without the empty line. */
void reply_head(struct req *r, struct buf *head, int status, const char *content_type);
/* For a reply in pieces: the connection takes more, or is gone; and the end of one that cannot go on. */
void pieces_ready(struct req *r, bool gone);
void reply_break(struct req *r);
/* Reads what is left of the body and forgets it: a kept connection must be at its next request's begin. nginx has the whole body
   before it asks us, so reading does not wait for a client. */
void req_drain(struct req *r);
/* Ends the exchange once a reply was written: log line, counters, and the connection waits for the next request. */
void req_end(struct req *r, int status);

/* Keeps the process's row fresh and asks whether the database is at our migration; at start and every 5 s. */
void worker_tick(struct worker *w);

/* Takes the process's row out and stops the loop. */
void worker_leave(struct worker *w);

/*
 * Counts a request of `who` against its route's limit for this minute, in memory that all workers of this host share
 * ($MILLRACE_RUNTIME_DIR/ratelimit). Fills r->rate_*. ERR_RATE_LIMITED: over it.
 */
void rate_open(void);
MUST_CHECK enum err rate_count(struct req *r, struct str who);

#endif
