/*
 * Tokens that somebody else has issued: Clerk's session tokens and Supabase's JWTs (RFC 7519). The issuer chooses the verifier, and the
 * key, found by `kid`, pins the algorithm: what the token says of it must agree and decides nothing. What claims mean is by the issuers'
 * own words: Clerk's "Manual JWT verification", Supabase's "JSON Web Token (JWT)", Google's "OpenID Connect", Microsoft's "ID token claims
 * reference". Keys are JWKs (RFC 7517) that the runner fetches and workers read from the database; nothing here blocks or talks to
 * anyone. One thread at a time.
 */
#ifndef MILLRACE_EXTERNAL_H
#define MILLRACE_EXTERNAL_H

#include <json-c/json.h>

#include <millrace/arena.h>
#include <millrace/err.h>

/* A public key that tokens can be checked by. */
struct jwk {
	struct str kid;
	const char *alg; /* "RS256" or "ES256" */
	struct str pem; /* SubjectPublicKeyInfo, NUL-terminated */
	struct str json; /* the JWK itself */
};

/*
 * A JWK (RFC 7517, 7518) that is an RSA key of 2048 to 8192 bits or a P-256 key, for signatures, with a kid of 1 to 200 bytes; strs are the arena's. ERR_BAD_REQUEST
 * for anything else, also for one that holds its private part.
 */
MUST_CHECK enum err jwk_parse(struct arena *a, json_object *o, struct jwk *out);

#define JWKS_KEYS_MAX 32
struct jwk_set {
	struct jwk keys[JWKS_KEYS_MAX];
	size_t n;
};
/* {"keys": […]}: those that can be used, the first JWKS_KEYS_MAX of them. ERR_BAD_REQUEST where the text is no such document. */
MUST_CHECK enum err jwks_parse(struct arena *a, struct str text, struct jwk_set *out);

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
 * ERR_UNAUTHORIZED on anything else; *wanted (NULL otherwise) is then the issuer of a token that nothing is wrong with but that
 * its key is not known. ERR_OVERLOADED for such a one while no keys were set yet, so that nobody is signed out by our own start.
 */
MUST_CHECK enum err external_verify(struct str token, struct external *out, const char **wanted);

/* What an id_token has to say (OpenID Connect Core 1.0, 3.1.3.7), and the keys that it may be signed by. */
struct id_rules {
	const char *issuer; /* {tenantid} in it stands for the token's own `tid`, a uuid */
	bool bare_issuer; /* also without https:// (Google) */
	const char
	    *tenant; /* Microsoft's: common, organizations, consumers, or the only one; NULL */
	struct str client_id;
	struct str nonce; /* absent: none was sent */
	const struct jwk_set *keys;
};
/*
 * Checks signature, alg, iss, aud (and azp), exp, nbf, iat and nonce. Any number of threads may be here at once. out->email_verified is
 * email_verified, with `tenant` xms_edov alone: there an address is the tenant's to write. ERR_UNAUTHORIZED on anything else; *unknown_key
 * then says that nothing is wrong with it but that its key is not in the set.
 */
MUST_CHECK enum err id_token_verify(struct arena *a, struct str token, const struct id_rules *rules,
    struct external *out, bool *unknown_key);

#endif
