/*
 * Who is calling, as far as a token alone says it: the same check for Authorization in a worker and for a token inside a stream. The
 * rest (does the session last, whose is the key) is the database's to say.
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
	struct claims
	    claims; /* CALLER_SESSION: the token's; else expires_at alone, 0: never (a key's is known only by the first statement) */
	const struct external *external; /* CALLER_EXTERNAL: what the token says */
	struct str key_hash; /* CALLER_KEY: SHA-256 … */
	struct uuid key; /* … and its id, known only by the first statement */
	struct uuid user; /* of all but a session known only by the first statement */
};

/* A token of ours: a session's. ERR_UNAUTHORIZED for anything else. */
MUST_CHECK enum err caller_by_session(struct str token, struct caller *out);
/* Any token: ours, an API key (mr_…), Clerk's or Supabase's. What *out points to is the arena's. ERR_UNAUTHORIZED where none is good;
   *unknown_issuer (else NULL) is then the issuer of one whose key is not known; ERR_OVERLOADED while no keys are known yet (external_verify). */
MUST_CHECK enum err caller_by_token(
    struct arena *a, struct str token, struct caller *out, const char **unknown_issuer);

/* A key that nobody has: "mr_" and 32 random bytes in base64url. What is stored of it is its SHA-256. NUL-terminated, the arena's. */
struct str api_key_new(struct arena *a);
/* Its first characters, for telling keys apart: "mr_Ab3dE…"; the arena's. */
struct str api_key_shown(struct arena *a, struct str key);

#endif
