/*
 * Our own tokens: a session's JWT (RFC 7519), HS256 alone. Nothing here blocks or logs a value; one
 * thread at a time.
 */
#ifndef MILLRACE_TOKEN_H
#define MILLRACE_TOKEN_H

#include <millrace/arena.h>
#include <millrace/err.h>

/* The claims of a session token. Times are Unix seconds. */
struct claims {
	struct uuid user; /* sub */
	struct uuid session; /* sid */
	int64_t issued_at; /* iat */
	int64_t expires_at; /* exp */
};

/* Signs the claims with API_JWT_SECRET; NUL-terminated, the arena's. */
struct str token_mint(struct arena *a, const struct claims *c);
/*
 * Verifies alg (exactly HS256), the signature (by API_JWT_SECRET or API_JWT_SECRET_OLD), iss, exp
 * (30 s leeway) and the form of sub and sid. ERR_UNAUTHORIZED for any other token, without a
 * reason.
 */
MUST_CHECK enum err token_verify(struct str token, struct claims *out);

#endif
