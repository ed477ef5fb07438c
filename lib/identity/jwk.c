/* Turns JWKs (RFC 7517, 7518), which are untrusted input, into the PEM that libjwt takes. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/jwk.h>

#define KID_MAX 200
#define JWK_MAX 8192 /* bytes of JSON */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define P256_BYTES 32

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *key = NULL;

	if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
rsa_key(struct arena *a, json_object *o)
{
	struct str n, e;
	OSSL_PARAM_BLD *bld;
	BIGNUM *bn, *be;
	EVP_PKEY *key = NULL;

	if (!base64url_decode(a, json_text(o, "n"), &n) || n.n > RSA_BITS_MAX / 8 ||
	    !base64url_decode(a, json_text(o, "e"), &e) || e.n == 0 || e.n > 4)
		return NULL;
	bld = OSSL_PARAM_BLD_new();
	bn = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
	be = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
	if (!bld || !bn || !be)
		abort();
	if (BN_num_bits(bn) >= RSA_BITS_MIN && BN_is_odd(bn) && BN_is_odd(be) && !BN_is_one(be) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1)
		key = from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	BN_free(be);
	return key;
}

/* EVP_PKEY_fromdata refuses a point that is not on the curve. */
static EVP_PKEY *
p256_key(struct arena *a, json_object *o)
{
	unsigned char point[1 + 2 * P256_BYTES] = { 4 }; /* uncompressed (SEC 1, 2.3.3) */
	struct str x, y;
	OSSL_PARAM_BLD *bld;
	EVP_PKEY *key = NULL;

	if (!str_eq(json_text(o, "crv"), S("P-256")) ||
	    !base64url_decode(a, json_text(o, "x"), &x) || x.n != P256_BYTES ||
	    !base64url_decode(a, json_text(o, "y"), &y) || y.n != P256_BYTES)
		return NULL;
	memcpy(point + 1, x.p, P256_BYTES);
	memcpy(point + 1 + P256_BYTES, y.p, P256_BYTES);
	if (!(bld = OSSL_PARAM_BLD_new()))
		abort();
	if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
		1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) ==
		1)
		key = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static struct str
to_pem(struct arena *a, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str pem;
	char *p;
	long n;

	if (!bio || PEM_write_bio_PUBKEY(bio, key) != 1 || (n = BIO_get_mem_data(bio, &p)) <= 0)
		abort();
	pem = arena_str(a, (struct str){ p, (size_t)n });
	BIO_free(bio);
	return pem;
}

static bool
is_or_absent(json_object *o, const char *name, struct str value)
{
	return !json_at(o, name) || str_eq(json_text(o, name), value);
}

enum err
jwk_parse(struct arena *a, json_object *o, struct jwk *out)
{
	struct str kty = json_text(o, "kty"), kid = json_text(o, "kid");
	bool rsa = str_eq(kty, S("RSA"));
	struct jwk k = { .alg = rsa ? "RS256" : "ES256" };
	EVP_PKEY *key;

	if (!json_object_is_type(o, json_type_object) || (!rsa && !str_eq(kty, S("EC"))) ||
	    kid.n == 0 || kid.n > KID_MAX || !is_or_absent(o, "alg", str_from(k.alg)) ||
	    !is_or_absent(o, "use", S("sig")) || json_at(o, "d") || json_at(o, "k"))
		return ERR_BAD_REQUEST;
	k.json = arena_str(a, str_from(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)));
	if (k.json.n > JWK_MAX || !(key = rsa ? rsa_key(a, o) : p256_key(a, o)))
		return ERR_BAD_REQUEST;
	k.kid = arena_str(a, kid);
	k.pem = to_pem(a, key);
	EVP_PKEY_free(key);
	*out = k;
	return ERR_OK;
}

enum err
jwks_parse(struct arena *a, struct str text, struct jwk_set *out)
{
	json_object *o, *list;
	const char *why;
	struct jwk_set set = { .n = 0 };

	if (json_parse(a, text, &o, &why) != ERR_OK)
		return ERR_BAD_REQUEST;
	list = json_at(o, "keys");
	if (!json_object_is_type(list, json_type_array))
		return ERR_BAD_REQUEST;
	for (size_t i = 0; i < json_object_array_length(list) && set.n < JWKS_KEYS_MAX; i++)
		if (jwk_parse(a, json_object_array_get_idx(list, i), &set.keys[set.n]) == ERR_OK)
			set.n++;
	*out = set;
	return ERR_OK;
}
