/*
 * Tokens that somebody else has issued: Clerk's session tokens and Supabase's JWTs (RFC 7519). The issuer chooses the verifier, and the
 * key, found by `kid`, pins the algorithm: what the token says of it must agree and decides nothing. What claims mean is by the issuers'
 * own words: Clerk's "Manual JWT verification", Supabase's "JSON Web Token (JWT)", Google's "OpenID Connect", Microsoft's "ID token claims
 * reference". Keys are JWKs (RFC 7517) that the runner fetches and workers read from the database; nothing here blocks or talks to
 * anyone. One thread at a time.
 */
#ifndef MILLRACE_EXTERNAL_H
#define MILLRACE_EXTERNAL_H

#include <millrace/arena.h>
#include <millrace/err.h>

/* Whom config() says to trust. */
struct external_source {
	const char *provider; /* "clerk", "supabase" */
	const char *issuer; /* "" for Supabase by its secret alone: any that is nobody else's */
	const char *jwks_url; /* NULL where there are no keys to fetch */
};
#define EXTERNAL_SOURCES 2
/* Those that are configured, into out; how many. The texts live as long as the process. */
size_t external_sources(struct external_source out[EXTERNAL_SOURCES]);

/* A key as it lies in the database. */
struct external_key {
	struct str issuer;
	struct str kid;
	struct str jwk; /* JSON */
};
/* These keys, and no others, from now on. Tokens that were found good by a key that is gone are checked again. */
void external_keys_set(const struct external_key *keys, size_t n);

#define EXTERNAL_TOKEN_MAX 8192
/* What a good token says; texts are "" where it says nothing. */
struct external {
	const char *provider;
	char subject[256];
	char email[321];
	bool email_verified; /* by the provider, not by the user's own word */
	char name[201];
	int64_t expires_at; /* Unix seconds */
	unsigned char hash[32]; /* SHA-256 of what is signed, for signing it out */
};

/*
 * Checks signature, alg, iss, exp, nbf, iat (30 s leeway), and azp or aud as its provider has them. Good ones are remembered until they end.
 * ERR_UNAUTHORIZED on anything else; *unknown_issuer (NULL otherwise) is then the issuer of a token that nothing is wrong with but that
 * its key is not known. ERR_OVERLOADED for such a one while no keys were set yet, so that nobody is signed out by our own start.
 */
MUST_CHECK enum err external_verify(struct str token, struct external *out, const char **unknown_issuer);

#endif
