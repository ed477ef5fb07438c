#include "runner/knowledge/rank.h"
#include "runner/knowledge/stems.h"
#include "runner/knowledge/support.h"
#include "runner/knowledge/terms.h"
#include "runner/knowledge/words.h"

#define QUOTED 8 /* passages */

static void
rate_one(struct arena *a, struct arena *scratch, const struct question *q, struct passage *p)
{
	struct candidate *c = arena_alloc(scratch, SUPPORT_MAX * sizeof(*c));
	struct str piece, rest = p->text;
	struct stemmer *stemmer;
	struct terms terms;
	enum language l;
	bool is_known;
	size_t n = 0;

	terms_of(scratch, p->text, &terms);
	l = language_of(terms.words, &is_known);
	stemmer = stemmer_new(scratch, l);
	for (rest = quote_next(rest, &piece); piece.n > 0 && n < SUPPORT_MAX;
	     rest = quote_next(rest, &piece))
		c[n++] =
		    (struct candidate){ .stems = passage_stems(scratch, l, stemmer, S(""), piece) };
	rank(scratch, q, 0, c, n);
	p->support = arena_alloc(a, (n + 1) * sizeof(*p->support));
	for (size_t i = 0; i < n; i++)
		p->support[i] = c[i].fit;
	p->n_support = n;
}

void
support_rate(
    struct arena *a, struct arena *scratch, const struct question *q, struct passage *p, size_t n)
{
	for (size_t i = 0; i < n && i < QUOTED; i++)
		rate_one(a, scratch, q, &p[i]);
}
