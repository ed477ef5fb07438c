/*
 * Units of one kind that come while one of them is in the pipe go together behind it, as one
 * statement for all: the busier the server, the more go together. Of what kinds there is such a
 * statement, `-- many` at the query says: it finds out itself who calls, begins with three lists
 * for that (sessions, API keys' SHA-256, the scopes of which a key needs one), and its row is the
 * caller's own statement's, then the query's. A row whose fourth column is NULL says that this one
 * is to be sent alone; so is each where all of them have failed, and the connection is not lost.
 */
#ifndef FCGI_TOGETHER_H
#define FCGI_TOGETHER_H

#include <millrace/pipe.h>

struct group;
struct member;

/* A pipe's; zero at its start. */
struct together {
	struct member *first, **last; /* those that wait */
	struct group *sent; /* what those wait for */
};

/* As pipe_send_held(). */
MUST_CHECK enum err together_send(struct together *t, struct pipe *p, struct arena *scratch,
    const struct pipe_statement *statements, int n, pipe_held *held, pipe_done *done, void *arg);

#endif
