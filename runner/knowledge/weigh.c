/*
 * What the words of a question weigh among its owner's passages, and how much of them somebody has.
 */
#include <math.h>

#include "runner/knowledge/question.h"

#define LIKELY 0.7 /* of the best similarity: another translation */
#define EVERYWHERE 0.35 /* of the passages that have a word: it tells nothing */
#define EVERYWHERE_LEAST 12 /* passages */
#define TOTAL_LEAST 100 /* passages: fewer do not tell how rare a word is */

static double
idf_of(double total, double passages)
{
	return log(1 + (fmax(total, passages) - passages + 0.5) / (passages + 0.5));
}

/*
 * A word that is in no passage weighs what the commonest does of those that it probably stands for,
 * by translation or as a slip, which would count for next to nothing beside a word that rare.
 */
static void
take_meant(const struct question *q, int64_t most[QUESTION_WORDS])
{
	bool foreign = q->language_known && q->language != LANGUAGE_ENGLISH;
	double best[QUESTION_WORDS] = { 0 };
	bool is_there[QUESTION_WORDS];

	for (size_t i = 0; i < q->n; i++)
		is_there[i] = most[i] > 0;
	for (size_t i = 0; i < q->n_terms; i++) {
		const struct asked *t = &q->term[i];

		if (!t->is_form && t->passages > 0 && (foreign || t->is_near))
			best[t->word] = fmax(best[t->word], t->similar[SIMILAR_CONTEXT]);
	}
	for (size_t i = 0; i < q->n_terms; i++) {
		const struct asked *t = &q->term[i];

		if (!is_there[t->word] && !t->is_form && (foreign || t->is_near) &&
		    t->similar[SIMILAR_CONTEXT] >= LIKELY * best[t->word] &&
		    t->passages > most[t->word])
			most[t->word] = t->passages;
	}
}

/* Which words are in so many passages that to have them says nothing; none where all are. */
static void
find_everywhere(struct question *q, const int64_t most[QUESTION_WORDS])
{
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++) {
		int64_t in = q->parts[i] != 0 ? INT64_MAX : 0;

		for (size_t k = 0; k < i; k++)
			if ((q->parts[i] >> k & 1) != 0 && most[k] < in)
				in = most[k];
		in = most[i] > in ? most[i] : in;
		q->everywhere[i] =
		    q->amount[i] || (double)in > fmax(EVERYWHERE * q->total, EVERYWHERE_LEAST);
		n += !q->part[i] && !q->everywhere[i];
	}
	for (size_t i = 0; i < q->n && n == 0; i++)
		q->everywhere[i] = false;
}

void
question_weigh(struct question *q, double total)
{
	int64_t most[QUESTION_WORDS] = { 0 };
	size_t n = 0;

	q->total = total;
	for (size_t i = 0; i < q->n_terms; i++)
		if (q->term[i].is_form && q->term[i].passages > most[q->term[i].word])
			most[q->term[i].word] = q->term[i].passages;
	find_everywhere(q, most);
	take_meant(q, most);
	total = fmax(total, TOTAL_LEAST);
	for (size_t i = 0; i < q->n; i++)
		q->idf[i] = idf_of(total, (double)most[i]);
	for (size_t i = 0; i < q->n_terms; i++) {
		struct asked t = q->term[i];
		double down = fmin(1, idf_of(total, (double)t.passages) / q->idf[t.word]);

		if (t.passages == 0 && !t.is_form)
			continue;
		for (int k = 0; k < SIMILAR_N && !t.is_form; k++)
			t.similar[k] *= down;
		q->term[n++] = t;
	}
	q->n_terms = n;
}

/* -- what somebody has of it -- */

/* How much of word i somebody has, or of the part that they have least of. */
static double
has_word(const struct question *q, const double has[QUESTION_WORDS], size_t i)
{
	double least = q->parts[i] != 0 ? 1 : 0;

	for (size_t k = 0; k < i; k++)
		if ((q->parts[i] >> k & 1) != 0)
			least = fmin(least, has[k]);
	return fmax(has[i], least);
}

double
question_share(const struct question *q, const double has[QUESTION_WORDS])
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < q->n; i++) {
		if (q->part[i] || q->everywhere[i])
			continue;
		sum += has_word(q, has, i);
		n++;
	}
	return n > 0 ? sum / (double)n : 0;
}
