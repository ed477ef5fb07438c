/*
 * Rate limits: how often each caller came in this minute, and which API keys have been good; in
 * memory that all workers of a host share ($MILLRACE_RUNTIME_DIR/ratelimit). Several hosts count
 * each for itself.
 */
#ifndef FCGI_RATE_H
#define FCGI_RATE_H

#include <millrace/err.h>
#include <millrace/str.h>

struct req;

/* Maps the memory, made where it is missing; once, before any count. Failure ends the process. */
void rate_open(void);
/*
 * Counts a request of r->subject against its route's limit, and fills r->rate_…, which become
 * X-RateLimit headers. ERR_RATE_LIMITED: over the limit.
 */
MUST_CHECK enum err rate_count(struct req *r);

/* Has this API key, by its SHA-256, been good before? No for a few that others have pushed out. */
bool rate_knows_key(struct str hash);
/* The database has just said that it is. */
void rate_know_key(struct str hash);

#endif
