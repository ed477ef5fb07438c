/*
 * Our own tokens: a session's JWT (RFC 7519), HS256 alone. Nothing here blocks or logs a value; one thread at a time.
 */
#ifndef MILLRACE_TOKEN_H
#define MILLRACE_TOKEN_H

#include <millrace/arena.h>
#include <millrace/err.h>

/* What our own tokens say. Times are Unix seconds. */
struct claims {
	struct uuid user; /* sub */
	struct uuid session; /* sid */
	int64_t issued_at; /* iat */
	int64_t expires_at; /* exp */
};

/* An HS256 JWT (RFC 7519) under config()->jwt_secret; NUL-terminated, the arena's. */
struct str token_mint(struct arena *a, const struct claims *c);
/* Checks alg (exactly HS256), signature (by the secret, or the one before it), exp (30 s leeway) and shape. ERR_UNAUTHORIZED on anything
   else; no reason is given. */
MUST_CHECK enum err token_verify(struct str token, struct claims *out);

#endif
