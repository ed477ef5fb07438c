/*
 * One request, as handlers see it. It owns an arena; everything that a handler makes lives there and dies with it. A handler
 * comes in two halves: the first binds and asks (a sql_… function queues a statement with the answer's half and returns), the
 * second is called when the rows are there. Nothing on the first half's stack is left by then; what the second needs is put into
 * r->state. Either half may instead answer at once (res_…) or return an err, which becomes the error reply.
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
#include <millrace/pipe.h>
#include <millrace/query.h>
#include <millrace/token.h>

#include "fcgi/route.h"

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
	struct str body; /* read whole for BODY_JSON */
	int64_t arrived_us;

	struct caller caller;
	int64_t rate_limit, rate_remaining, rate_reset; /* rate_limit 0: none applies */

	void *state; /* the handler's own, in the arena */
	answer_fn *answer;
	const struct query *asked;
	struct sql_arg *asked_args;
	/* The answer's rows: of the database, or the one row that an Idempotency-Key brought back. */
	PGresult *rows;
	struct str *replayed;
	size_t n_replayed;

	struct problems problems;
	struct str error_text; /* instead of the err's own */
	struct buf headers; /* of the reply */
	bool replied;

	/* A reply in pieces (fcgi/pieces.c). */
	struct pieces *pieces; /* NULL: it is none */
	struct arena *page; /* holds the rows of the last answer alone */
	bool writing; /* a piece is on its way to nginx */
};

/* --- what came in --- */

/* The body as a JSON object, for what has no table; its text is r->body. */
MUST_CHECK enum err body_object(struct req *r, json_object **out);
/* Fills *into by the route's body table. ERR_BAD_REQUEST with every bad field named. */
MUST_CHECK enum err body_bind(struct req *r, void *into);
/* The same by the route's query table. */
MUST_CHECK enum err query_bind(struct req *r, void *into);
/* The n-th variable part of the path, as a uuid; its route says {…:uuid}, so it is one. */
struct uuid path_uuid(const struct req *r, size_t n);
/* A request header or FastCGI parameter by its CGI name ("HTTP_ACCEPT"); absent where it was not sent. */
struct str req_param(const struct req *r, const char *name);

/* A cookie's value; absent where it did not come, or came twice (then somebody else has planted one). */
struct str req_cookie(const struct req *r, struct str name);
/* What the csrf_access_token cookie of a session is. */
struct str csrf_token(struct arena *a, const struct claims *c);

/* --- asking: used by the generated sql_… functions --- */

/* Queues the statement behind the caller's (and the Idempotency-Key's) in one transaction; `answer` is called with its rows. */
MUST_CHECK enum err req_ask(
    struct req *r, const struct query *q, const struct sql_arg *args, int n, answer_fn *answer);

/* A statement beside the one that will be answered, in a transaction of its own as the caller; done(r, …) hears of it. */
MUST_CHECK enum err req_also(
    struct req *r, const struct query *q, const struct sql_arg *args, int n, pipe_done *done);

/* --- the rows, in an answer's half --- */

int row_count(const struct req *r);
/* Column `column` of row `row`; valid until the next ask or the reply. Absent for NULL. */
struct str row_text(const struct req *r, int row, int column);
/* A boolean column; false for NULL. */
bool row_bool(const struct req *r, int row, int column);
struct uuid row_uuid(const struct req *r, int row, int column);

/* --- answering; each may be an answer's half itself --- */

/* Adds a reply header; value must hold no control character (it is dropped then). */
void reply_header(struct req *r, const char *name, struct str value);
/* Sends status and JSON (absent: no body). */
enum err reply_json(struct req *r, int status, struct str json);
/* Sends status and any other body. */
enum err reply_body(struct req *r, int status, const char *content_type, struct str body);
/*
 * A reply of any length: reply_start sends the head; reply_piece takes the next piece (of this answer's rows, which stay until the
 * next ask's) and returns at once; when nginx has taken it, next(r) is called, which asks for more or calls reply_end. An err from
 * then on breaks the reply off, and the client sees that it did not end.
 */
enum err reply_start(struct req *r, int status, const char *content_type, answer_fn *next);
enum err reply_piece(struct req *r, struct str piece);
enum err reply_end(struct req *r);
/* Sends the error shape for e with r->error_text and r->problems where there are any. */
void reply_error(struct req *r, enum err e);
/* Sets the public text and returns e, for `return refuse(r, ERR_CONFLICT, "…")`. */
MUST_CHECK enum err refuse(struct req *r, enum err e, const char *text);

/* The first column of the first row is the body. No row: 404. */
enum err res_one(struct req *r);
enum err res_created(struct req *r);
/* 202 with the first column. */
enum err res_accepted(struct req *r);
/* Rows of (body, cursor), one more than the limit where there are more: an array, and Link: rel="next". */
enum err res_list(struct req *r);
/* 204; no row: 404. */
enum err res_empty(struct req *r);

/* Hands the connection over to streamd. Who the grant is for, by what and until when, its method, request id and X-RateLimit headers are
   filled in here. */
enum err res_stream(struct req *r, struct grant *g);
enum err res_deferred(struct req *r, struct grant *g);
/* A socket, at streamd's path below /_stream/. */
enum err res_socket(struct req *r, struct grant *g, struct str to);
/* For a first row whose `column` is a run's id: waits for that run's reply. */
enum err res_run_reply(struct req *r, int column);

/* --- lists --- */

struct list_in {
	int64_t limit; /* 0: not given */
	struct uuid before;
};
#define LIST_LIMIT_DEFAULT 50
#define LIST_LIMIT_MAX 200
extern const struct field_table list_query;
/* How many rows to ask for: one more than to show. Remembers the limit for res_list. */
int64_t list_rows(struct req *r, const struct list_in *in);

#endif
