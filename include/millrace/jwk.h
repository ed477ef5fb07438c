/*
 * Public keys as JWKs (RFC 7517, RFC 7518): which of them tokens can be verified with. Nothing here
 * blocks; any thread.
 */
#ifndef MILLRACE_JWK_H
#define MILLRACE_JWK_H

#include <json-c/json.h>

#include <millrace/arena.h>
#include <millrace/err.h>

/* A public key. */
struct jwk {
	struct str kid;
	const char *alg; /* "RS256" or "ES256" */
	struct str pem; /* SubjectPublicKeyInfo, NUL-terminated */
	struct str json; /* the JWK itself */
};

/*
 * Reads an RSA key of 2048 to 8192 bits or a P-256 key, for signatures, with a kid of 1 to 200
 * bytes. All of *out is the arena's. ERR_BAD_REQUEST for anything else, also for a JWK that holds a
 * private part.
 */
MUST_CHECK enum err jwk_parse(struct arena *a, json_object *o, struct jwk *out);

#define JWKS_KEYS_MAX 32
struct jwk_set {
	struct jwk keys[JWKS_KEYS_MAX];
	size_t n;
};
/*
 * Reads {"keys": […]} (RFC 7517, 5): the first JWKS_KEYS_MAX keys that jwk_parse accepts, others
 * are left out. ERR_BAD_REQUEST where the text is no such document.
 */
MUST_CHECK enum err jwks_parse(struct arena *a, struct str text, struct jwk_set *out);

#endif
