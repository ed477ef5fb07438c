/* What a passage is ranked by. Pure. */
#ifndef RUNNER_KNOWLEDGE_STEMS_H
#define RUNNER_KNOWLEDGE_STEMS_H

#include "runner/knowledge/language.h"

/*
 * The stems of a passage, by which it is ranked: 8 hexadecimal digits for each (term_hash), first
 * the number of those in headings, then these, then the text's, with 0 between its sentences.
 * Common words are left out.
 */
struct str passage_stems(
    struct arena *a, enum language l, struct stemmer *s, struct str headings, struct str text);
/* What stands before a stem among the words that a passage is found by. */
#define STEM_MARK "~"
/* A stem's number, never 0. */
uint32_t term_hash(struct str stem);

#endif
