/*
 * Who is calling. A credential is found and checked as far as that goes without the database; the
 * rest is the first statement of the request's transaction.
 */
#ifndef FCGI_CALLER_H
#define FCGI_CALLER_H

#include <millrace/err.h>
#include <millrace/pipe.h>
#include <millrace/token.h>

struct req;

#define CALLER_ARGS 7

/*
 * Fills r->caller from Authorization, the cookie or ?token=. ERR_UNAUTHORIZED: the route needs a
 * caller, and no credential is good. ERR_FORBIDDEN: a cookie came without its CSRF token, or opens
 * a socket for another origin. ERR_OVERLOADED: the keys of external tokens are not known yet.
 */
MUST_CHECK enum err caller_identify(struct req *r);
/*
 * Writes the statement that makes the caller the transaction's into *s, and its arguments into
 * args[CALLER_ARGS], which *s points to. Returns how many statements: 0 for nobody, else 1.
 */
size_t caller_statement(struct req *r, struct pipe_statement *s, struct sql_arg *args);

/* The token in the session's cookie, of whichever name, unverified; absent where none counts. */
struct str caller_cookie(const struct req *r);
/*
 * ERR_FORBIDDEN where a page of another origin than this site's, or those that nginx lists, asks:
 * for what is not bound by CORS, and what has to look at Origin. Programs send none.
 */
MUST_CHECK enum err caller_check_origin(struct req *r);
/* The value of the csrf_access_token cookie of a session; the arena's. */
struct str csrf_token(struct arena *a, const struct claims *c);

#endif
