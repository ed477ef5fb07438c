#include "runner/knowledge/terms.h"
#include "runner/knowledge/utf8.h"
#include "runner/knowledge/words.h"

/* The next of a text's terms, cut at WORD_LETTERS letters; 0 letters at their end. */
static size_t
word_next(struct str *terms, uint32_t letters[WORD_LETTERS])
{
	struct str word;
	size_t n = 0;

	if (terms->n == 0)
		return 0;
	*terms = str_cut(*terms, ' ', &word);
	while (word.n > 0 && n < WORD_LETTERS) {
		size_t len = utf8_next(word, &letters[n++]);

		word.p += len;
		word.n -= len;
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
words_of(struct arena *a, struct str text, struct words *out)
{
	struct terms terms;
	struct str rest;

	terms_of(a, text, &terms);
	rest = terms_asked(&terms);
	out->n = 0;
	while (out->n < WORDS_MAX) {
		size_t n = word_next(&rest, out->w[out->n].letters);
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

static uint32_t
words_among(const struct words *w, struct str terms)
{
	uint32_t letters[WORD_LETTERS], in = 0;
	size_t n;

	while ((n = word_next(&terms, letters)) > 0)
		for (size_t i = 0; i < w->n; i++)
			if (alike(letters, n, w->w[i].letters, w->w[i].n))
				in |= 1U << i;
	return in;
}

uint32_t
words_in(struct arena *a, const struct words *w, struct str text)
{
	struct terms terms;

	terms_of(a, text, &terms);
	return words_among(w, terms.words) | words_among(w, terms.more);
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
