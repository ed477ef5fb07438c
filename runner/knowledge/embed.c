/*
 * Local embeddings: lexical vectors of hashed words and their four-letter pieces, so that word
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

uint32_t
fold_char(uint32_t c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + 32 : c;
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3ab && c != 0x3a2) ||
	    (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if (c >= 0x531 && c <= 0x556)
		return c + 48;
	/*
	 * Latin Extended-A and -B's pairs, Latin Extended Additional, Cyrillic's extensions:
	 * capital even, small odd (or vice versa).
	 */
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c & 1 ? c + 1 : c;
	if ((c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14a && c <= 0x177) ||
	    (c >= 0x1e00 && c <= 0x1eff) || (c >= 0x460 && c <= 0x481) ||
	    (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
		return c | 1;
	if (c == 0x178)
		return 0xff;
	/* Greek with tonos, and the final sigma. */
	if (c == 0x386)
		return 0x3ac;
	if (c >= 0x388 && c <= 0x38a)
		return c + 37;
	if (c == 0x38c)
		return 0x3cc;
	if (c == 0x38e || c == 0x38f)
		return c + 63;
	return c == 0x3c2 ? 0x3c3 : c;
}

bool
is_word_char(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
	/*
	 * Punctuation and symbols that texts have; everything else from afar is taken for letters.
	 */
	return !(c <= 0xbf && c != 0xaa && c != 0xb5 && c != 0xba) && c != 0xd7 && c != 0xf7 &&
	       !(c >= 0x2000 && c <= 0x2bff) && !(c >= 0x3000 && c <= 0x303f) &&
	       !(c >= 0xfe30 && c <= 0xfe6f) && !(c >= 0xff00 && c <= 0xff0f) && c != 0xfeff;
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
	/* Chinese, Japanese and Korean write words of one or two letters, and no spaces. */
	size_t piece = n > 0 && letters[0] >= 0x2e80 ? 2 : 4;

	if (n == 0)
		return;
	set_bit(bits, letters, n, 0);
	for (size_t i = 0; i + piece <= n; i++)
		set_bit(bits, letters + i, piece, 0x9e3779b97f4a7c15ULL);
}

void
embed_local(struct str text, char hex[EMBED_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bits[EMBED_BITS / 8] = { 0 };
	uint32_t word[WORD_MAX];
	size_t n = 0;

	while (text.n > 0) {
		uint32_t c;
		size_t len = utf8_next(text, &c);

		text.p += len;
		text.n -= len;
		if (is_word_char(c)) {
			/*
			 * What is longer is text without spaces: taken in runs that share their
			 * ends.
			 */
			if (n == WORD_MAX) {
				add_word(bits, word, n);
				memmove(word, word + WORD_MAX - 3, 3 * sizeof(*word));
				n = 3;
			}
			word[n++] = fold_char(c);
			continue;
		}
		add_word(bits, word, n);
		n = 0;
	}
	add_word(bits, word, n);
	for (size_t i = 0; i < sizeof(bits); i++) {
		hex[2 * i] = digits[bits[i] >> 4];
		hex[2 * i + 1] = digits[bits[i] & 15];
	}
	hex[EMBED_HEX] = '\0';
}
