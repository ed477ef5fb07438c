/*
 * A worker process: one thread, one epoll set with the listening socket, every kept connection from
 * nginx and the one pipelined database connection. Nothing but that thread touches any of it.
 */
#ifndef FCGI_WORKER_H
#define FCGI_WORKER_H

#include <millrace/keys.h>
#include <millrace/loop.h>
#include <millrace/pipe.h>

#include "fcgi/request.h"
#include "fcgi/share.h"

struct worker {
	const char *pool; /* the name of the one that this process is of */
	struct loop *loop;
	struct pipe *pipe;
	struct shares shares; /* callers', of the pipe */
	struct loop_fd listener;
	struct loop_timer publish, drain, first_look;
	struct loop_timer pause; /* armed: nothing is accepted until it fires */
	bool stopping;
	bool current; /* the database is at our migration */
	size_t n_connections, connections_max;
	struct keys keys; /* of external tokens */
	struct arena *scratch; /* for the pipe's parameters; reset after each unit */

	/* Upward calls of the modules below (fcgi/request.h has their order). */

	/* request.c: ends a request with e, whatever kind its reply is. */
	void (*fail)(struct req *r, enum err e);
	/* worker.c: a reply is written; counts and logs it, and frees the request. */
	void (*end)(struct req *r, int status);
	/* worker.c: metrics_publish has seen which version the database is of. */
	void (*version_known)(struct worker *w);
};

/* Serves a pool until SIGTERM has come and every kept connection is gone, for 30 s at most. */
void worker_run(const char *pool);

/* request.c: a request has arrived; routes it, identifies, counts, checks, calls its handler. */
void request_begin(struct req *r);
/* request.c: struct worker's `fail`. */
void request_fail(struct req *r, enum err e);

#endif
