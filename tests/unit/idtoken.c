/*
 * id_token_verify of lib/identity/idtoken.c: which issuer, tenant, audience and nonce are accepted,
 * each token signed here; and lib/identity/oauth.c.
 */
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/external.h>
#include <millrace/idtoken.h>
#include <millrace/jwk.h>
#include <millrace/oauth.h>

#include "test.h"

#define TENANT "6f1c7b0e-2f61-4d6b-9f43-0d6c1f0f9a11"
#define PERSONAL "9188040d-6c67-4c5b-b112-36a304b66dad"
#define AT(tid) "https://login.example/" tid "/v2.0"

static struct arena *mem;
static EVP_PKEY *pair;
static struct jwk_set keys;

static struct str
number(const char *name)
{
	unsigned char bytes[512];
	BIGNUM *n = NULL;
	int len;

	if (EVP_PKEY_get_bn_param(pair, name, &n) != 1)
		abort();
	len = BN_bn2bin(n, bytes);
	BN_free(n);
	return base64url(mem, (struct str){ (char *)bytes, (size_t)len });
}

static void
make_keys(void)
{
	struct str n, e, text;

	pair = EVP_RSA_gen(2048);
	n = number(OSSL_PKEY_PARAM_RSA_N);
	e = number(OSSL_PKEY_PARAM_RSA_E);
	text = arena_printf(mem,
	    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"%.*s\",\"e\":\"%.*s\"}]}", S_ARG(n),
	    S_ARG(e));
	CHECK("the key is accepted", jwks_parse(mem, text, &keys) == ERR_OK && keys.n == 1);
}

/* A token that lasts a minute, with these claims besides. */
static struct str
token(const char *claims)
{
	struct str head = base64url(mem, S("{\"alg\":\"RS256\",\"kid\":\"k\"}")), body, text;
	unsigned char sum[512];
	size_t len = sizeof(sum);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	body = base64url(mem, arena_printf(mem, "{\"sub\":\"s\",\"exp\":%lld,%s}",
				  (long long)time(NULL) + 60, claims));
	text = arena_printf(mem, "%.*s.%.*s", S_ARG(head), S_ARG(body));
	if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pair) != 1 ||
	    EVP_DigestSign(ctx, sum, &len, (const unsigned char *)text.p, text.n) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
	return arena_printf(
	    mem, "%.*s.%.*s", S_ARG(text), S_ARG(base64url(mem, (struct str){ (char *)sum, len })));
}

static bool
is_accepted(const struct id_rules *rules, const char *claims)
{
	struct external principal;
	bool unknown;

	return id_token_verify(mem, token(claims), rules, &principal, &unknown) == ERR_OK &&
	       !unknown && strcmp(principal.subject, "s") == 0;
}

static void
google(void)
{
	struct id_rules r = { .issuer = "https://accounts.example",
		.bare_issuer = true,
		.client_id = S("us"),
		.nonce = S("n"),
		.keys = &keys };

	CHECK("the issuer",
	    is_accepted(&r, "\"iss\":\"https://accounts.example\",\"aud\":\"us\",\"nonce\":\"n\""));
	CHECK("without its scheme",
	    is_accepted(&r, "\"iss\":\"accounts.example\",\"aud\":\"us\",\"nonce\":\"n\""));
	CHECK("another scheme is another issuer",
	    !is_accepted(&r, "\"iss\":\"http://accounts.example\",\"aud\":\"us\",\"nonce\":\"n\""));
	CHECK("so is a longer one",
	    !is_accepted(&r, "\"iss\":\"accounts.example.org\",\"aud\":\"us\",\"nonce\":\"n\""));
	r.bare_issuer = false;
	CHECK("elsewhere the scheme belongs to it",
	    !is_accepted(&r, "\"iss\":\"accounts.example\",\"aud\":\"us\",\"nonce\":\"n\""));
	CHECK("no nonce where one was sent",
	    !is_accepted(&r, "\"iss\":\"https://accounts.example\",\"aud\":\"us\""));
	CHECK("times as any number, whatever auth_time is",
	    is_accepted(&r, "\"iss\":\"https://"
			    "accounts.example\",\"aud\":\"us\",\"nonce\":\"n\",\"iat\":1.79e9,"
			    "\"nbf\":1790000000.0,\"auth_time\":1.79e9"));
	CHECK("azp of another type is not for us",
	    !is_accepted(&r, "\"iss\":\"https://"
			     "accounts.example\",\"aud\":\"us\",\"nonce\":\"n\",\"azp\":null") &&
		!is_accepted(&r,
		    "\"iss\":\"https://"
		    "accounts.example\",\"aud\":\"us\",\"nonce\":\"n\",\"azp\":[\"us\"]"));
	r.client_id = S("");
	CHECK("without a name of ours nothing is for us",
	    !is_accepted(&r, "\"iss\":\"https://accounts.example\",\"aud\":\"\",\"nonce\":\"n\""));
}

static bool
lets_in(const char *tenant, const char *tid)
{
	struct id_rules r = {
		.issuer = AT("{tenantid}"), .tenant = tenant, .client_id = S("us"), .keys = &keys
	};

	return is_accepted(&r,
	    arena_printf(mem,
		"\"iss\":\"https://login.example/%s/v2.0\",\"aud\":\"us\",\"tid\":\"%s\"", tid, tid)
		.p);
}

static void
microsoft(void)
{
	CHECK("common: all", lets_in("common", TENANT) && lets_in("common", PERSONAL));
	CHECK("organizations: no personal account",
	    lets_in("organizations", TENANT) && !lets_in("organizations", PERSONAL));
	CHECK("consumers: those alone",
	    !lets_in("consumers", TENANT) && lets_in("consumers", PERSONAL));
	CHECK("one tenant: that one",
	    lets_in(TENANT, TENANT) && !lets_in(TENANT, PERSONAL) && !lets_in(PERSONAL, TENANT));
	CHECK("a domain's tenant is Microsoft's to know", lets_in("example.com", TENANT));
	CHECK("what is no tenant is none",
	    !lets_in("common", "") && !lets_in("common", "x") && !lets_in("common", "common"));
}

static void
unknown_key(void)
{
	const struct jwk_set none = { .n = 0 };
	struct id_rules r = { .issuer = "https://a.example", .client_id = S("us"), .keys = &none };
	struct str good = token("\"iss\":\"https://a.example\",\"aud\":\"us\"");
	struct external principal;
	bool unknown = false;

	CHECK("a good token whose key is not there says so",
	    id_token_verify(mem, good, &r, &principal, &unknown) == ERR_UNAUTHORIZED && unknown);
	r.client_id = S("others");
	CHECK("one that is wrong besides does not",
	    id_token_verify(mem, good, &r, &principal, &unknown) == ERR_UNAUTHORIZED && !unknown);
}

static void
providers(void)
{
	struct buf b = { .a = mem };

	CHECK("three providers", oauth_provider(S("github")) && oauth_provider(S("google")) &&
				     oauth_provider(S("microsoft")));
	CHECK("and no more",
	    !oauth_provider(S("")) && !oauth_provider(S("GitHub")) && !oauth_provider(S("gitlab")));
	CHECK("none is set up by itself", !oauth_is_set_up(oauth_provider(S("github"))));
	CHECK("the callback of a server whose address ends in a slash",
	    str_eq(oauth_callback_url(mem, oauth_provider(S("google"))),
		S("https://api.example/api/v1/auth2/google/callback")));
	CHECK("Microsoft's tenant in its addresses",
	    str_eq(oauth_url(mem, "https://x/{tenant}/token"), S("https://x/common/token")));
	form_put(&b, "a", S("b c&d=e+f%\xc3\xa9/~"));
	form_put(&b, "g", S(""));
	CHECK("a form", str_eq(buf_str(&b), S("a=b%20c%26d%3De%2Bf%25%C3%A9%2F~&g=")));
}

int
main(void)
{
	setenv("API_JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
	setenv("MILLRACE_PUBLIC_URL", "https://api.example/", 1);
	config_load(CONFIG_WORKER);
	mem = arena_new();
	make_keys();
	google();
	microsoft();
	unknown_key();
	providers();
	EVP_PKEY_free(pair);
	arena_free(mem);
	return test_end();
}
