#include "runner/secrets/unseal.h"

#include <sodium.h>

bool
key_pair_from(struct str text, struct key_pair *out)
{
	size_t len = 0;

	*out = (struct key_pair){ 0 };
	text = str_trim(text);
	if (text.n == 0)
		return true;
	if (sodium_base642bin(out->private_key, sizeof(out->private_key), text.p, text.n, NULL,
		&len, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    len != SEAL_KEY_BYTES || crypto_scalarmult_base(out->public_key, out->private_key) != 0)
		return false;
	out->there = true;
	return true;
}

bool
unseal(struct arena *a, const struct key_pair *pair, struct str label, struct str sealed,
    struct str *value)
{
	const size_t head = 1 + SEAL_LABEL_BYTES;
	unsigned char *plain;
	size_t len;

	if (!pair->there || sealed.n < crypto_box_SEALBYTES + head)
		return false;
	len = sealed.n - crypto_box_SEALBYTES;
	plain = arena_alloc(a, len + 1);
	if (crypto_box_seal_open(plain, (const unsigned char *)sealed.p, sealed.n, pair->public_key,
		pair->private_key) != 0)
		return false;
	if (plain[0] != SEAL_VERSION || sodium_memcmp(plain + 1, label.p, SEAL_LABEL_BYTES) != 0) {
		sodium_memzero(plain, len);
		return false;
	}
	*value = (struct str){ (char *)plain + head, len - head };
	return true;
}
