/*
 * lib/identity/token.c: our own tokens go round, everybody else's are refused;
 * tests/vectors/jwt-vectors.json has the known tricks.
 */
#include <time.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/token.h>

#include "test.h"
#include "vectors.h"

/*
 * The secret of the vectors' own HS256 token, so that its signature is right and only its claims
 * are not ours.
 */
#define SECRET "super-secret-jwt-token-with-at-least-32-characters-long"
#define USER "0190b3e8-8a54-7c3e-9d55-0242ac120002"
#define SESSION "0190b3e8-8a54-7c3e-9d55-0242ac120003"
#define OURS "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static struct arena *mem;

static bool
is_accepted(struct str token)
{
	struct claims c = { 0 };
	bool good = token_verify(token, &c) == ERR_OK;

	return good && c.user.text[0];
}

/* header.claims signed with HMAC-SHA-256 under `secret`, whatever they say. */
static struct str
forge(struct str header, struct str claims, const char *secret)
{
	struct str head = base64url(mem, header), body = base64url(mem, claims);
	struct str text = arena_printf(mem, "%.*s.%.*s", S_ARG(head), S_ARG(body));
	unsigned char sum[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, strlen(secret));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.p, text.n);
	crypto_auth_hmacsha256_final(&state, sum);
	return arena_printf(
	    mem, "%s.%s", text.p, base64url(mem, (struct str){ (char *)sum, sizeof(sum) }).p);
}

/* Our claims, with `exp` as JSON text, and more members (each begun with a comma). */
static struct str
claims_with(const char *exp, const char *more)
{
	return arena_printf(mem,
	    "{\"iss\":\"millrace\",\"sub\":\"" USER "\",\"sid\":\"" SESSION
	    "\",\"iat\":1,\"exp\":%s%s}",
	    exp, more);
}

static void
round_trip(void)
{
	struct claims in = { .issued_at = time(NULL), .expires_at = time(NULL) + 60 }, out = { 0 };
	struct str token;

	if (!uuid_parse(S(USER), &in.user) || !uuid_parse(S(SESSION), &in.session))
		abort();
	token = token_mint(mem, &in);
	CHECK("a token comes back as it was minted",
	    token_verify(token, &out) == ERR_OK && str_eq(uuid_str(&out.user), S(USER)) &&
		str_eq(uuid_str(&out.session), S(SESSION)) && out.issued_at == in.issued_at &&
		out.expires_at == in.expires_at);
	CHECK("and again", is_accepted(token));
	in.expires_at = time(NULL) - 10;
	CHECK("30 s of leeway", is_accepted(token_mint(mem, &in)));
	in.expires_at = time(NULL) - 40;
	CHECK("no more", !is_accepted(token_mint(mem, &in)));
}

/* Every byte of a good token counts, and every length. */
static void
tampering(void)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct str token = forge(S(OURS), claims_with("4102444800", ""), SECRET);
	bool good = is_accepted(token);

	CHECK("a token made elsewhere with the same key is accepted", good);
	for (size_t i = 0; i < token.n; i++) {
		char *bad = arena_cstr(mem, token);
		const char *at = strchr(letters, token.p[i]);

		bad[i] = at ? letters[(size_t)(at - letters) ^ 1] : 'A';
		EACH(good, !is_accepted(str_from(bad)), "%s", bad);
		EACH(good, !is_accepted((struct str){ token.p, i }), "%zu bytes", i);
	}
	CHECK("no byte of it may be changed or missing", good);
	CHECK("nor added", !is_accepted(arena_printf(mem, "%sA", token.p)) &&
			       !is_accepted(arena_printf(mem, "%s.", token.p)) &&
			       !is_accepted(arena_printf(mem, "%s=", token.p)) &&
			       !is_accepted(arena_printf(mem, " %s", token.p)) &&
			       !is_accepted((struct str){ token.p, token.n + 1 }));
	CHECK("another key",
	    !is_accepted(forge(S(OURS), claims_with("4102444800", ""), SECRET "x")) &&
		!is_accepted(forge(S(OURS), claims_with("4102444800", ""), "")));
}

static void
headers(void)
{
	static const char *const bad[] = { "{\"alg\":\"none\"}", "{\"alg\":\"None\"}",
		"{\"alg\":\"hs256\"}", "{\"alg\":\"Hs256\"}", "{\"alg\":\"HS256 \"}",
		"{\"alg\":\"HS384\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"RS256\"}",
		"{\"alg\":\"ES256\"}", "{\"alg\":null}", "{\"alg\":256}", "{\"alg\":[\"HS256\"]}",
		"{\"typ\":\"JWT\"}", "[]", "\"HS256\"", "", "{\"alg\":\"HS256\"",
		"{\"alg\":\"HS256\\u0000\"}" };
	struct str claims = claims_with("4102444800", "");
	bool good = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct str token = forge(str_from(bad[i]), claims, SECRET), rest;
		struct str head, body;

		EACH(good, !is_accepted(token), "%s", bad[i]);
		rest = str_cut(token, '.', &head);
		(void)str_cut(rest, '.', &body);
		EACH(good, !is_accepted(arena_printf(mem, "%.*s.%.*s.", S_ARG(head), S_ARG(body))),
		    "%s unsigned", bad[i]);
	}
	CHECK("another alg is refused, even signed with our key", good);
}

static void
claims(void)
{
	static const char *const bad[] = { "1", "0", "-1", "\"4102444800\"", "null", "true", "[]",
		"1e12", "\"never\"" };
	bool good = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !is_accepted(forge(S(OURS), claims_with(bad[i], ""), SECRET)), "exp %s",
		    bad[i]);
	CHECK("exp must be a whole number to come", good);
	CHECK("another issuer", !is_accepted(forge(S(OURS),
				    S("{\"iss\":\"other\",\"sub\":\"" USER "\",\"sid\":\"" SESSION
				      "\",\"iat\":1,\"exp\":4102444800}"),
				    SECRET)));
	CHECK("no issuer",
	    !is_accepted(forge(S(OURS),
		S("{\"sub\":\"" USER "\",\"sid\":\"" SESSION "\",\"iat\":1,\"exp\":4102444800}"),
		SECRET)));
	CHECK("a subject that is no UUID",
	    !is_accepted(forge(S(OURS),
		S("{\"iss\":\"millrace\",\"sub\":\"1\",\"sid\":\"" SESSION
		  "\",\"iat\":1,\"exp\":4102444800}"),
		SECRET)));
	CHECK("no session",
	    !is_accepted(forge(S(OURS),
		S("{\"iss\":\"millrace\",\"sub\":\"" USER "\",\"iat\":1,\"exp\":4102444800}"),
		SECRET)));
	CHECK("claims that are none", !is_accepted(forge(S(OURS), S("[]"), SECRET)) &&
					  !is_accepted(forge(S(OURS), S(""), SECRET)) &&
					  !is_accepted(forge(S(OURS), S("x"), SECRET)));
	CHECK("the end of time",
	    is_accepted(forge(S(OURS), claims_with("9223372036854775807", ""), SECRET)));
}

static void
shapes(void)
{
	static const char *const bad[] = { ".", "..", "...", "a", "a.b", "a.b.c", "Bearer x",
		"e30.e30.", "\xff.\xff.\xff", "eyJhbGciOiJIUzI1NiJ9..",
		"eyJhbGciOiJIUzI1NiJ9.e30." };
	bool good = true;
	char *big = arena_alloc(mem, 10000);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !is_accepted(str_from(bad[i])), "%s", bad[i]);
	CHECK("what is no token is refused", good && !is_accepted((struct str){ NULL, 0 }));
	memset(big, 'A', 9999);
	CHECK("and what is too long", !is_accepted(str_from(big)));
}

static void
vectors(void)
{
	json_object *file = read_vectors(mem, "tests/vectors/jwt-vectors.json");
	json_object *list = json_at(file, "vectors");
	bool good = true;
	size_t n = list ? json_object_array_length(list) : 0;

	CHECK("the vectors are there", n >= 20);
	for (size_t i = 0; i < n; i++) {
		json_object *v = json_object_array_get_idx(list, i);

		EACH(good, !is_accepted(json_text(v, "token")), "%s", json_text(v, "name").p);
	}
	CHECK("tokens of other issuers and all known tricks are refused", good);
	CHECK("a token of our own key that is not ours is refused",
	    !is_accepted(json_text(json_at(file, "hs256"), "token")));
	CHECK("the public key of someone is no secret of ours",
	    !is_accepted(forge(S(OURS), claims_with("4102444800", ""), json_text(file, "pem").p)));
}

int
main(void)
{
	setenv("API_JWT_SECRET", SECRET, 1);
	config_load(CONFIG_WORKER);
	mem = arena_new();
	round_trip();
	tampering();
	headers();
	claims();
	shapes();
	vectors();
	arena_free(mem);
	return test_end();
}
