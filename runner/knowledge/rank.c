#include <math.h>

#include "runner/knowledge/rank.h"
#include "runner/knowledge/stems.h"

#define LENGTH_COUNTS 0.6 /* BM25's b */
#define SATURATION 1.2 /* and its k1 */
#define HEADING_MOST 2
#define TITLE 0.7
#define EXACT 1
#define LENGTH_LEAST 0.5 /* of the usual one: shorter passages are no better */
#define WINDOW 3 /* sentences */
#define SENTENCES 32 /* of a passage that are told apart */
#define ELSEWHERE 0.35 /* in the passage, but not in the window */
#define MUCH_LIKE 0.45 /* a similarity */
#define A_LITTLE_LIKE 0.08
#define SLOTS ((size_t)4096) /* a power of two, more than twice QUESTION_TERMS */

/* The question's terms by their stems' numbers; those with the same number are a list. */
struct terms_by_hash {
	const struct question *q;
	uint32_t hash[SLOTS];
	uint16_t first[SLOTS]; /* a term's number and 1 */
	uint16_t next[QUESTION_TERMS];
};

/* What is counted of one passage, for each of the question's words; in sentences the best. */
struct counted {
	double body[2][QUESTION_WORDS], heading[2][QUESTION_WORDS], title[2][QUESTION_WORDS];
	double anywhere[QUESTION_WORDS];
	double sentence[SENTENCES][QUESTION_WORDS];
	struct window {
		double best, share, together;
	} best; /* of three sentences */
};

static size_t
slot_of(const struct terms_by_hash *t, uint32_t hash)
{
	size_t i = hash % SLOTS;

	while (t->hash[i] != 0 && t->hash[i] != hash)
		i = (i + 1) % SLOTS;
	return i;
}

static void
terms_by_hash(struct terms_by_hash *t, const struct question *q)
{
	t->q = q;
	for (size_t i = 0; i < q->n_terms; i++) {
		uint32_t hash = term_hash(q->term[i].text);
		size_t slot = slot_of(t, hash);

		t->hash[slot] = hash;
		t->next[i] = t->first[slot];
		t->first[slot] = (uint16_t)(i + 1);
	}
}

/* The next number, cut off the digits. */
static uint32_t
number_next(struct str *stems)
{
	uint32_t x = 0;

	for (int i = 0; i < 8 && stems->n > 0; i++) {
		unsigned char c = (unsigned char)*stems->p++;

		/* The lower half of '0' to '9' is their value, that of 'a' to 'f' 9 less. */
		x = x << 4 | ((c & 15U) + (c >> 6) * 9U);
		stems->n--;
	}
	return x;
}

static void
count(const struct terms_by_hash *t, uint32_t hash, double into[2][QUESTION_WORDS], double *here,
    double *anywhere)
{
	for (uint16_t i = t->first[slot_of(t, hash)]; i != 0; i = t->next[i - 1]) {
		const struct asked *x = &t->q->term[i - 1];

		into[0][x->word] += x->similar[SIMILAR_WORDNET];
		into[1][x->word] += x->similar[SIMILAR_PIVOT];
		if (here != NULL)
			here[x->word] = fmax(here[x->word], x->similar[SIMILAR_CONTEXT]);
		anywhere[x->word] = fmax(anywhere[x->word], x->similar[SIMILAR_CONTEXT]);
	}
}

/*
 * How much of the question the sentences that end with i have together, and the rest a little, by
 * the words' weight; its share by their number, and the share that they have a word a little like
 * of.
 */
static struct window
window(const struct question *q, const struct counted *c, size_t i)
{
	double here[QUESTION_WORDS] = { 0 }, trace[QUESTION_WORDS] = { 0 }, has = 0, all = 0;

	for (size_t w = 0; w < q->n; w++) {
		for (size_t k = 0; k < WINDOW && k <= i; k++)
			here[w] = fmax(here[w], c->sentence[i - k][w]);
		trace[w] = here[w] >= A_LITTLE_LIKE;
		here[w] = fmax(here[w], ELSEWHERE * c->anywhere[w]);
		has += q->idf[w] * here[w];
		all += q->idf[w];
	}
	return (struct window){ .best = all > 0 ? has / all : 0,
		.share = question_share(q, here),
		.together = question_share(q, trace) };
}

/* Counts one passage; what is beyond SENTENCES counts as one sentence. */
static void
count_all(const struct terms_by_hash *t, const struct candidate *of, struct counted *c)
{
	struct str rest = of->stems, title = of->title;
	uint32_t n = number_next(&rest);
	size_t i = 0;

	for (uint32_t k = 0; k < n && rest.n > 0; k++)
		count(t, number_next(&rest), c->heading, NULL, c->anywhere);
	(void)number_next(&title);
	while (title.n > 0)
		count(t, number_next(&title), c->title, NULL, c->anywhere);
	while (rest.n > 0) {
		uint32_t hash = number_next(&rest);

		if (hash != 0)
			count(t, hash, c->body, c->sentence[i], c->anywhere);
		else if (i + 1 < SENTENCES)
			i++;
	}
	for (size_t k = 0; k <= i; k++) {
		struct window w = window(t->q, c, k);

		if (w.best > c->best.best)
			c->best = w;
	}
}

static double
bm25(const struct question *q, const struct counted *c, int by, double length)
{
	double sum = 0;

	for (size_t i = 0; i < q->n; i++) {
		double g = c->body[by][i] / (1 - LENGTH_COUNTS + LENGTH_COUNTS * length) +
			   fmin(c->heading[by][i], HEADING_MOST) + TITLE * fmin(c->title[by][i], 1);

		sum += q->idf[i] * g * (SATURATION + 1) / (g + SATURATION);
	}
	return sum;
}

void
rank(struct arena *scratch, const struct question *q, double length, struct candidate *c, size_t n)
{
	struct terms_by_hash *t = arena_alloc(scratch, sizeof(*t));
	double(*s)[3] = arena_alloc(scratch, (n + 1) * sizeof(*s)), most[2] = { 1e-9, 1e-9 },
	most_exact = 1e-9;

	terms_by_hash(t, q);
	for (size_t i = 0; i < n; i++) {
		struct counted counted = { .best.best = 0 };
		double *fit = &s[i][2], len = (double)c[i].stems.n / 8;

		count_all(t, &c[i], &counted);
		*fit = counted.best.best;
		c[i].fit = counted.best.best;
		c[i].share = counted.best.share;
		c[i].together = counted.best.together;
		c[i].words = 0;
		for (size_t w = 0; w < q->n; w++)
			c[i].words |= (uint32_t)(counted.anywhere[w] >= MUCH_LIKE) << w;
		most_exact = fmax(most_exact, c[i].exact);
		for (int by = 0; by < 2; by++) {
			s[i][by] = bm25(
			    q, &counted, by, length > 0 ? fmax(len / length, LENGTH_LEAST) : 1);
			most[by] = fmax(most[by], s[i][by]);
		}
	}
	for (size_t i = 0; i < n; i++)
		c[i].score = s[i][0] / most[0] + s[i][1] / most[1] + s[i][2] +
			     EXACT * c[i].exact / most_exact;
}
