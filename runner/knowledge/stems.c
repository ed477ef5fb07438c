#include "runner/knowledge/stems.h"
#include "runner/knowledge/terms.h"
#include "runner/knowledge/words.h"

uint32_t
term_hash(struct str stem)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < stem.n; i++)
		h = (h ^ (unsigned char)stem.p[i]) * 16777619U;
	h ^= h >> 16;
	return h != 0 ? h : 1;
}

/* Puts the stems of a text's terms; returns how many. */
static size_t
put_stems(struct buf *b, struct arena *scratch, enum language l, struct stemmer *s, struct str text)
{
	struct terms terms;
	struct str term;
	size_t n = 0;

	terms_of(scratch, text, &terms);
	while (terms.words.n > 0) {
		terms.words = str_cut(terms.words, ' ', &term);
		if (language_is_common(l, term))
			continue;
		buf_printf(b, "%08x", term_hash(stemmer_stem(s, term)));
		n++;
	}
	return n;
}

struct str
passage_stems(
    struct arena *a, enum language l, struct stemmer *s, struct str headings, struct str text)
{
	struct buf b = { .a = a }, of_headings = { .a = a };
	struct arena *scratch = arena_new();
	struct str sentence;

	buf_printf(&b, "%08zx", put_stems(&of_headings, scratch, l, s, headings));
	buf_put(&b, buf_str(&of_headings));
	for (text = sentence_next(text, &sentence); sentence.n > 0;
	     text = sentence_next(text, &sentence)) {
		if (put_stems(&b, scratch, l, s, sentence) > 0)
			buf_put(&b, S("00000000"));
		arena_reset(scratch);
	}
	arena_free(scratch);
	return buf_str(&b);
}
