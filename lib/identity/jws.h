/*
 * What the verifiers of lib/identity share: a signed token in compact form (JWS, RFC 7515), its
 * signature, and the claims that every issuer states alike (JWT, RFC 7519). jws.c is the only file
 * that lets libjwt decode a token. Nothing here blocks or logs a value; any thread.
 */
#ifndef LIB_IDENTITY_JWS_H
#define LIB_IDENTITY_JWS_H

#include <json-c/json.h>

#include <millrace/arena.h>
#include <millrace/external.h>

#define JWT_LEEWAY_S 30 /* clocks of two hosts differ by so much at most */

/* A token whose signature has not been verified. All of it is the arena's. */
struct jws {
	struct str text; /* the whole token, NUL-terminated */
	json_object *header, *claims; /* both objects */
	struct str alg, kid, iss; /* absent where they are missing or no strings */
};

/*
 * Splits and decodes a token. False unless it is three parts of canonical base64url without
 * padding, the first two JSON objects, typ absent or "JWT" (any case), and no "crit" in the header
 * (RFC 7515, 4.1.11: extensions that are not understood must be refused).
 */
bool jws_parse(struct arena *a, struct str token, struct jws *out);

/*
 * Is the signature that of `key` under `alg` ("HS256", "RS256", "ES256")? A shared secret, or a
 * public key in PEM; NULL and "" verify nothing. The header's alg must be exactly `alg`, which the
 * caller takes from the key and never from the token: RS256's public key as HS256's secret is the
 * classic forgery.
 */
bool jws_is_signed_by(struct arena *a, const struct jws *t, const char *alg, const char *key);

/*
 * exp, nbf and iat (RFC 7519, 4.1.4 to 4.1.6) against the clock, with JWT_LEEWAY_S. exp is
 * required; each one that is there must be a number, whole or not. *expires_at gets exp in whole
 * Unix seconds, at most those of the year 9999.
 */
bool jwt_is_current(json_object *claims, int64_t *expires_at);

/* Is aud (RFC 7519, 4.1.3) this audience, or an array that contains it? */
bool jwt_has_audience(json_object *claims, struct str audience);

/*
 * The principal that the claims describe: sub, and its address where `email` has the form of one,
 * as address_email writes it where it can. `name` and `email_verified` (may be NULL) are the
 * issuer's own, wherever it states them. Fills those members of *out; false where sub is missing or
 * too long.
 */
bool jwt_principal(struct arena *a, json_object *claims, struct str name,
    json_object *email_verified, struct external *out);

#endif
