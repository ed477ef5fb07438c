/*
 * The replies that handlers share. Each may be named as a statement's second half, and then answers
 * with its rows. ERR_NOT_FOUND: there was no row.
 */
#ifndef FCGI_RESULTS_H
#define FCGI_RESULTS_H

#include <millrace/err.h>
#include <millrace/fields.h>
#include <millrace/grant.h>

#include "fcgi/route.h"

/* The first column of the first row is the body: 200, 201, 202. */
enum err res_one(struct req *r);
enum err res_created(struct req *r);
enum err res_accepted(struct req *r);
/* 204. */
enum err res_empty(struct req *r);

/* --- lists: newest first, ?limit= and ?before= --- */

struct list_in {
	int64_t limit; /* 0: not given */
	struct uuid before;
};
/* The query of a list that has no parameters of its own; the others have F_PAGE in their tables. */
extern const struct field_table list_query;
typedef struct list_in list_query_struct;

/*
 * How many rows to ask the database for where `limit` were asked for (0: the default): one more
 * than to show, so that res_list knows whether there are more. Remembers the limit for it.
 */
int64_t list_rows(struct req *r, int64_t limit);
/*
 * 200 with an array of the first column. A page ends at list_rows' limit, or before a row without
 * that column, for which it has no room (SQL: page_has_room). Where there are more rows, the second
 * column of the last one shown goes into Link: rel="next" (RFC 8288).
 */
enum err res_list(struct req *r);
/*
 * For a list whose statement looks at LIST_LOOK rows at most, and then gives a last row without the
 * first column. True where that is all: nothing to show, but more to look at, before *before. Its
 * answer then sends the statement again, so that others in the pipe have their turn between.
 */
#define LIST_LOOK 200
bool list_goes_on(struct req *r, struct uuid *before);
/*
 * 200 with the first column of the first row, an object that holds a page; its second column, where
 * there is one, goes into Link.
 */
enum err res_page(struct req *r);

/* --- handing the connection over to streamd, through nginx's X-Accel-Redirect --- */

/*
 * Each fills in who the grant is for, by what credential and until when, its method, request id and
 * X-RateLimit headers; *g is only read after that, before it returns.
 */

/* The events of the run that g->topic ("run:<id>") names. */
enum err res_stream(struct req *r, struct grant *g);
/* That run's reply when it ends, after g->wait_seconds (0: config()->reply_seconds) at most. */
enum err res_deferred(struct req *r, struct grant *g);
/*
 * That of a call of a model: the run's result, or, where the client has asked for one and the model
 * answers, a stream in the client's format. Waits longer, as the vendors' clients do.
 */
enum err res_call(struct req *r, struct str run);
/* A socket, at `path` below /_stream/. */
enum err res_socket(struct req *r, struct grant *g, struct str path);
/* The reply of the run whose id is in the first row's `column`; 504 with the id after the limit. */
enum err res_run_reply(struct req *r, int column);
/* The same, with another reply after the limit. `body` is a string of the request's, or a row's. */
enum err res_run_reply_or(struct req *r, int column, int status, struct str body);

#endif
