/*
 * lib/identity/jwk.c and lib/identity/external.c: which keys can be used, which tokens are accepted
 * by which, and that the key decides.
 */
#include <malloc.h>
#include <time.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/external.h>
#include <millrace/json.h>
#include <millrace/jwk.h>

#include "test.h"
#include "vectors.h"

#define ISSUER "https://x.clerk.accounts.dev"
#define SECRET "super-secret-jwt-token-with-at-least-32-characters-long"
#define X "puwXvS2PKMVMazQ6JGk49Jv7eCxZMg2t8zX-g7huApE"
#define Y "2Rbjq8xJ88sjMh_hbOsLnzdqfjrykSPY_ZA_AlaMGmI"

static struct arena *mem;
static json_object *file;

static json_object *
json_of(const char *text)
{
	json_object *o = NULL;
	const char *why;

	return json_parse(mem, str_from(text), &o, &why) == ERR_OK ? o : NULL;
}

static bool
is_key(const char *text)
{
	struct jwk k = { 0 };

	return jwk_parse(mem, json_of(text), &k) == ERR_OK && k.pem.n > 0;
}

static void
good_keys(void)
{
	json_object *list = json_at(json_at(file, "jwks"), "keys");
	struct jwk rsa = { 0 }, ec = { 0 };

	CHECK("an RSA key", jwk_parse(mem, json_object_array_get_idx(list, 0), &rsa) == ERR_OK &&
				strcmp(rsa.alg, "RS256") == 0 && str_eq(rsa.kid, S("k1")));
	CHECK("as OpenSSL writes it", str_eq(rsa.pem, json_text(file, "pem")));
	CHECK("a P-256 key", jwk_parse(mem, json_object_array_get_idx(list, 1), &ec) == ERR_OK &&
				 strcmp(ec.alg, "ES256") == 0 && str_eq(ec.kid, S("k2")));
	CHECK("alg and use may be missing",
	    is_key("{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"" X "\",\"y\":\"" Y
		   "\"}"));
}

#define EC(more) "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"" more "}"

static void
bad_keys(void)
{
	static const char *const bad[] = { "{}", "[]", "\"k\"", "1", EC(""), EC(",\"kid\":\"\""),
		EC(",\"kid\":1"), EC(",\"kid\":\"a\",\"alg\":\"HS256\""),
		EC(",\"kid\":\"a\",\"alg\":\"RS256\""), EC(",\"kid\":\"a\",\"alg\":1"),
		EC(",\"kid\":\"a\",\"alg\":\"es256\""), EC(",\"kid\":\"a\",\"use\":\"enc\""),
		EC(",\"kid\":\"a\",\"d\":\"AQ\""),
		"{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"c2VjcmV0\",\"alg\":\"HS256\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"a\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		/* not on the curve, too short, infinity */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"" X "\",\"y\":\"" X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"AQ\",\"y\":\"AQ\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"\",\"y\":\"\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"" X "=\",\"y\":\"" Y "\"}",
		"{\"kty\":\"ec\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
		"{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":[],\"e\":\"AQAB\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" X "\"}" };
	struct str n =
	    json_text(json_object_array_get_idx(json_at(json_at(file, "jwks"), "keys"), 0), "n");
	static const char *const exponents[] = { "", "AA", "AQ", "Ag", "AAAAAQ", "AQABAQABAQ",
		"AQAB=", "!" };
	bool good = true;
	char *big = arena_alloc(mem, 4000);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !is_key(bad[i]), "%s", bad[i]);
	for (size_t i = 0; i < sizeof(exponents) / sizeof(*exponents); i++)
		EACH(good,
		    !is_key(arena_printf(mem,
			"{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"%.*s\",\"e\":\"%s\"}", S_ARG(n),
			exponents[i])
				.p),
		    "e %s", exponents[i]);
	memset(big, 'A', 3999);
	big[0] = '_';
	EACH(good,
	    !is_key(arena_printf(
		mem, "{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"%s\",\"e\":\"AQAB\"}", big)
			.p),
	    "%s", "a giant");
	CHECK("what cannot be used is refused", good);
}

static void
sets(void)
{
	struct jwk_set *set = arena_alloc(mem, sizeof(*set));
	struct buf b = { .a = mem };

	CHECK("an empty set is one",
	    jwks_parse(mem, S("{\"keys\":[]}"), set) == ERR_OK && set->n == 0);
	CHECK("what is none is none", jwks_parse(mem, S("{}"), set) != ERR_OK &&
					  jwks_parse(mem, S("[]"), set) != ERR_OK &&
					  jwks_parse(mem, S("{\"keys\":{}}"), set) != ERR_OK &&
					  jwks_parse(mem, S("<html>"), set) != ERR_OK &&
					  jwks_parse(mem, S(""), set) != ERR_OK);
	buf_put(&b, S("{\"keys\":[1,null,{\"kty\":\"oct\",\"kid\":\"z\",\"k\":\"AQ\"}"));
	for (int i = 0; i < 40; i++)
		buf_printf(&b,
		    ",{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y
		    "\",\"kid\":\"k%d\"}",
		    i);
	buf_put(&b, S("]}"));
	CHECK("of a set only what can be used counts, and no more than there is room for",
	    jwks_parse(mem, buf_str(&b), set) == ERR_OK && set->n == JWKS_KEYS_MAX &&
		str_eq(set->keys[0].kid, S("k0")));
}

static bool
is_accepted(struct str token, struct external *principal, const char **unknown_issuer)
{
	return external_verify(token, principal, unknown_issuer) == ERR_OK;
}

static void
use_keys(const char *issuer, size_t n)
{
	json_object *list = json_at(json_at(file, "jwks"), "keys");
	struct external_key keys[2];

	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_array_get_idx(list, i);

		keys[i] = (struct external_key){ str_from(issuer), json_text(o, "kid"),
			str_from(json_object_to_json_string(o)) };
	}
	external_keys_set(keys, n);
}

static void
vectors(void)
{
	json_object *list = json_at(file, "vectors");
	struct external principal = { 0 };
	const char *unknown_issuer;
	bool good = true;

	use_keys(ISSUER, 2);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *v = json_object_array_get_idx(list, i), *o = json_at(v, "expected");
		struct str token = json_text(v, "token");

		for (int again = 0; o && again < 2; again++)
			EACH(good,
			    is_accepted(token, &principal, &unknown_issuer) ==
				json_object_get_boolean(o),
			    "%s", json_text(v, "name").p);
	}
	CHECK("the vectors are accepted and refused as they say", good);
	CHECK("Supabase's by its secret",
	    is_accepted(json_text(json_at(file, "hs256"), "token"), &principal, &unknown_issuer) &&
		strcmp(principal.provider, "supabase") == 0 &&
		strcmp(principal.subject, "u1") == 0);
}

static void
before_any_keys(void)
{
	struct str good =
	    json_text(json_object_array_get_idx(json_at(file, "vectors"), 0), "token");
	struct external principal;
	const char *unknown_issuer;

	CHECK("before there are keys nobody is turned out, but asked to come again",
	    external_verify(good, &principal, &unknown_issuer) == ERR_OVERLOADED &&
		!unknown_issuer);
	CHECK("nonsense is refused all the same",
	    external_verify(S("a.b.c"), &principal, &unknown_issuer) == ERR_UNAUTHORIZED);
}

static struct str
signed_by_secret(const char *header, const char *claims)
{
	struct str head = base64url(mem, str_from(header)), body = base64url(mem, str_from(claims));
	struct str text = arena_printf(mem, "%.*s.%.*s", S_ARG(head), S_ARG(body));
	unsigned char sum[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)SECRET, strlen(SECRET));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.p, text.n);
	crypto_auth_hmacsha256_final(&state, sum);
	return arena_printf(
	    mem, "%s.%s", text.p, base64url(mem, (struct str){ (char *)sum, sizeof(sum) }).p);
}

#define CLAIMS(more) "{\"sub\":\"u\",\"aud\":\"authenticated\",\"exp\":4102444800" more "}"

static void
people(void)
{
	struct external principal = { 0 };
	const char *unknown_issuer, *head = "{\"alg\":\"HS256\"}";

	CHECK("an address, verified by the provider",
	    is_accepted(
		signed_by_secret(head,
		    CLAIMS(",\"email\":\"a@b.c\",\"app_metadata\":{\"email_verified\":true}")),
		&principal, &unknown_issuer) &&
		strcmp(principal.email, "a@b.c") == 0 && principal.email_verified);
	CHECK("the user's own word does not verify it",
	    is_accepted(
		signed_by_secret(head,
		    CLAIMS(",\"email\":\"a@b.c\",\"user_metadata\":{\"email_verified\":true}")),
		&principal, &unknown_issuer) &&
		!principal.email_verified);
	CHECK("nor does a word that is not true",
	    is_accepted(
		signed_by_secret(head, CLAIMS(",\"email\":\"a@b.c\",\"email_verified\":\"true\"")),
		&principal, &unknown_issuer) &&
		!principal.email_verified);
	CHECK("what is no address is none",
	    is_accepted(
		signed_by_secret(head, CLAIMS(",\"email\":\"a b@c\",\"email_verified\":true")),
		&principal, &unknown_issuer) &&
		!principal.email[0] && !principal.email_verified);
	CHECK("our own issuer is not theirs",
	    !is_accepted(signed_by_secret(head, CLAIMS(",\"iss\":\"millrace\"")), &principal,
		&unknown_issuer));
	CHECK("Clerk's issuer wants Clerk's key",
	    !is_accepted(signed_by_secret(head, CLAIMS(",\"iss\":\"" ISSUER "\"")), &principal,
		&unknown_issuer));
}

/* Is a token with these claims, as they stand, accepted? */
static bool
is_current(const char *times, struct external *principal)
{
	const char *unknown_issuer;

	return is_accepted(
	    signed_by_secret("{\"alg\":\"HS256\"}",
		arena_printf(mem, "{\"sub\":\"u\",\"aud\":\"authenticated\",%s}", times).p),
	    principal, &unknown_issuer);
}

#define EXP "\"exp\":4102444800"

/* RFC 7519, 2: a NumericDate is any JSON number. */
static void
times(void)
{
	static const char *const good[] = { "\"exp\":4102444800.0", "\"exp\":4.1024448e9",
		"\"exp\":4102444800.75", "\"exp\":41024448E2", EXP ",\"iat\":1.79e9",
		EXP ",\"iat\":1.0", EXP ",\"nbf\":1790000000.5", EXP ",\"nbf\":0",
		EXP ",\"nbf\":-1.5",
		EXP ",\"iat\":1790000000.0,\"nbf\":1.79e9,\"auth_time\":1.79e9" };
	static const char *const bad[] = { "\"iat\":1.0", "\"exp\":null", "\"exp\":\"4102444800\"",
		"\"exp\":true", "\"exp\":[4102444800]", "\"exp\":{}", "\"exp\":1.0e9",
		"\"exp\":-4.1e9", "\"exp\":0.0", EXP ",\"nbf\":null", EXP ",\"nbf\":4.1e9",
		EXP ",\"nbf\":4102444700.5", EXP ",\"nbf\":\"1\"", EXP ",\"iat\":null",
		EXP ",\"iat\":4.1e9", EXP ",\"iat\":\"1790000000\"", EXP ",\"iat\":1e300",
		EXP ",\"iat\":99999999999999999999" };
	static const char *const endless[] = { "1e300", "9e18", "9223372036854775807",
		"4102444800000" };
	struct external principal = { 0 };
	bool all = true;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		EACH(all, is_current(good[i], &principal) && principal.expires_at == 4102444800,
		    "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(all, !is_current(bad[i], &principal), "%s", bad[i]);
	for (size_t i = 0; i < sizeof(endless) / sizeof(*endless); i++)
		EACH(all,
		    is_current(arena_printf(mem, "\"exp\":%s", endless[i]).p, &principal) &&
			principal.expires_at <= INT64_C(253402300799),
		    "%s", endless[i]);
	CHECK("times are numbers, whole or not, and nothing else", all);
	CHECK("a header's members are there when they are null",
	    !is_accepted(signed_by_secret("{\"alg\":\"HS256\",\"typ\":null}", CLAIMS("")),
		&principal, &(const char *){ NULL }) &&
		!is_accepted(signed_by_secret("{\"alg\":\"HS256\",\"crit\":null}", CLAIMS("")),
		    &principal, &(const char *){ NULL }));
}

static void
keys_decide(void)
{
	json_object *list = json_at(file, "vectors");
	struct str token = json_text(json_object_array_get_idx(list, 0), "token");
	struct external principal = { 0 };
	const char *unknown_issuer;

	CHECK("a token is cached",
	    is_accepted(token, &principal, &unknown_issuer) && !unknown_issuer);
	use_keys(ISSUER, 0);
	CHECK("but not beyond its key", !is_accepted(token, &principal, &unknown_issuer));
	CHECK("which is asked for", unknown_issuer && strcmp(unknown_issuer, ISSUER) == 0);
	use_keys("https://other.example", 2);
	CHECK("another issuer's key of that name is none of its",
	    !is_accepted(token, &principal, &unknown_issuer));
	use_keys(ISSUER, 2);
	CHECK("until it is back", is_accepted(token, &principal, &unknown_issuer) &&
				      strcmp(principal.provider, "clerk") == 0 &&
				      strcmp(principal.subject, "user_1") == 0);
	CHECK("nothing is asked for by what is wrong anyway",
	    !is_accepted(S("e30.e30.AA"), &principal, &unknown_issuer) && !unknown_issuer);
}

enum { REMEMBERED_TOKEN, UNKNOWN_TOKEN, KEYS_ALONE };

/*
 * Processor time of 300 checks of a token that is remembered or not; or of forgetting them all
 * alone, which is how it is not.
 */
static double
seconds_of(struct str token, int what)
{
	struct timespec from, to;
	struct external principal;
	const char *unknown_issuer;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < 300; i++) {
		if (what != REMEMBERED_TOKEN)
			use_keys(ISSUER, 2);
		if (what != KEYS_ALONE && !is_accepted(token, &principal, &unknown_issuer))
			return -1;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/*
 * What was found good is remembered by the token's hash: so long as it is good, and no more of them
 * than there are places.
 */
static void
remembering(void)
{
	struct str token =
	    json_text(json_object_array_get_idx(json_at(file, "vectors"), 0), "token");
	const char *head = "{\"alg\":\"HS256\"}", *unknown_issuer;
	struct external principal = { 0 };
	struct str ending, altered;
	bool good = true;
	double known, anew;
	time_t minted;
	size_t held;

	known = seconds_of(token, REMEMBERED_TOKEN);
	anew = seconds_of(token, UNKNOWN_TOKEN) - seconds_of(token, KEYS_ALONE);
	printf("# an RS256 token: %.1f us, and %.1f us once it is known\n", anew / 300 * 1e6,
	    known / 300 * 1e6);
	CHECK("an RS256 token costs its signature once", known >= 0 && known * 3 < anew);
	altered = arena_printf(mem, "%.*s%c%s", (int)token.n - 2, token.p,
	    token.p[token.n - 2] == 'A' ? 'B' : 'A', token.p + token.n - 1);
	CHECK("a neighbour of one that is remembered is not it",
	    !is_accepted(altered, &principal, &unknown_issuer) &&
		is_accepted(token, &principal, &unknown_issuer));

	/* Once more where a busy machine has let it expire before it was looked at. */
	do {
		minted = time(NULL);
		ending = signed_by_secret(head,
		    arena_printf(mem, "{\"sub\":\"u\",\"aud\":\"authenticated\",\"exp\":%lld}",
			(long long)minted - 28)
			.p);
		good = is_accepted(ending, &principal, &unknown_issuer);
	} while (!good && time(NULL) >= minted + 2);
	CHECK("one that is about to expire", good);
	sleep(3);
	CHECK("is not cached beyond its expiry", !is_accepted(ending, &principal, &unknown_issuer));

	held = mallinfo2().uordblks;
	for (int i = 0; i < 5000; i++) {
		struct arena *a = mem;

		mem = arena_new();
		EACH(good,
		    is_accepted(
			signed_by_secret(head, arena_printf(mem,
						   "{\"sub\":\"u%d\",\"aud\":\"authenticated\","
						   "\"exp\":4102444800}",
						   i)
						   .p),
			&principal, &unknown_issuer) &&
			strcmp(principal.subject, arena_printf(mem, "u%d", i).p) == 0,
		    "u%d", i);
		arena_free(mem);
		mem = a;
	}
	CHECK("five thousand others, each is principal it says", good);
	CHECK("take no memory", mallinfo2().uordblks < held + 65536);
	CHECK("and push out nobody for good", is_accepted(token, &principal, &unknown_issuer));
}

int
main(void)
{
	setenv("API_JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
	setenv("MILLRACE_CLERK_ISSUER", ISSUER, 1);
	setenv("MILLRACE_CLERK_AZP", "https://a.example http://localhost:5173", 1);
	setenv("SUPABASE_JWT_SECRET", SECRET, 1);
	config_load(CONFIG_WORKER);
	mem = arena_new();
	file = read_vectors(mem, "tests/vectors/jwt-vectors.json");
	good_keys();
	bad_keys();
	sets();
	before_any_keys();
	vectors();
	people();
	times();
	keys_decide();
	remembering();
	external_keys_set(NULL, 0);
	arena_free(mem);
	return test_end();
}
