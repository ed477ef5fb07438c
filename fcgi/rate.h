/*
 * Rate limits: how often each caller came in this minute, and which API keys have been good; in
 * memory that all workers of a host share ($MILLRACE_RUNTIME_DIR/ratelimit). Several hosts count
 * each for itself.
 */
#ifndef FCGI_RATE_H
#define FCGI_RATE_H

#include <millrace/err.h>
#include <millrace/str.h>

#include "fcgi/route.h"

struct req;

/* Maps the memory, made where it is missing; once, before any count. Failure ends the process. */
void rate_open(void);
/*
 * Counts a request of r->subject against a limit, and fills r->rate_…, which become X-RateLimit
 * headers. ERR_RATE_LIMITED: over the limit.
 */
MUST_CHECK enum err rate_count(struct req *r, enum rate rate);

/*
 * Whose API key is it, by its SHA-256? False where it has not been good before (or was pushed out
 * by another, as happens to a few). All keys of a user count as that user.
 */
bool rate_key_user(struct str hash, struct uuid *user);
/* The database has just said that the key is good, and whose. */
void rate_know_key(struct str hash, const struct uuid *user);
/* The database has just refused it. */
void rate_forget_key(struct str hash);

#endif
