/*
 * Local embeddings: lexical vectors of hashed terms and their four-letter pieces, so that word
 * forms and misspellings are alike.
 */
#include <stdio.h>

#include "runner/knowledge/retrieve.h"

#define WORD_MAX 48 /* letters */

size_t
utf8_next(struct str s, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len = p[0] < 0xc0 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (len > s.n || len == 1) {
		*c = p[0];
		return 1;
	}
	*c = p[0] & (0xffU >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*c = *c << 6 | (p[i] & 0x3f);
	return len;
}

/* FNV-1a over code points, mixed at the end. */
static void
set_bit(unsigned char bits[EMBED_BITS / 8], const uint32_t *letters, size_t n, uint64_t seed)
{
	uint64_t h = 1469598103934665603ULL ^ seed;

	for (size_t i = 0; i < n; i++)
		h = (h ^ letters[i]) * 1099511628211ULL;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	bits[h % EMBED_BITS / 8] |= (unsigned char)(1 << (h % 8));
}

static void
add_word(unsigned char bits[EMBED_BITS / 8], const uint32_t *letters, size_t n)
{
	/* Of Chinese, Japanese and Korean a word is a piece: two letters. */
	size_t piece = letters[0] >= 0x2e80 ? n : 4;

	if (piece == 4)
		set_bit(bits, letters, n, 0);
	for (size_t i = 0; i + piece <= n; i++)
		set_bit(bits, letters + i, piece, 0x9e3779b97f4a7c15ULL);
}

void
embed_local(struct str words, char hex[EMBED_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bits[EMBED_BITS / 8] = { 0 };
	uint32_t letters[WORD_MAX];
	struct str word;

	while (words.n > 0) {
		size_t n = 0;

		words = str_cut(words, ' ', &word);
		while (word.n > 0 && n < WORD_MAX) {
			size_t len = utf8_next(word, &letters[n++]);

			word.p += len;
			word.n -= len;
		}
		add_word(bits, letters, n);
	}
	for (size_t i = 0; i < sizeof(bits); i++) {
		hex[2 * i] = digits[bits[i] >> 4];
		hex[2 * i + 1] = digits[bits[i] & 15];
	}
	hex[EMBED_HEX] = '\0';
}
