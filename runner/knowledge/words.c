#include "runner/knowledge/retrieve.h"
#include "runner/knowledge/words.h"

/* Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, and all of East Asia. */
static bool
is_unspaced(uint32_t c)
{
	return c >= 0x2e80 || (c >= 0xe00 && c <= 0xeff) || (c >= 0x1000 && c <= 0x109f) ||
	       (c >= 0x1780 && c <= 0x17ff);
}

/*
 * The next word of the text, folded; 0 letters at its end. Without spaces every two neighbours are
 * a word.
 */
static size_t
word_next(struct str *text, uint32_t letters[WORD_LETTERS])
{
	size_t n = 0;

	while (text->n > 0) {
		uint32_t c;
		size_t len = utf8_next(*text, &c);

		if (n > 0 && (!is_word_char(c) || is_unspaced(c) != is_unspaced(letters[0])))
			break;
		if (n == 1 && is_unspaced(c)) {
			letters[n++] = fold_char(c);
			break;
		}
		text->p += len;
		text->n -= len;
		if (is_word_char(c) && n < WORD_LETTERS)
			letters[n++] = fold_char(c);
	}
	return n;
}

static bool
alike(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
	size_t shorter = na < nb ? na : nb, same = 0;

	while (same < shorter && a[same] == b[same])
		same++;
	if (na == nb && same == na)
		return true;
	return shorter >= 4 && same * 4 >= (na > nb ? na : nb) * 3;
}

void
words_of(struct str text, struct words *out)
{
	out->n = 0;
	while (out->n < WORDS_MAX) {
		size_t n = word_next(&text, out->w[out->n].letters);
		bool known = false;

		if (n == 0)
			break;
		for (size_t i = 0; i < out->n; i++)
			known = known ||
				alike(out->w[i].letters, out->w[i].n, out->w[out->n].letters, n);
		if (known)
			continue;
		out->w[out->n++].n = n;
	}
}

uint32_t
words_in(const struct words *w, struct str text)
{
	uint32_t letters[WORD_LETTERS], in = 0;
	size_t n;

	while ((n = word_next(&text, letters)) > 0)
		for (size_t i = 0; i < w->n; i++)
			if (alike(letters, n, w->w[i].letters, w->w[i].n))
				in |= 1U << i;
	return in;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

/*
 * Does a sentence end after the character at i? An empty line, or a mark of its end with space
 * behind; "。" needs none.
 */
static bool
ends_after(struct str s, size_t i)
{
	if (s.p[i] == '\n')
		return i + 1 < s.n && s.p[i + 1] == '\n';
	if (s.p[i] == '.' || s.p[i] == '!' || s.p[i] == '?')
		return i + 1 < s.n && is_space(s.p[i + 1]) && (i < 2 || !is_space(s.p[i - 2]));
	return i >= 2 && memcmp(s.p + i - 2, "\xe3\x80\x82", 3) == 0;
}

struct str
sentence_next(struct str text, struct str *sentence)
{
	size_t n = 0;

	while (text.n > 0 && is_space(text.p[0])) {
		text.p++;
		text.n--;
	}
	while (n < text.n && !ends_after(text, n))
		n++;
	if (n < text.n)
		n++;
	*sentence = (struct str){ text.p, n };
	while (sentence->n > 0 && is_space(sentence->p[sentence->n - 1]))
		sentence->n--;
	return (struct str){ text.p + n, text.n - n };
}
