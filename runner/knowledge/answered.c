#include <math.h>

#include "runner/knowledge/question.h"

/*
 * Whether a question is answered: by logistic regression on the questions of tests/bench/questions
 * over ten collections of 70 to 1,430 passages, about half of them without an answer. Which terms
 * it has was chosen by leaving one collection out at a time.
 */
#define ANSWER_SHARE 7.7
#define ANSWER_UNKNOWN 4.3 /* where no word is in any passage */
#define ANSWER_ALONE 4.15 /* for each that the thesaurus does not know, either */
#define ANSWER_NAME 2.3 /* for each other name that the best passage does not have */
#define ANSWER_NAMES 2
#define ANSWER_FACT 1.2 /* where it asks who, when, or how much: words do not tell that */
#define ANSWER_RARE 1.5 /* where the best passage has a name that hardly another has */
#define ANSWER_HOW 1.25 /* where it asks how something is done */
#define ANSWER_WHETHER 1.05 /* where yes or no answers it */
#define ANSWER_WORD 0.33 /* for each word of the question */
#define ANSWER_WORDS 8
#define ANSWER_PASSAGES 0.39 /* for each e-fold of passages */
#define ANSWER_PASSAGES_MOST 3000
#define ANSWER_LEAST 2.12
/* The same of one in another language, of whose words translations are never all there is. */
#define FOREIGN_SHARE 4.65
#define FOREIGN_TOGETHER 3.9 /* where three sentences have a translation of each, in part */
#define FOREIGN_WORD 0.9 /* for each word */
#define FOREIGN_LEAST 5.6

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

static bool
is_answered_in_translation(const struct question *q, const struct covered *by)
{
	double words = 0;

	for (size_t i = 0; i < q->n; i++)
		words += !q->part[i] && !q->everywhere[i];
	return FOREIGN_SHARE * by->share + FOREIGN_TOGETHER * by->together +
		   FOREIGN_WORD * fmin(words, ANSWER_WORDS) >=
	       FOREIGN_LEAST;
}

bool
question_is_answered(const struct question *q, const struct covered *by)
{
	double words = 0, unknown = 0, alone = 0, names = 0, rare = 0;

	if (by->foreign)
		return is_answered_in_translation(q, by);
	for (size_t i = 0; i < q->n; i++) {
		bool known, in_none = is_unknown(q, i, &known);

		if (q->part[i] || q->everywhere[i])
			continue;
		words++;
		in_none = in_none && !is_among(q, by->by_any, i);
		unknown += in_none;
		alone += in_none && !known;
		names += (known || !in_none) && q->name[i] && !is_among(q, by->by_best, i);
		rare += q->name[i] && is_among(q, by->by_best, i) &&
			q->idf[i] >= log(fmax(q->total, 2) / 3);
	}
	return ANSWER_SHARE * by->share - ANSWER_UNKNOWN * unknown / fmax(words, 1) -
		   ANSWER_ALONE * fmin(alone, ANSWER_NAMES) -
		   ANSWER_NAME * fmin(names, ANSWER_NAMES) - ANSWER_FACT * q->fact -
		   ANSWER_HOW * q->how + ANSWER_WHETHER * q->whether +
		   ANSWER_WORD * fmin(words, ANSWER_WORDS) + ANSWER_RARE * fmin(rare, 1) -
		   ANSWER_PASSAGES * log(fmin(fmax(q->total, 1), ANSWER_PASSAGES_MOST)) >=
	       ANSWER_LEAST;
}
