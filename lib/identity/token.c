#include <stdlib.h>
#include <time.h>

#include <jwt.h>
#include <sodium.h>

#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/token.h>

#include "jws.h"

#define TOKEN_MAX 4096 /* bytes */
#define CACHE_SLOTS 1024 /* a power of two */
#define CACHE_WAYS 4 /* slots that one token may stand in */

/*
 * Tokens that were verified, by their hash: every request of a page brings the same one. A hit
 * checks only exp again; whether the session still lasts is the database's to say.
 */
static struct verified {
	unsigned char hash[crypto_generichash_BYTES];
	struct claims claims;
} cache[CACHE_SLOTS];

struct str
token_mint(struct arena *a, const struct claims *c)
{
	const char *secret = config()->jwt_secret;
	jwt_t *jwt = NULL;
	char *text;
	struct str out;

	if (jwt_new(&jwt) != 0 || jwt_add_grant(jwt, "iss", "millrace") != 0 ||
	    jwt_add_grant(jwt, "sub", c->user.text) != 0 ||
	    jwt_add_grant(jwt, "sid", c->session.text) != 0 ||
	    jwt_add_grant_int(jwt, "iat", (long)c->issued_at) != 0 ||
	    jwt_add_grant_int(jwt, "exp", (long)c->expires_at) != 0 ||
	    jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)secret, (int)strlen(secret)) !=
		0 ||
	    !(text = jwt_encode_str(jwt)))
		abort();
	out = arena_str(a, str_from(text));
	free(text);
	jwt_free(jwt);
	return out;
}

static enum err
verify(struct arena *a, struct str token, struct claims *out)
{
	struct claims c = { 0 };
	struct jws t;

	if (!jws_parse(a, token, &t) ||
	    !(jws_is_signed_by(a, &t, "HS256", config()->jwt_secret) ||
		jws_is_signed_by(a, &t, "HS256", config()->jwt_secret_old)))
		return ERR_UNAUTHORIZED;
	c.issued_at = json_int(t.claims, "iat", 0);
	c.expires_at = json_int(t.claims, "exp", 0);
	if (!str_eq(t.iss, S("millrace")) || c.expires_at < time(NULL) - JWT_LEEWAY_S ||
	    !uuid_parse(json_text(t.claims, "sub"), &c.user) ||
	    !uuid_parse(json_text(t.claims, "sid"), &c.session))
		return ERR_UNAUTHORIZED;
	*out = c;
	return ERR_OK;
}

/* The slot of a verified token, or the one to put it in: that of the token which expires first. */
static struct verified *
slot_of(const unsigned char hash[crypto_generichash_BYTES])
{
	struct verified *set =
	    &cache[(hash[0] | (unsigned)hash[1] << 8) & (CACHE_SLOTS - CACHE_WAYS)];
	struct verified *slot = set;

	for (size_t i = 0; i < CACHE_WAYS; i++) {
		if (memcmp(set[i].hash, hash, crypto_generichash_BYTES) == 0)
			return &set[i];
		if (set[i].claims.expires_at < slot->claims.expires_at)
			slot = &set[i];
	}
	return slot;
}

enum err
token_verify(struct str token, struct claims *out)
{
	unsigned char hash[crypto_generichash_BYTES];
	struct verified *slot;
	struct arena *a;
	enum err e;

	if (token.n == 0 || token.n > TOKEN_MAX || !config()->jwt_secret || !*config()->jwt_secret)
		return ERR_UNAUTHORIZED;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)token.p, token.n, NULL, 0);
	slot = slot_of(hash);
	if (memcmp(slot->hash, hash, sizeof(hash)) == 0 &&
	    slot->claims.expires_at >= time(NULL) - JWT_LEEWAY_S) {
		*out = slot->claims;
		return ERR_OK;
	}
	a = arena_new();
	e = verify(a, token, out);
	arena_free(a);
	if (e == ERR_OK) {
		slot->claims = *out;
		memcpy(slot->hash, hash, sizeof(hash));
	}
	return e;
}
