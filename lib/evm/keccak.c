#include <nettle/sha3.h>

#include <millrace/evm.h>

#define RATE 136 /* bytes that one permutation takes in: 1600 bits less twice the digest's */

static void
xor_byte(struct sha3_state *s, size_t at, uint8_t byte)
{
	s->a[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

/*
 * nettle has the permutation, and SHA-3's padding (0x06) alone; Keccak's, as submitted, is 0x01.
 */
void
keccak256(struct str bytes, uint8_t hash[EVM_HASH_BYTES])
{
	struct sha3_state s = { { 0 } };
	size_t at = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		xor_byte(&s, at++, (uint8_t)bytes.p[i]);
		if (at == RATE) {
			sha3_permute(&s);
			at = 0;
		}
	}
	xor_byte(&s, at, 0x01);
	xor_byte(&s, RATE - 1, 0x80);
	sha3_permute(&s);
	for (size_t i = 0; i < EVM_HASH_BYTES; i++)
		hash[i] = (uint8_t)(s.a[i / 8] >> (8 * (i % 8)));
}
