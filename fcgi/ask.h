/*
 * From a handler's statement to its rows. The generated sql_… functions call req_ask; handlers call
 * those.
 */
#ifndef FCGI_ASK_H
#define FCGI_ASK_H

#include <millrace/err.h>
#include <millrace/pipe.h>
#include <millrace/query.h>

#include "fcgi/route.h"

/*
 * Queues a statement behind the caller's own (and the Idempotency-Key's) in one transaction, and
 * returns; `answer` is called later with its rows, or the error reply is sent. Arguments are
 * copied. ERR_OVERLOADED: the database is away, or is not at this program's version; nothing is
 * queued.
 */
MUST_CHECK enum err req_ask(
    struct req *r, const struct query *q, const struct sql_arg *args, int n, answer_fn *answer);

/*
 * Queues a statement beside that one, as the same caller but in a transaction of its own;
 * done(r, …) is called with what became of it. The request must not be answered before.
 */
MUST_CHECK enum err req_also(
    struct req *r, const struct query *q, const struct sql_arg *args, int n, pipe_done *done);

#endif
