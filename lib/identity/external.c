/*
 * Clerk's and Supabase's tokens. Beside lib/identity/token.c the only file that calls libjwt, and for the signature alone: what the token
 * says is read here, by our own JSON parser, and so is its header, before libjwt (which would follow the header) sees either.
 */
#include <stdlib.h>
#include <time.h>

#include <jwt.h>
#include <sodium.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/external.h>
#include <millrace/idtoken.h>
#include <millrace/json.h>
#include <millrace/jwk.h>

#define LEEWAY_S 30
#define KEYS_MAX (EXTERNAL_SOURCES * JWKS_KEYS_MAX)
#define NO_KEYS_YET 1 /* the first generation; 0 is of what was never remembered */
#define REMEMBERED 512 /* a power of two */

enum provider { CLERK = 1, SUPABASE, OPENID };

/* A key, and what it pins: its issuer and its algorithm. */
struct key {
	char *issuer;
	char *kid;
	const char *alg;
	char *pem;
};
static struct key keys[KEYS_MAX];
static size_t n_keys;
/* Of the keys; what was remembered by another is not believed. */
static unsigned generation = NO_KEYS_YET;

static struct remembered {
	unsigned char hash[crypto_hash_sha256_BYTES]; /* of the whole token */
	unsigned generation;
	struct external who;
} remembered[REMEMBERED];

/* A token taken apart; strs are the arena's. */
struct parts {
	struct str text;
	json_object *header, *claims;
	struct str alg, kid, iss;
};

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
or_else(const char *given, const char *otherwise)
{
	return *given ? given : otherwise;
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

/* Three parts of base64url without padding or stray bits, an object in each of the first two, and nothing critical in the header
   (RFC 7515, 4.1.11), since nothing of the kind is understood here. */
static bool
take_apart(struct arena *a, struct str token, struct parts *p)
{
	struct str head, body, sum, rest, text, ignored, typ;
	const char *why;

	rest = str_cut(token, '.', &head);
	sum = str_cut(rest.p ? rest : S(""), '.', &body);
	if (head.n == 0 || body.n == 0 || sum.n == 0 || !base64url_decode(a, sum, &ignored) ||
	    !base64url_decode(a, head, &text) || json_parse(a, text, &p->header, &why) != ERR_OK ||
	    !base64url_decode(a, body, &text) || json_parse(a, text, &p->claims, &why) != ERR_OK ||
	    !json_object_is_type(p->header, json_type_object) ||
	    !json_object_is_type(p->claims, json_type_object) || json_at(p->header, "crit"))
		return false;
	typ = json_text(p->header, "typ");
	p->text = arena_str(a, token);
	p->alg = json_text(p->header, "alg");
	p->kid = json_text(p->header, "kid");
	p->iss = json_text(p->claims, "iss");
	return !json_at(p->header, "typ") || str_eq_nocase(typ, S("JWT"));
}

/* A time that is there must be a whole number; one that is not there is `otherwise`. */
static bool
time_of(json_object *claims, const char *name, int64_t otherwise, int64_t *out)
{
	json_object *o = json_at(claims, name);

	*out = o ? json_object_get_int64(o) : otherwise;
	return !o || json_object_is_type(o, json_type_int);
}

static bool
times_are_good(json_object *claims, int64_t *expires_at)
{
	int64_t now = time(NULL), begins, issued;

	return time_of(claims, "exp", 0, expires_at) && time_of(claims, "nbf", 0, &begins) &&
	       time_of(claims, "iat", 0, &issued) && *expires_at > now - LEEWAY_S &&
	       begins <= now + LEEWAY_S && issued <= now + LEEWAY_S;
}

/* Is `word` one of the list's, which are parted by spaces or commas? */
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

/* Who may use it. Clerk: the page that asked for the token (azp), as Clerk's own library has it; a session with tasks to do yet (sts)
   is not signed in. Supabase: an audience of "authenticated". */
static bool
is_meant_for_us(enum provider provider, json_object *claims)
{
	const char *parties = config()->clerk_azp;
	json_object *aud = json_at(claims, "aud");

	if (provider == CLERK)
		return (!*parties || is_listed(parties, json_text(claims, "azp"))) &&
		       !str_eq(json_text(claims, "sts"), S("pending"));
	if (!json_object_is_type(aud, json_type_array))
		return str_eq(json_text(claims, "aud"), S("authenticated"));
	for (size_t i = 0; i < json_object_array_length(aud); i++) {
		json_object *one = json_object_array_get_idx(aud, i);

		if (json_object_is_type(one, json_type_string) &&
		    str_eq(str_from(json_object_get_string(one)), S("authenticated")))
			return true;
	}
	return false;
}

static void
copy(char *into, size_t room, struct str from)
{
	if (from.n < room && from.n > 0)
		memcpy(into, from.p, from.n);
}

static bool
is_address(struct str s)
{
	const char *at = s.n > 0 ? memchr(s.p, '@', s.n) : NULL;

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return at && at > s.p && at < s.p + s.n - 1;
}

/* What the token says of its user. Supabase's user_metadata is the user's own to write, so nothing there can verify an address. */
static bool
read_person(enum provider provider, json_object *claims, struct external *out)
{
	struct str subject = json_text(claims, "sub"), email = json_text(claims, "email"),
		   name = json_text(claims, "name");
	json_object *meta = json_at(claims, "user_metadata"),
		    *verified = json_at(claims, "email_verified");

	if (subject.n == 0 || subject.n >= sizeof(out->subject))
		return false;
	if (provider == SUPABASE && !verified)
		verified = json_at(json_at(claims, "app_metadata"), "email_verified");
	if (provider == SUPABASE && name.n == 0)
		name = json_text(meta, json_text(meta, "full_name").n > 0 ? "full_name" : "name");
	copy(out->subject, sizeof(out->subject), subject);
	copy(out->name, sizeof(out->name), name);
	if (is_address(email))
		copy(out->email, sizeof(out->email), email);
	out->email_verified = out->email[0] && json_object_is_type(verified, json_type_boolean) &&
			      json_object_get_boolean(verified);
	return true;
}

static void
free_jwt(void *jwt)
{
	jwt_free(jwt);
}

/* The signature, by a key whose algorithm is not the token's to choose. */
static bool
is_signed_by(struct arena *a, const struct parts *p, const char *alg, const char *key)
{
	jwt_t *jwt = NULL;

	if (!str_eq(p->alg, str_from(alg)) || !key || !*key)
		return false;
	if (jwt_decode(&jwt, p->text.p, (const unsigned char *)key, (int)strlen(key)) != 0)
		return false;
	arena_defer(a, free_jwt, jwt);
	return jwt_get_alg(jwt) == jwt_str_alg(alg);
}

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

/* A known key before Supabase's secret; so a key that is in the set is never bypassed. */
static bool
is_signed(struct arena *a, const struct parts *p, const struct external_source *from, bool *known)
{
	*known = true;
	for (size_t i = 0; i < n_keys && p->kid.n > 0; i++)
		if (str_eq(p->kid, str_from(keys[i].kid)) &&
		    strcmp(keys[i].issuer, from->issuer) == 0)
			return is_signed_by(a, p, keys[i].alg, keys[i].pem);
	if (strcmp(from->provider, "supabase") == 0 && str_eq(p->alg, S("HS256")))
		return is_signed_by(a, p, "HS256", config()->supabase_jwt_secret);
	*known = p->kid.n == 0 || !(str_eq(p->alg, S("RS256")) || str_eq(p->alg, S("ES256")));
	return false;
}

static enum err
check(struct arena *a, struct str token, struct external *out, const char **wanted)
{
	struct parts p = { 0 };
	struct external who = { 0 };
	const struct external_source *from;
	enum provider provider;
	bool known;

	if (!take_apart(a, token, &p) || !(from = source_of(p.iss)))
		return ERR_UNAUTHORIZED;
	provider = strcmp(from->provider, "clerk") == 0 ? CLERK : SUPABASE;
	if (!times_are_good(p.claims, &who.expires_at) || !is_meant_for_us(provider, p.claims) ||
	    !read_person(provider, p.claims, &who))
		return ERR_UNAUTHORIZED;
	if (!is_signed(a, &p, from, &known)) {
		if (known || !from->jwks_url)
			return ERR_UNAUTHORIZED;
		if (generation == NO_KEYS_YET)
			return ERR_OVERLOADED;
		*wanted = from->issuer;
		return ERR_UNAUTHORIZED;
	}
	who.provider = from->provider;
	crypto_hash_sha256(who.hash, (const unsigned char *)token.p,
	    (size_t)((const char *)memrchr(token.p, '.', token.n) - token.p));
	*out = who;
	return ERR_OK;
}

enum err
external_verify(struct str token, struct external *out, const char **wanted)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	struct external_source sources[EXTERNAL_SOURCES];
	struct remembered *known;
	struct arena *a;
	enum err e;

	*wanted = NULL;
	if (token.n == 0 || token.n > EXTERNAL_TOKEN_MAX || external_sources(sources) == 0)
		return ERR_UNAUTHORIZED;
	crypto_hash_sha256(hash, (const unsigned char *)token.p, token.n);
	known = &remembered[(hash[0] | (unsigned)hash[1] << 8) & (REMEMBERED - 1)];
	if (known->generation == generation && known->who.expires_at > time(NULL) - LEEWAY_S &&
	    memcmp(known->hash, hash, sizeof(hash)) == 0) {
		*out = known->who;
		return ERR_OK;
	}
	a = arena_new();
	e = check(a, token, out, wanted);
	arena_free(a);
	if (e == ERR_OK) {
		known->who = *out;
		known->generation = generation;
		memcpy(known->hash, hash, sizeof(hash));
	}
	return e;
}

/* --- id_tokens, of providers that people sign in with here --- */

#define PERSONAL_ACCOUNTS S("9188040d-6c67-4c5b-b112-36a304b66dad") /* Microsoft's tenant of them */

/* Is `tid` one of those whom the setting lets in? Of a domain only Microsoft knows whose it is. */
static bool
is_tenant(const char *tenant, struct str tid)
{
	struct uuid only, is;

	if (!uuid_parse(tid, &is))
		return false;
	if (strcmp(tenant, "consumers") == 0)
		return str_eq(uuid_str(&is), PERSONAL_ACCOUNTS);
	if (strcmp(tenant, "organizations") == 0)
		return !str_eq(uuid_str(&is), PERSONAL_ACCOUNTS);
	return !uuid_parse(str_from(tenant), &only) || str_eq(uuid_str(&only), uuid_str(&is));
}

static bool
is_issuer(struct arena *a, const struct id_rules *rules, const struct parts *p)
{
	static const char place[] = "{tenantid}";
	struct str want = str_from(rules->issuer), tid = json_text(p->claims, "tid");
	const char *at = strstr(rules->issuer, place);

	if (rules->tenant && at) {
		if (!is_tenant(rules->tenant, tid))
			return false;
		want = arena_printf(a, "%.*s%.*s%s", (int)(at - rules->issuer), rules->issuer,
		    S_ARG(tid), at + strlen(place));
	}
	if (rules->bare_issuer && str_starts(want, S("https://")) &&
	    str_eq(p->iss, (struct str){ want.p + 8, want.n - 8 }))
		return true;
	return str_eq(p->iss, want);
}

/* For us, and where for others too, made for us. */
static bool
is_audience(json_object *claims, struct str client_id)
{
	json_object *aud = json_at(claims, "aud"), *azp = json_at(claims, "azp");
	bool is_list = json_object_is_type(aud, json_type_array), found = false;
	size_t n = is_list ? json_object_array_length(aud) : 0;

	if (azp && !str_eq(json_text(claims, "azp"), client_id))
		return false;
	if (!is_list)
		return client_id.n > 0 && str_eq(json_text(claims, "aud"), client_id);
	for (size_t i = 0; i < n; i++) {
		json_object *one = json_object_array_get_idx(aud, i);

		found = found || (json_object_is_type(one, json_type_string) &&
				     str_eq(str_from(json_object_get_string(one)), client_id));
	}
	return client_id.n > 0 && found && (n == 1 || azp);
}

/* Microsoft writes it as true, 1, "1" or "true". */
static bool
is_edov(json_object *claims)
{
	json_object *o = json_at(claims, "xms_edov");
	struct str text = json_text(claims, "xms_edov");

	return (json_object_is_type(o, json_type_boolean) && json_object_get_boolean(o)) ||
	       (json_object_is_type(o, json_type_int) && json_object_get_int64(o) == 1) ||
	       str_eq(text, S("1")) || str_eq_nocase(text, S("true"));
}

enum err
id_token_verify(struct arena *a, struct str token, const struct id_rules *rules,
    struct external *out, bool *unknown_key)
{
	struct parts p = { 0 };
	struct external who = { 0 };
	const struct jwk *key = NULL;

	*unknown_key = false;
	if (token.n == 0 || token.n > EXTERNAL_TOKEN_MAX || !take_apart(a, token, &p) ||
	    !is_issuer(a, rules, &p) || !is_audience(p.claims, rules->client_id) ||
	    !times_are_good(p.claims, &who.expires_at) ||
	    (rules->nonce.p && !str_eq_secret(rules->nonce, json_text(p.claims, "nonce"))) ||
	    !read_person(OPENID, p.claims, &who))
		return ERR_UNAUTHORIZED;
	if (rules->tenant)
		who.email_verified = who.email[0] && is_edov(p.claims);
	for (size_t i = 0; i < rules->keys->n && !key && p.kid.n > 0; i++)
		if (str_eq(p.kid, rules->keys->keys[i].kid))
			key = &rules->keys->keys[i];
	*unknown_key =
	    !key && p.kid.n > 0 && (str_eq(p.alg, S("RS256")) || str_eq(p.alg, S("ES256")));
	if (!key || !is_signed_by(a, &p, key->alg, key->pem.p))
		return ERR_UNAUTHORIZED;
	*out = who;
	return ERR_OK;
}
