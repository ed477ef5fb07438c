#include "runner/knowledge/rank.h"
#include "runner/knowledge/stems.h"
#include "runner/knowledge/support.h"
#include "runner/knowledge/terms.h"
#include "runner/knowledge/words.h"

#define QUOTED 8 /* passages */
#define DEFINES 1.2 /* more than any sentence has that only has all words */

/* Does the sentence begin as one that says what the question's words are: "A mill is …"? */
static bool
is_definition(struct arena *scratch, const struct question *q, struct str sentence)
{
	static const char *const articles[] = { "a", "an", "the", "der", "die", "das", "ein",
		"eine", "le", "la", "les", "un", "une", "el", "los", "las", "una", NULL };
	static const char *const verbs[] = { "is", "are", "means", "ist", "sind", "bedeutet",
		"bezeichnet", "est", "sont", "es", "son", NULL };
	struct terms terms;
	struct str rest, word;
	size_t i = 0;

	terms_of(scratch, sentence, &terms);
	rest = str_cut(terms.words, ' ', &word);
	if (str_is_in(word, articles))
		rest = str_cut(rest, ' ', &word);
	for (; i < q->n && str_eq(word, q->word[i]); i++)
		rest = str_cut(rest, ' ', &word);
	return i > 0 && i == q->n && str_is_in(word, verbs);
}

static void
rate_one(struct arena *a, struct arena *scratch, const struct question *q, struct passage *p)
{
	struct candidate *c = arena_alloc(scratch, SUPPORT_MAX * sizeof(*c));
	struct str piece, rest = p->text;
	struct lexicon *l;
	struct terms terms;
	bool is_known;
	size_t n = 0;

	terms_of(scratch, p->text, &terms);
	l = lexicon_new(scratch, language_of(terms.words, &is_known));
	for (rest = quote_next(rest, &piece); piece.n > 0 && n < SUPPORT_MAX;
	     rest = quote_next(rest, &piece))
		c[n++] = (struct candidate){ .stems = passage_stems(scratch, l, S(""), piece) };
	rank(scratch, q, 0, c, n);
	p->support = arena_alloc(a, (n + 1) * sizeof(*p->support));
	for (size_t i = 0; i < n; i++)
		p->support[i] = c[i].fit;
	p->n_support = n;
	rest = p->text;
	for (size_t i = 0; i < n && q->what; i++) {
		rest = quote_next(rest, &piece);
		if (is_definition(scratch, q, piece))
			p->support[i] = DEFINES;
	}
}

void
support_rate(
    struct arena *a, struct arena *scratch, const struct question *q, struct passage *p, size_t n)
{
	for (size_t i = 0; i < n && i < QUOTED; i++)
		rate_one(a, scratch, q, &p[i]);
}
