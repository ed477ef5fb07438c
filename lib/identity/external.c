#include <stdlib.h>
#include <time.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/external.h>
#include <millrace/json.h>
#include <millrace/jwk.h>

#include "jws.h"

#define KEYS_MAX (EXTERNAL_SOURCES * JWKS_KEYS_MAX)
#define NO_KEYS_YET 1 /* the first generation; 0 marks an empty slot of the cache */
#define CACHE_SLOTS 512 /* a power of two */

enum provider { CLERK = 1, SUPABASE };

/* A key, with the issuer and the algorithm that it is pinned to. */
struct key {
	char *issuer;
	char *kid;
	const char *alg;
	char *pem;
};
static struct key keys[KEYS_MAX];
static size_t n_keys;
/* Of the key set. What was verified under another one is verified again. */
static unsigned generation = NO_KEYS_YET;

/* Tokens that were verified, by their hash: every request of a page brings the same one. */
static struct verified {
	unsigned char hash[crypto_hash_sha256_BYTES]; /* of the whole token */
	unsigned generation;
	struct external principal;
} cache[CACHE_SLOTS];

/* base and more, with one slash between; lives as long as the process. */
static const char *
joined(struct str base, const char *more)
{
	char *p = xmalloc(base.n + strlen(more) + 1);

	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	memcpy(p, base.p, base.n);
	memcpy(p + base.n, more, strlen(more) + 1);
	return p;
}

static const char *
or_else(const char *given, const char *fallback)
{
	return *given ? given : fallback;
}

size_t
external_sources(struct external_source out[EXTERNAL_SOURCES])
{
	static struct external_source list[EXTERNAL_SOURCES];
	static size_t n;
	static bool known;
	const struct config *c = config();
	const char *secret = c->supabase_jwt_secret;

	if (!known && *c->clerk_issuer)
		list[n++] = (struct external_source){ "clerk", c->clerk_issuer,
			or_else(c->clerk_jwks_url,
			    joined(str_from(c->clerk_issuer), "/.well-known/jwks.json")) };
	if (!known && (*c->supabase_issuer || *c->supabase_url)) {
		const char *issuer =
		    or_else(c->supabase_issuer, joined(str_from(c->supabase_url), "/auth/v1"));

		list[n++] = (struct external_source){ "supabase", issuer,
			or_else(c->supabase_jwks_url,
			    joined(str_from(issuer), "/.well-known/jwks.json")) };
	} else if (!known && secret && *secret) {
		list[n++] = (struct external_source){ "supabase", "", NULL };
	}
	known = true;
	memcpy(out, list, sizeof(list));
	return n;
}

void
external_keys_set(const struct external_key *from, size_t n)
{
	struct arena *a = arena_new();
	const char *why;

	while (n_keys > 0) {
		struct key *k = &keys[--n_keys];

		free(k->issuer);
		free(k->kid);
		free(k->pem);
	}
	for (size_t i = 0; i < n && n_keys < KEYS_MAX; i++) {
		json_object *o;
		struct jwk jwk;

		if (json_parse(a, from[i].jwk, &o, &why) != ERR_OK ||
		    jwk_parse(a, o, &jwk) != ERR_OK || !str_eq(jwk.kid, from[i].kid))
			continue;
		keys[n_keys++] = (struct key){ .issuer = xstrdup(arena_cstr(a, from[i].issuer)),
			.kid = xstrdup(arena_cstr(a, jwk.kid)),
			.alg = jwk.alg,
			.pem = xstrdup(jwk.pem.p) };
	}
	generation++;
	arena_free(a);
}

/* Is `word` in the list? Spaces or commas separate it. */
static bool
is_listed(const char *list, struct str word)
{
	while (*list) {
		size_t n = strcspn(list, " ,");

		if (str_eq((struct str){ list, n }, word))
			return word.n > 0;
		list += n + strspn(list + n, " ,");
	}
	return false;
}

/*
 * Is the token meant for this server? Clerk: the page that requested it (azp) is a configured one,
 * as Clerk's own library checks; a session with pending tasks (sts) is not signed in yet. Supabase:
 * the audience is "authenticated".
 */
static bool
is_for_us(enum provider provider, json_object *claims)
{
	const char *parties = config()->clerk_azp;
	struct str state = json_text(claims, "sts");

	if (provider == SUPABASE)
		return jwt_has_audience(claims, S("authenticated"));
	return (!*parties || is_listed(parties, json_text(claims, "azp"))) &&
	       (state.p ? !str_eq(state, S("pending")) : !json_has(claims, "sts"));
}

/*
 * Supabase states some claims elsewhere. user_metadata is the user's own to write, so nothing in it
 * can verify an address.
 */
static bool
read_principal(struct arena *a, enum provider provider, json_object *claims, struct external *out)
{
	json_object *meta = json_at(claims, "user_metadata"),
		    *verified = json_at(claims, "email_verified");
	struct str name = json_text(claims, "name");

	if (provider == SUPABASE && !verified)
		verified = json_at(json_at(claims, "app_metadata"), "email_verified");
	if (provider == SUPABASE && name.n == 0)
		name = json_text(meta, json_text(meta, "full_name").n > 0 ? "full_name" : "name");
	return jwt_principal(a, claims, name, verified, out);
}

/* The source of an issuer, else the one that is known by its secret alone. */
static const struct external_source *
source_of(struct str iss)
{
	static struct external_source list[EXTERNAL_SOURCES];
	size_t n = external_sources(list);

	for (size_t i = 0; i < n; i++)
		if (list[i].issuer[0] && str_eq(iss, str_from(list[i].issuer)))
			return &list[i];
	for (size_t i = 0; i < n; i++)
		if (!list[i].issuer[0] && !str_eq(iss, S("millrace")))
			return &list[i];
	return NULL;
}

/*
 * A key of the set takes precedence over Supabase's shared secret, so that no token gets around it.
 * *known_key is false where the token names a key that is not in the set.
 */
static bool
is_signed(struct arena *a, const struct jws *t, const struct external_source *from, bool *known_key)
{
	*known_key = true;
	for (size_t i = 0; i < n_keys && t->kid.n > 0; i++)
		if (str_eq(t->kid, str_from(keys[i].kid)) &&
		    strcmp(keys[i].issuer, from->issuer) == 0)
			return jws_is_signed_by(a, t, keys[i].alg, keys[i].pem);
	if (strcmp(from->provider, "supabase") == 0 && str_eq(t->alg, S("HS256")))
		return jws_is_signed_by(a, t, "HS256", config()->supabase_jwt_secret);
	*known_key = t->kid.n == 0 || !(str_eq(t->alg, S("RS256")) || str_eq(t->alg, S("ES256")));
	return false;
}

static enum err
verify(struct arena *a, struct str token, struct external *out, const char **unknown_issuer)
{
	struct external principal = { 0 };
	const struct external_source *from;
	enum provider provider;
	struct jws t;
	bool known_key;

	if (!jws_parse(a, token, &t) || !(from = source_of(t.iss)))
		return ERR_UNAUTHORIZED;
	provider = strcmp(from->provider, "clerk") == 0 ? CLERK : SUPABASE;
	if (!jwt_is_current(t.claims, &principal.expires_at) || !is_for_us(provider, t.claims) ||
	    !read_principal(a, provider, t.claims, &principal))
		return ERR_UNAUTHORIZED;
	if (!is_signed(a, &t, from, &known_key)) {
		if (known_key || !from->jwks_url)
			return ERR_UNAUTHORIZED;
		if (generation == NO_KEYS_YET)
			return ERR_OVERLOADED;
		*unknown_issuer = from->issuer;
		return ERR_UNAUTHORIZED;
	}
	principal.provider = from->provider;
	crypto_hash_sha256(principal.hash, (const unsigned char *)token.p,
	    (size_t)((const char *)memrchr(token.p, '.', token.n) - token.p));
	*out = principal;
	return ERR_OK;
}

enum err
external_verify(struct str token, struct external *out, const char **unknown_issuer)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	struct external_source sources[EXTERNAL_SOURCES];
	struct verified *slot;
	struct arena *a;
	enum err e;

	*unknown_issuer = NULL;
	if (token.n == 0 || token.n > EXTERNAL_TOKEN_MAX || external_sources(sources) == 0)
		return ERR_UNAUTHORIZED;
	crypto_hash_sha256(hash, (const unsigned char *)token.p, token.n);
	slot = &cache[(hash[0] | (unsigned)hash[1] << 8) & (CACHE_SLOTS - 1)];
	if (slot->generation == generation &&
	    slot->principal.expires_at > time(NULL) - JWT_LEEWAY_S &&
	    memcmp(slot->hash, hash, sizeof(hash)) == 0) {
		*out = slot->principal;
		return ERR_OK;
	}
	a = arena_new();
	e = verify(a, token, out, unknown_issuer);
	arena_free(a);
	if (e == ERR_OK) {
		slot->principal = *out;
		slot->generation = generation;
		memcpy(slot->hash, hash, sizeof(hash));
	}
	return e;
}
