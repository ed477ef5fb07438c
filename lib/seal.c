#include <stdlib.h>

#include <sodium.h>

#include <millrace/crypto.h>
#include <millrace/log.h>
#include <millrace/seal.h>

struct str
seal_label(struct arena *a, const struct uuid *owner, struct str key)
{
	struct sha256 *h = sha256_new(a);

	sha256_add(h, S("secret "));
	sha256_add(h, uuid_str(owner));
	sha256_add(h, key);
	return sha256_end(h);
}

/* Of what is told by two words, the first without a blank. */
static struct str
label_of(struct arena *a, struct str kind, struct str first, struct str second)
{
	struct sha256 *h = sha256_new(a);

	sha256_add(h, kind);
	sha256_add(h, first);
	sha256_add(h, S(" "));
	sha256_add(h, second);
	return sha256_end(h);
}

struct str
seal_oauth_label(struct arena *a, struct str provider, struct str subject)
{
	return label_of(a, S("oauth "), provider, subject);
}

struct str
seal_payment_label(struct arena *a, struct str network, struct str address)
{
	return label_of(a, S("payment "), network, address);
}

struct str
seal_canary_label(struct arena *a)
{
	return sha256(a, S("canary"));
}

struct str
seal(struct arena *a, const void *public_key, struct str label, struct str value)
{
	size_t len = 1 + SEAL_LABEL_BYTES + value.n;
	unsigned char *plain = xmalloc(len), *sealed = arena_alloc(a, len + crypto_box_SEALBYTES);

	plain[0] = SEAL_VERSION;
	memcpy(plain + 1, label.p, SEAL_LABEL_BYTES);
	if (value.n > 0)
		memcpy(plain + 1 + SEAL_LABEL_BYTES, value.p, value.n);
	if (crypto_box_seal(sealed, plain, len, public_key) != 0)
		die("The vault's public key is not a valid curve25519 point.");
	sodium_memzero(plain, len);
	free(plain);
	return (struct str){ (char *)sealed, len + crypto_box_SEALBYTES };
}

bool
hex_decode(struct arena *a, struct str hex, struct str *out)
{
	unsigned char *bytes = arena_alloc(a, hex.n / 2 + 1);
	size_t len = 0;

	if (sodium_hex2bin(bytes, hex.n / 2 + 1, hex.p, hex.n, NULL, &len, NULL) != 0)
		return false;
	*out = (struct str){ (char *)bytes, len };
	return true;
}
