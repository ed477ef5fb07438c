/*
 * Our own tokens. Beside lib/identity/external.c the only file that calls libjwt: version 1.10 takes the algorithm from the token, accepts a NULL
 * key as "unverified", and checks no times, so all of that is done here, before and after it.
 */
#include <stdlib.h>
#include <time.h>

#include <jwt.h>
#include <sodium.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/token.h>

#define TOKEN_MAX 4096
#define LEEWAY_S 30
#define REMEMBERED 1024 /* a power of two */
#define NEIGHBOURS 4 /* places that one token may stand in */

/* Tokens that were found good, by their hash: a page's every request brings the same one. Only its time is looked at again; whether
   its session lasts is the database's to say. */
static struct remembered {
	unsigned char hash[crypto_generichash_BYTES];
	struct claims claims;
} remembered[REMEMBERED];

static void
free_jwt(void *jwt)
{
	jwt_free(jwt);
}

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

/* Is the token's own header exactly what we sign with? Asked before libjwt sees it. */
static bool
header_is_ours(struct arena *a, struct str token)
{
	struct str head, text;
	json_object *o;
	const char *why;

	(void)str_cut(token, '.', &head);
	return base64url_decode(a, head, &text) && json_parse(a, text, &o, &why) == ERR_OK &&
	       json_object_is_type(o, json_type_object) && str_eq(json_text(o, "alg"), S("HS256"));
}

/* The signature, by a secret of ours; the caller frees *out. */
static bool
is_signed(const char *text, const char *secret, jwt_t **out)
{
	return secret && *secret &&
	       jwt_decode(out, text, (const unsigned char *)secret, (int)strlen(secret)) == 0;
}

static enum err
check(struct arena *a, struct str token, struct claims *out)
{
	jwt_t *jwt = NULL;
	struct claims c = { 0 };
	const char *text = arena_cstr(a, token);

	if (strlen(text) != token.n || !header_is_ours(a, token))
		return ERR_UNAUTHORIZED;
	if (!is_signed(text, config()->jwt_secret, &jwt) &&
	    !is_signed(text, config()->jwt_secret_old, &jwt))
		return ERR_UNAUTHORIZED;
	arena_defer(a, free_jwt, jwt);
	if (jwt_get_alg(jwt) != JWT_ALG_HS256)
		return ERR_UNAUTHORIZED;
	c.issued_at = jwt_get_grant_int(jwt, "iat");
	c.expires_at = jwt_get_grant_int(jwt, "exp");
	if (!str_eq(str_from(jwt_get_grant(jwt, "iss")), S("millrace")) ||
	    c.expires_at < time(NULL) - LEEWAY_S ||
	    !uuid_parse(str_from(jwt_get_grant(jwt, "sub")), &c.user) ||
	    !uuid_parse(str_from(jwt_get_grant(jwt, "sid")), &c.session))
		return ERR_UNAUTHORIZED;
	*out = c;
	return ERR_OK;
}

/* The place of a token that was found good, or the one to remember it in: an empty one, else that of the token which ends first. */
static struct remembered *
place_of(const unsigned char hash[crypto_generichash_BYTES])
{
	struct remembered *first =
	    &remembered[(hash[0] | (unsigned)hash[1] << 8) & (REMEMBERED - NEIGHBOURS)];
	struct remembered *place = first;

	for (size_t i = 0; i < NEIGHBOURS; i++) {
		if (memcmp(first[i].hash, hash, crypto_generichash_BYTES) == 0)
			return &first[i];
		if (first[i].claims.expires_at < place->claims.expires_at)
			place = &first[i];
	}
	return place;
}

enum err
token_verify(struct str token, struct claims *out)
{
	unsigned char hash[crypto_generichash_BYTES];
	struct remembered *place;
	struct arena *a;
	enum err e;

	if (token.n == 0 || token.n > TOKEN_MAX || !config()->jwt_secret || !*config()->jwt_secret)
		return ERR_UNAUTHORIZED;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)token.p, token.n, NULL, 0);
	place = place_of(hash);
	if (memcmp(place->hash, hash, sizeof(hash)) == 0 &&
	    place->claims.expires_at >= time(NULL) - LEEWAY_S) {
		*out = place->claims;
		return ERR_OK;
	}
	a = arena_new();
	e = check(a, token, out);
	arena_free(a);
	if (e == ERR_OK) {
		place->claims = *out;
		memcpy(place->hash, hash, sizeof(hash));
	}
	return e;
}
