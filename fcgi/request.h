/*
 * One request, as handlers see it; most include this header alone. A request owns an arena:
 * everything that a handler makes lives there and dies with it. A handler comes in two halves: the
 * first binds its input and asks the database (a sql_… function queues a statement with the second
 * half and returns), the second is called when the rows are there. The first half's stack is gone
 * by then; what the second needs is put into r->state. Either half may instead reply at once
 * (reply_…, res_…), or return an err, which becomes the error reply. A worker is one thread.
 *
 * The modules of fcgi/ in order; each calls only those on the lines before its own, and lib/:
 *
 *	path_type, skeleton
 *	match, metrics			the route table; the process's counters and row
 *	openapi, rate, rows, pieces
 *	reply
 *	params, results			what came in; the replies that handlers share
 *	caller
 *	together			what goes down it as one statement
 *	share				who may have how much in the pipe
 *	ask
 *	upload
 *	request				the steps that are the same for every route
 *	worker				the loop
 *	main
 *
 * A lower module reaches a higher one through struct worker's function pointers alone.
 */
#ifndef FCGI_REQUEST_H
#define FCGI_REQUEST_H

#include <fcgiapp.h>

#include <millrace/arena.h>
#include <millrace/caller.h>
#include <millrace/err.h>
#include <millrace/fields.h>
#include <millrace/grant.h>
#include <millrace/loop.h>
#include <millrace/query.h>

#include "fcgi/ask.h"
#include "fcgi/params.h"
#include "fcgi/reply.h"
#include "fcgi/results.h"
#include "fcgi/route.h"
#include "fcgi/rows.h"

struct pieces;
struct upload;
struct worker;

struct req {
	struct loop_fd fd; /* the kept connection that it came on */
	struct worker *worker;
	FCGX_Request fcgx;
	bool busy; /* between its arrival and its reply */
	bool gone; /* nginx has closed the connection */
	struct arena *a;

	const struct route *route;
	struct match match;
	struct str method, path, query_string, content_type, address;
	struct str request_id, idempotency_key;
	int64_t content_length;
	struct str body; /* read whole for BODY_JSON, or what fcgi/upload.h leaves of it */
	struct str body_sha256; /* 32 bytes, of all of it, where that is not in `body` */
	int64_t arrived_us;

	struct caller caller;
	struct str subject; /* whom it counts for: the caller, or an address */
	int64_t rate_limit, rate_remaining, rate_reset; /* rate_limit 0: none applies */
	int64_t refused_s; /* for so long RATE_LIMITED stands; 0: as the rate says */

	void *state; /* the handler's own, in the arena */
	int64_t list_limit; /* list_rows': the most rows that res_list shows */
	int64_t read_us; /* what its statements took so far (fcgi/share.c) */
	struct upload *upload; /* BODY_UPLOAD: the file (fcgi/upload.h) */

	answer_fn *answer; /* the second half that is waited for */
	/* Its rows: of the database, or the one row that an Idempotency-Key brought back. */
	PGresult *rows;
	struct str *replayed;
	size_t n_replayed;

	struct problems problems;
	struct str error_text; /* instead of the err's own */
	struct buf headers; /* of the reply */
	/* A page's origin that may read the reply, beside those that nginx lists; absent: none. */
	struct str allowed_origin;

	/* A reply in pieces (fcgi/pieces.c). */
	struct pieces *pieces; /* NULL: it is none */
	struct arena *page; /* holds the rows of the last answer alone */
	bool writing; /* a piece is on its way to nginx */
};

#endif
