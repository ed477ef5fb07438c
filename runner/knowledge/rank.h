/*
 * How well passages answer a question, by their stems (stems.h): BM25 with headings and
 * title as fields, over the question's words and those like them, and how much of the question the
 * best three sentences of a passage have. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_RANK_H
#define RUNNER_KNOWLEDGE_RANK_H

#include "runner/knowledge/question.h"

struct candidate {
	struct str stems; /* hexadecimal digits, as passage_stems() gives them */
	struct str title; /* the stems of its document's names, the same way */
	double exact; /* how much of the question it has letter by letter, from 0 on */
	double score; /* greater is better; among these candidates only */
	double fit; /* how much of the question its best sentences have, weighed; from 0 to 1 */
	double share; /* of the question's words that its best sentences have, from 0 to 1 */
	uint32_t words; /* of the question: a bit for each that it has, or one much like it */
	double together; /* the share that these sentences have one a little like of */
};

/* Sets score, fit, share, words and together of each. `length` is how many stems a passage
 * of the owner's has. */
void rank(
    struct arena *scratch, const struct question *q, double length, struct candidate *c, size_t n);

#endif
