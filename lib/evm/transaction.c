#include <stdlib.h>

#include <secp256k1_recovery.h>
#include <sodium.h>

#include <millrace/crypto.h>
#include <millrace/evm.h>

#define TYPE_1559 S("\x02")
#define SCALAR_BYTES 32
#define PUBLIC_KEY_BYTES 65
#define HEAD_SHORT 55 /* bytes of content whose length the first byte tells */

/* The first bytes of a string (from 0x80) or a list (from 0xc0) of so many bytes. */
static void
rlp_head(struct buf *b, unsigned from, size_t len)
{
	char bytes[1 + sizeof(len)];
	size_t n = sizeof(len);

	if (len <= HEAD_SHORT) {
		buf_put(b, (struct str){ (char[]){ (char)(from + len) }, 1 });
		return;
	}
	while (len >> (8 * (n - 1)) == 0)
		n--;
	bytes[0] = (char)(from + HEAD_SHORT + n);
	for (size_t i = 0; i < n; i++)
		bytes[i + 1] = (char)(len >> (8 * (n - 1 - i)));
	buf_put(b, (struct str){ bytes, n + 1 });
}

void
rlp_bytes(struct buf *b, struct str bytes)
{
	if (bytes.n != 1 || (uint8_t)bytes.p[0] >= 0x80)
		rlp_head(b, 0x80, bytes.n);
	buf_put(b, bytes);
}

/* Bytes of a number, without zeros before them: zero has none. */
static void
rlp_scalar(struct buf *b, const uint8_t *bytes, size_t n)
{
	while (n > 0 && *bytes == 0) {
		bytes++;
		n--;
	}
	rlp_bytes(b, (struct str){ (const char *)bytes, n });
}

void
rlp_number(struct buf *b, evm_int n)
{
	uint8_t bytes[sizeof(n)];

	for (size_t i = 0; i < sizeof(n); i++)
		bytes[i] = (uint8_t)(n >> (8 * (sizeof(n) - 1 - i)));
	rlp_scalar(b, bytes, sizeof(bytes));
}

void
rlp_list(struct buf *b, struct str items)
{
	rlp_head(b, 0xc0, items.n);
	buf_put(b, items);
}

/* A transaction's items but for what the signature adds. */
static void
put_items(struct buf *b, const struct evm_tx *tx)
{
	if (!tx->legacy)
		rlp_number(b, tx->chain_id);
	rlp_number(b, tx->nonce);
	if (!tx->legacy)
		rlp_number(b, tx->tip);
	rlp_number(b, tx->fee);
	rlp_number(b, tx->gas);
	rlp_bytes(b, (struct str){ tx->to ? (const char *)tx->to->bytes : "",
			 tx->to ? EVM_ADDRESS_BYTES : 0 });
	rlp_number(b, tx->value);
	rlp_bytes(b, tx->data);
	if (!tx->legacy)
		rlp_list(b, S("")); /* EIP-2930: no access list */
}

/* The transaction of these items, with its type before it. */
static struct str
envelope(struct arena *a, const struct evm_tx *tx, const struct buf *items)
{
	struct buf b = { .a = a };

	if (!tx->legacy)
		buf_put(&b, TYPE_1559);
	rlp_list(&b, buf_str(items));
	return buf_str(&b);
}

void
evm_tx_digest(struct arena *a, const struct evm_tx *tx, uint8_t hash[EVM_HASH_BYTES])
{
	struct buf items = { .a = a };

	put_items(&items, tx);
	if (tx->legacy) {
		rlp_number(&items, tx->chain_id);
		rlp_number(&items, 0);
		rlp_number(&items, 0);
	}
	keccak256(envelope(a, tx, &items), hash);
}

/* Blinded by random bytes; the caller destroys it. */
static secp256k1_context *
new_context(void)
{
	secp256k1_context *c = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
	uint8_t seed[32];

	random_bytes(seed, sizeof(seed));
	if (!secp256k1_context_randomize(c, seed))
		abort();
	sodium_memzero(seed, sizeof(seed));
	return c;
}

bool
evm_sign(struct arena *a, const struct evm_tx *tx, const uint8_t key[EVM_KEY_BYTES],
    struct str *raw, uint8_t hash[EVM_HASH_BYTES])
{
	secp256k1_context *c = new_context();
	secp256k1_ecdsa_recoverable_signature signature;
	uint8_t digest[EVM_HASH_BYTES], rs[2 * SCALAR_BYTES];
	struct buf items = { .a = a };
	int parity = 0;
	bool good;

	evm_tx_digest(a, tx, digest);
	good = secp256k1_ec_seckey_verify(c, key) &&
	       secp256k1_ecdsa_sign_recoverable(c, &signature, digest, key, NULL, NULL) &&
	       secp256k1_ecdsa_recoverable_signature_serialize_compact(c, rs, &parity, &signature);
	secp256k1_context_destroy(c);
	if (!good)
		return false;
	put_items(&items, tx);
	rlp_number(
	    &items, (evm_int)(unsigned)parity + (tx->legacy ? (evm_int)tx->chain_id * 2 + 35 : 0));
	rlp_scalar(&items, rs, SCALAR_BYTES);
	rlp_scalar(&items, rs + SCALAR_BYTES, SCALAR_BYTES);
	*raw = envelope(a, tx, &items);
	keccak256(*raw, hash);
	return true;
}

bool
evm_key_address(const uint8_t key[EVM_KEY_BYTES], struct evm_address *out)
{
	secp256k1_context *c = new_context();
	secp256k1_pubkey public_key;
	uint8_t bytes[PUBLIC_KEY_BYTES], hash[EVM_HASH_BYTES];
	size_t n = sizeof(bytes);
	bool good =
	    secp256k1_ec_seckey_verify(c, key) && secp256k1_ec_pubkey_create(c, &public_key, key) &&
	    secp256k1_ec_pubkey_serialize(c, bytes, &n, &public_key, SECP256K1_EC_UNCOMPRESSED);

	secp256k1_context_destroy(c);
	if (!good)
		return false;
	/* Without the byte that says how it is serialised. */
	keccak256((struct str){ (const char *)bytes + 1, sizeof(bytes) - 1 }, hash);
	memcpy(out->bytes, hash + EVM_HASH_BYTES - EVM_ADDRESS_BYTES, EVM_ADDRESS_BYTES);
	return true;
}
