/*
 * Tokens of other issuers: Clerk's session tokens and Supabase's JWTs (RFC 7519). The issuer
 * selects the source, and the key, found by `kid`, pins the algorithm: the token's own `alg` must
 * agree and decides nothing. Claims mean what the issuers' documents say: Clerk's "Manual JWT
 * verification", Supabase's "JSON Web Token (JWT)".
 *
 * Keys are JWKs (RFC 7517) that the runner fetches and other programs read from the database (see
 * keys.h). Nothing here blocks; one thread at a time.
 */
#ifndef MILLRACE_EXTERNAL_H
#define MILLRACE_EXTERNAL_H

#include <millrace/arena.h>
#include <millrace/err.h>

/* An issuer that config() trusts. */
struct external_source {
	const char *provider; /* "clerk", "supabase" */
	const char *issuer; /* "": Supabase by its secret alone, for tokens of any other issuer */
	const char *jwks_url; /* NULL where there are no keys to fetch */
};
#define EXTERNAL_SOURCES 2
/* Writes the configured ones to out and returns their number. They live as long as the process. */
size_t external_sources(struct external_source out[EXTERNAL_SOURCES]);

/* A key as the database has it. */
struct external_key {
	struct str issuer;
	struct str kid;
	struct str jwk; /* JSON text */
};
/*
 * Replaces the key set; keys are copied, and those that jwk_parse refuses are left out. Tokens that
 * were verified with the old set are verified again.
 */
void external_keys_set(const struct external_key *keys, size_t n);

#define EXTERNAL_TOKEN_MAX 8192 /* bytes */

/* The principal that a verified token (or a provider's API) describes; texts may be "". */
struct external {
	const char *provider;
	char subject[256]; /* the provider's own, unchanging id */
	char email[321];
	bool email_verified; /* by the provider, not on the user's own word */
	char name[201];
	int64_t expires_at; /* Unix seconds */
	unsigned char hash[32]; /* SHA-256 of the signed part, to revoke the token by */
};

/*
 * Verifies signature, alg, iss, exp, nbf and iat (30 s leeway), and azp or aud as the provider
 * defines them. Verified tokens are cached until they expire. ERR_UNAUTHORIZED for any other;
 * *unknown_issuer (otherwise NULL) is then the issuer of a token whose only defect is that its key
 * is unknown. ERR_OVERLOADED for such a token before the first external_keys_set, so that a restart
 * of ours signs nobody out.
 */
MUST_CHECK enum err external_verify(
    struct str token, struct external *out, const char **unknown_issuer);

#endif
