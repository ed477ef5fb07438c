/*
 * Whether the best passages answer a question, as far as words tell: what they have of it, a few
 * features of that, and what these weigh. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_ANSWERED_H
#define RUNNER_KNOWLEDGE_ANSWERED_H

#include "runner/knowledge/rank.h"

/* What the best six passages have of a question (rank.h). */
struct covered {
	double fit; /* how much of it the best have in three sentences, from 0 to 1 */
	uint32_t by_best; /* a bit for each word that the one with most has, or one much like it */
	uint32_t by_any; /* and for those that one of them has */
	double together; /* the share that three of its sentences have a word a little like of */
	bool foreign; /* they are in another language than the question */
};

/* Of n candidates, best first; `text` is that of the first. */
void answered_by(struct arena *scratch, const struct question *q, struct candidate *const *best,
    size_t n, struct str text, struct covered *out);

/* What tells whether passages answer a question. Words are those that are not everywhere. */
enum feature {
	FEATURE_FIT, /* covered.fit */
	FEATURE_TOGETHER, /* covered.together */
	FEATURE_MISSING, /* the share of words that the best lacks, but for those that are alone */
	FEATURE_NONE, /* 1: the best has none of them */
	FEATURE_ALONE, /* words that neither passages nor the thesaurus have, up to two */
	FEATURE_NAMES, /* names among the words that are missing, up to two */
	FEATURE_FACT, /* 1: it asks who, when, how much, which or what, which words do not tell */
	FEATURE_HOW, /* 1: it asks how something is done */
	FEATURE_WORDS, /* how many it has, up to eight */
	FEATURE_PASSAGES, /* the logarithm of how many passages there are: among many, a few words
			     of any question always stand together */
	FEATURE_ONE, /* 1 */
	FEATURE_N
};
void answered_features(const struct question *q, const struct covered *by, double x[FEATURE_N]);
/* Whether these passages answer the question. */
bool answered(const struct covered *by, const double x[FEATURE_N]);

#endif
