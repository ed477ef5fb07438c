/*
 * A question as retrieval asks it: its words without those that every text has, the forms that each
 * is found by, and the words that mean much the same, by the thesaurus. How rare a word is among
 * its owner's passages, and so what it weighs, is told by whoever asks the database. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_QUESTION_H
#define RUNNER_KNOWLEDGE_QUESTION_H

#include <millrace/arena.h>

#include "runner/knowledge/language.h"

#define QUESTION_WORDS 32
#define QUESTION_TERMS 1536 /* forms and similar words together */

enum similarity { SIMILAR_WORDNET, SIMILAR_PIVOT, SIMILAR_CONTEXT, SIMILAR_N };

/* A form of a word of the question, or a word like it. */
struct asked {
	struct str text;
	size_t word; /* which of the question's */
	bool is_form; /* of that very word */
	bool is_near; /* what that word is perhaps a slip for */
	double similar[SIMILAR_N]; /* 1 where it is a form */
	int64_t passages; /* that have it; 0: none, or not known yet */
};

struct question {
	struct asked term[QUESTION_TERMS];
	size_t n_terms;
	struct str word[QUESTION_WORDS];
	bool name[QUESTION_WORDS]; /* written as one: a capital letter, or digits in it */
	bool exact[QUESTION_WORDS]; /* in capitals, or with digits: no slip for another word */
	bool everywhere[QUESTION_WORDS]; /* in so many passages that it tells nothing */
	bool amount[QUESTION_WORDS]; /* "much", "cost": what is asked for, and told by a number */
	bool part[QUESTION_WORDS]; /* of a word that follows: flood and gate of floodgate */
	uint32_t parts[QUESTION_WORDS]; /* the words that it is made of: a bit for each */
	bool known[QUESTION_WORDS]; /* to the thesaurus, or a slip for a word that passages have */
	double idf[QUESTION_WORDS];
	size_t n;
	double total; /* passages */
	bool fact; /* it asks who, when, how much, or which */
	bool how; /* how something is done */
	bool what; /* what something is */
	enum language language;
	bool language_known;
};

/* Takes the question apart. What it holds is the arena's. */
void question_read(struct arena *a, struct str text, struct question *q);

/*
 * Of words of this collection that begin as word i does, the forms of it that a slip of the
 * keyboard would make, where the word itself is in no passage.
 */
bool question_is_unknown(const struct question *q, size_t i);
void question_near(struct question *q, size_t i, struct str word, int64_t passages);

/*
 * With the terms' `passages` and the owner's total known: weighs words, drops terms that no passage
 * has, and lets those that are commoner than their word count less.
 */
void question_weigh(struct question *q, double total);

/*
 * How much of the question's words somebody has who has `has` of each, from 0 to 1: a word, or all
 * parts that it is made of. Words that are everywhere do not count, unless all are.
 */
double question_share(const struct question *q, const double has[QUESTION_WORDS]);

#endif
