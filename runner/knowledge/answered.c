#include <math.h>

#include "runner/knowledge/answered.h"
#include "runner/knowledge/terms.h"

#define AMONG 6 /* of the best, one has to answer */
#define BEST_FITS 3 /* of these */
#define BEST_OF 25 /* passages for each of them */
#define WORDS_MOST 8
#define TOLD_APART 2 /* names, or words that nobody knows: more of them say no more */
#define PASSAGES_LEAST 150 /* fewer are no easier, and more were not measured */
#define PASSAGES_MOST 3000

/*
 * What each feature weighs where passages are in the question's language, and where they are in
 * another, of whose words translations are never all there is. tests/bench/answered has fitted
 * these, by logistic regression on ten collections, and says how each holds where it is left out.
 */
static const struct {
	double same, other;
} weights[FEATURE_N] = {
	[FEATURE_FIT] = { 7.70, 2.70 },
	[FEATURE_TOGETHER] = { 0, 3.71 },
	[FEATURE_MISSING] = { -3.13, 0 },
	[FEATURE_NONE] = { -100.00, 0 },
	[FEATURE_ALONE] = { -3.82, 0 },
	[FEATURE_NAMES] = { -2.40, 0 },
	[FEATURE_FACT] = { -1.97, -1.35 },
	[FEATURE_HOW] = { -2.34, 0 },
	[FEATURE_WORDS] = { 0.58, 0 },
	[FEATURE_PASSAGES] = { -0.85, 0 },
	[FEATURE_ONE] = { 2.54, -2.46 },
};

/* Is word i one of the words, or all its parts? */
static bool
is_among(const struct question *q, uint32_t words, size_t i)
{
	uint32_t parts = q->parts[i];

	return (words >> i & 1) != 0 || (parts != 0 && (words & parts) == parts);
}

/* Is no form of it in any passage? */
static bool
is_in_none(const struct question *q, size_t i)
{
	for (size_t k = 0; k < q->n_terms; k++)
		if (q->term[k].word == i && q->term[k].is_form && q->term[k].passages > 0)
			return false;
	return true;
}

/* The same of a word and, where it has parts, of one of these; *known to the thesaurus. */
static bool
is_unknown(const struct question *q, size_t i, bool *known)
{
	bool part_in_none = q->parts[i] == 0, parts_known = q->parts[i] != 0;

	for (size_t k = 0; k < i; k++)
		if ((q->parts[i] >> k & 1) != 0) {
			part_in_none = part_in_none || is_in_none(q, k);
			parts_known = parts_known && q->known[k];
		}
	*known = q->known[i] || parts_known;
	return part_in_none && is_in_none(q, i);
}

/*
 * How much of the question those of n passages have that have most of it, on average: three, and
 * fewer of few passages, of which one may say it all.
 */
static double
fit_of_best(struct candidate *const *c, size_t n, double passages)
{
	double most[BEST_FITS + 1] = { 0 }, sum = 0;
	size_t count = (size_t)fmin(fmax(passages / BEST_OF, 1), BEST_FITS);

	for (size_t i = 0; i < n; i++) {
		size_t k = BEST_FITS;

		for (; k > 0 && most[k - 1] < c[i]->fit; k--)
			most[k] = most[k - 1];
		most[k] = c[i]->fit;
	}
	count = count < n ? count : n;
	for (size_t k = 0; k < count; k++)
		sum += most[k];
	return sum / (double)count;
}

void
answered_by(struct arena *scratch, const struct question *q, struct candidate *const *best,
    size_t n, struct str text, struct covered *out)
{
	struct terms terms;
	enum language l;
	double share = -1;
	bool is_known;

	*out = (struct covered){ 0 };
	n = n < AMONG ? n : AMONG;
	for (size_t i = 0; i < n; i++) {
		if (best[i]->share > share) {
			share = best[i]->share;
			out->by_best = best[i]->words;
		}
		out->by_any |= best[i]->words;
		out->together = fmax(out->together, best[i]->together);
	}
	out->fit = fit_of_best(best, n, q->total);
	terms_of(scratch, text, &terms);
	l = language_of(terms.words, &is_known);
	out->foreign = q->language_known && is_known && l != q->language;
}

void
answered_features(const struct question *q, const struct covered *by, double x[FEATURE_N])
{
	double words = 0, missing = 0, alone = 0, names = 0;

	for (size_t i = 0; i < q->n; i++) {
		bool known, in_none = is_unknown(q, i, &known);

		if (q->part[i] || q->everywhere[i])
			continue;
		words++;
		if (is_among(q, by->by_best, i))
			continue;
		if (in_none && !known && !is_among(q, by->by_any, i)) {
			alone++;
		} else {
			missing++;
			names += q->name[i];
		}
	}
	x[FEATURE_FIT] = by->fit;
	x[FEATURE_TOGETHER] = by->together;
	x[FEATURE_MISSING] = missing / fmax(words, 1);
	x[FEATURE_NONE] = alone + missing == words;
	x[FEATURE_ALONE] = fmin(alone, TOLD_APART);
	x[FEATURE_NAMES] = fmin(names, TOLD_APART);
	x[FEATURE_FACT] = q->fact || q->what;
	x[FEATURE_HOW] = q->how;
	x[FEATURE_WORDS] = fmin(words, WORDS_MOST);
	x[FEATURE_PASSAGES] = log(fmin(fmax(q->total, PASSAGES_LEAST), PASSAGES_MOST));
	x[FEATURE_ONE] = 1;
}

bool
answered(const struct covered *by, const double x[FEATURE_N])
{
	double sum = 0;

	for (size_t i = 0; i < FEATURE_N; i++)
		sum += x[i] * (by->foreign ? weights[i].other : weights[i].same);
	return sum >= 0;
}
