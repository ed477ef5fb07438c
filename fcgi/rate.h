/*
 * Rate limits: how often each caller came in this minute, counted in memory that all workers of a
 * host share ($MILLRACE_RUNTIME_DIR/ratelimit). Several hosts count each for itself.
 */
#ifndef FCGI_RATE_H
#define FCGI_RATE_H

#include <millrace/err.h>
#include <millrace/str.h>

struct req;

/* Maps the memory, made where it is missing; once, before any count. Failure ends the process. */
void rate_open(void);
/*
 * Counts a request of `subject` (any text that names a caller) against its route's limit, and fills
 * r->rate_…, which become X-RateLimit headers. ERR_RATE_LIMITED: over the limit.
 */
MUST_CHECK enum err rate_count(struct req *r, struct str subject);

#endif
