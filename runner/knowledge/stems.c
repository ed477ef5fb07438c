#include <stdio.h>
#include <stdlib.h>

#include <uthash.h>

#include "runner/knowledge/stems.h"
#include "runner/knowledge/terms.h"
#include "runner/knowledge/words.h"

#define WORDS_KEPT 50000 /* it begins anew behind a passage with so many: bounds its memory */

/* A term, or the stem of one with its mark. */
struct word {
	struct str text;
	/* Of a term, once it has come */
	bool is_known;
	bool is_common;
	char digits[9]; /* its stem's number */
	struct word *stem; /* NULL: is the term itself */
	size_t passage; /* the last one that it was put among the words of */
	UT_hash_handle hh;
};

struct lexicon {
	enum language language;
	struct arena *a; /* the words' */
	struct stemmer *stemmer;
	struct word *words;
	size_t passages; /* so far */
};

uint32_t
term_hash(struct str stem)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < stem.n; i++)
		h = (h ^ (unsigned char)stem.p[i]) * 16777619U;
	h ^= h >> 16;
	return h != 0 ? h : 1;
}

/* -- a lexicon -- */

static void
lexicon_free(void *p)
{
	struct lexicon *l = p;

	HASH_CLEAR(hh, l->words);
	arena_free(l->a);
}

struct lexicon *
lexicon_new(struct arena *a, enum language language)
{
	struct lexicon *l = arena_alloc(a, sizeof(*l));

	*l = (struct lexicon){
		.language = language, .a = arena_new(), .stemmer = stemmer_new(a, language)
	};
	arena_defer(a, lexicon_free, l);
	return l;
}

static void
bound(struct lexicon *l)
{
	if (HASH_COUNT(l->words) < WORDS_KEPT)
		return;
	HASH_CLEAR(hh, l->words);
	arena_reset(l->a);
}

static struct word *
word_of(struct lexicon *l, struct str text)
{
	struct word *w;

	HASH_FIND(hh, l->words, text.p, text.n, w);
	if (w != NULL)
		return w;
	w = arena_alloc(l->a, sizeof(*w));
	w->text = arena_str(l->a, text);
	HASH_ADD_KEYPTR(hh, l->words, w->text.p, w->text.n, w);
	return w;
}

static struct word *
term_word(struct lexicon *l, struct str term)
{
	struct word *w = word_of(l, term);
	struct str stem;

	if (w->is_known)
		return w;
	w->is_known = true;
	w->is_common = language_is_common(l->language, term);
	stem = stemmer_stem(l->stemmer, term);
	snprintf(w->digits, sizeof(w->digits), "%08x", term_hash(stem));
	if (!str_eq(stem, term))
		w->stem = word_of(l, arena_printf(l->a, STEM_MARK "%.*s", S_ARG(stem)));
	return w;
}

/* -- stems -- */

/* Puts the stems of a text's terms; returns how many. */
static size_t
put_stems(struct buf *b, struct arena *scratch, struct lexicon *l, struct str text)
{
	struct terms terms;
	struct str term;
	size_t n = 0;

	terms_of(scratch, text, &terms);
	while (terms.words.n > 0) {
		const struct word *w;

		terms.words = str_cut(terms.words, ' ', &term);
		w = term_word(l, term);
		if (w->is_common)
			continue;
		buf_put(b, (struct str){ w->digits, 8 });
		n++;
	}
	return n;
}

struct str
passage_stems(struct arena *a, struct lexicon *l, struct str headings, struct str text)
{
	struct buf b = { .a = a }, of_headings = { .a = a };
	struct arena *scratch = arena_new();
	struct str sentence;

	bound(l);
	buf_printf(&b, "%08zx", put_stems(&of_headings, scratch, l, headings));
	buf_put(&b, buf_str(&of_headings));
	for (text = sentence_next(text, &sentence); sentence.n > 0;
	     text = sentence_next(text, &sentence)) {
		if (put_stems(&b, scratch, l, sentence) > 0)
			buf_put(&b, S("00000000"));
		arena_reset(scratch);
	}
	arena_free(scratch);
	return buf_str(&b);
}

/* -- words -- */

/* The words of one passage. */
struct word_list {
	struct word **p;
	size_t n;
	size_t passage;
};

static int
in_order(const void *a, const void *b)
{
	struct str x = (*(struct word *const *)a)->text, y = (*(struct word *const *)b)->text;
	int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

	return c != 0 ? c : (x.n > y.n) - (x.n < y.n);
}

static void
list_add(struct word_list *list, struct word *w)
{
	if (w == NULL || w->passage == list->passage)
		return;
	w->passage = list->passage;
	list->p[list->n++] = w;
}

static void
list_add_terms(struct word_list *list, struct lexicon *l, struct str terms)
{
	struct str term;

	while (terms.n > 0) {
		struct word *w;

		terms = str_cut(terms, ' ', &term);
		w = term_word(l, term);
		list_add(list, w);
		list_add(list, w->stem);
	}
}

struct str
passage_words(struct arena *a, struct lexicon *l, struct str text)
{
	struct word_list list = { .passage = ++l->passages };
	struct arena *scratch = arena_new();
	struct buf b = { .a = a };
	struct terms t;

	bound(l);
	terms_of(scratch, text, &t);
	/* No term is shorter than a byte and a space, and each has a stem. */
	list.p = arena_alloc(scratch, (t.words.n + t.more.n + 2) * sizeof(struct word *));
	list_add_terms(&list, l, t.words);
	list_add_terms(&list, l, t.more);
	qsort(list.p, list.n, sizeof(struct word *), in_order);
	for (size_t i = 0; i < list.n; i++) {
		buf_put(&b, i > 0 ? S(" ") : S(""));
		buf_put(&b, list.p[i]->text);
	}
	arena_free(scratch);
	return buf_str(&b);
}
