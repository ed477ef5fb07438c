/*
 * The caller, as far as a token alone identifies it: one check for the Authorization header in a
 * worker and for a token inside a stream. The rest (does the session still last, whose is the key)
 * is for the database to say. Nothing here blocks or logs a value; one thread at a time.
 */
#ifndef MILLRACE_CALLER_H
#define MILLRACE_CALLER_H

#include <millrace/arena.h>
#include <millrace/crypto.h>
#include <millrace/err.h>
#include <millrace/external.h>
#include <millrace/token.h>

struct caller {
	enum { CALLER_NOBODY, CALLER_SESSION, CALLER_KEY, CALLER_EXTERNAL } how;
	/*
	 * CALLER_SESSION: the token's. Otherwise only expires_at is set (0: never); an API key's is
	 * not known before the database has answered.
	 */
	struct claims claims;
	const struct external *external; /* CALLER_EXTERNAL: the principal of the token */
	struct str key_hash; /* CALLER_KEY: SHA-256 of the key */
	struct uuid key; /* its id, after the database has answered */
	struct uuid user; /* without a session: after the database has answered */
};

/* Verifies a session token of ours. ERR_UNAUTHORIZED for anything else. */
MUST_CHECK enum err caller_by_session(struct str token, struct caller *out);

/*
 * Verifies any token: a session's, an API key (mr_…: only its form), Clerk's or Supabase's. What
 * *out points to is the arena's. ERR_UNAUTHORIZED where it is none of these; *unknown_issuer
 * (otherwise NULL) is then the issuer of one whose key is unknown. ERR_OVERLOADED: no keys have
 * been loaded yet (external_verify).
 */
MUST_CHECK enum err caller_by_token(
    struct arena *a, struct str token, struct caller *out, const char **unknown_issuer);

/*
 * A new API key: "mr_" and 32 random bytes in base64url; NUL-terminated, the arena's. The database
 * stores its SHA-256 alone.
 */
struct str api_key_new(struct arena *a);
/* Its first 8 characters, so that people can tell keys apart: "mr_Ab3dE…"; the arena's. */
struct str api_key_shown(struct arena *a, struct str key);

#endif
