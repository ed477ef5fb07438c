/*
 * Shares of the worker's pipe. PostgreSQL does what is in it one after the other, so each caller
 * waits for what the others have in it. While others are here, one caller has at most an eighth of
 * it; alone, half of it. What is too much waits here, in a line for each caller, and the lines take
 * turns. What has come back and waits for the disk only (pipe_batch) takes no room.
 *
 * Room is measured in time: a statement counts for as many twentieths of a millisecond as its
 * caller's last ones took. One that writes counts for a fifth of that: many are to go together. So
 * a caller of long ones has one or two in the pipe, and one of short ones sixteen. Callers of long
 * requests, of one statement or many, read by a pipe of their own, made when the first of them
 * comes, so that nobody waits for even one of these; and while others are here, their reading rests
 * for three times as long as it took (three quarters of a second at most), so that nobody waits for
 * the processors either.
 */
#ifndef FCGI_SHARE_H
#define FCGI_SHARE_H

#include <millrace/err.h>
#include <millrace/loop.h>
#include <millrace/pipe.h>

#include "fcgi/together.h"

#define SHARES_REMEMBERED 256

struct line;
struct req;

/* What is in one of the pipes. */
struct lane {
	/* of the slow; NULL: not made yet, and of the quick, where it is the worker's */
	struct pipe *pipe;
	int load;
	int64_t ended_us; /* when the last of it had its reply, or the first of it was sent */
};

/* What a caller did of late. */
struct habit {
	int64_t us; /* what a statement took */
	/* What a request that reads took at best: who writes waits for the disk. */
	int64_t reads_us;
	int64_t rests_until_us; /* on clock_us' clock; once slow, and while others are here */
};

/* A worker's; zero at its start. */
struct shares {
	struct lane quick, slow;
	struct together together; /* in the quick one */
	struct line *lines; /* of callers with something in a pipe or waiting, by r->subject */
	struct line *idle; /* the last of them that had no more */
	struct line *turns; /* those of them in which something waits; the first is next */
	struct habit habits[SHARES_REMEMBERED]; /* by a hash of who, which some may share */
	struct loop_timer rest; /* the first rest of those that wait ends */
	int64_t rests_until_us; /* the last of all rests ends; 0: nobody rests */
	unsigned last; /* a hash of who came last */
	int64_t others_until_ms; /* until then there are others, on loop_now's clock */
};

/*
 * Queues a unit of the request's for the pipe, as pipe_send does, where its caller's share and the
 * room allow it, or else lets it wait, arguments copied. done(r, …) is called once, from the loop;
 * where it is NULL the request may end before. ERR_OVERLOADED: not connected. ERR_RATE_LIMITED: a
 * quarter of the worker's connections wait for this caller already, and few are left for others.
 * Nothing is queued then.
 */
MUST_CHECK enum err share_send(
    struct req *r, struct pipe_statement *statements, int n, pipe_done *done);

/* At the worker's end, before its own pipe: closes the other. */
void shares_close(struct shares *all);

/* Frees the idle line; after both pipes, whose ends may leave one. */
void shares_free(struct shares *all);

#endif
