/* What a passage is found and ranked by. Pure. */
#ifndef RUNNER_KNOWLEDGE_STEMS_H
#define RUNNER_KNOWLEDGE_STEMS_H

#include "runner/knowledge/language.h"

/*
 * The terms of a document, whose language is known: what is stored of each is worked out once,
 * however often it comes. The arena frees it. One thread at a time.
 */
struct lexicon;
struct lexicon *lexicon_new(struct arena *a, enum language l);

/*
 * The stems of a passage, by which it is ranked: 8 hexadecimal digits for each (term_hash), first
 * the number of those in headings, then these, then the text's, with 0 between its sentences.
 * Common words are left out.
 */
struct str passage_stems(struct arena *a, struct lexicon *l, struct str headings, struct str text);
/*
 * What a passage is found by: all terms, and their stems where these differ, each once and with a
 * space between any two, in the order of their bytes.
 */
struct str passage_words(struct arena *a, struct lexicon *l, struct str text);

/* What stands before a stem among the words that a passage is found by. */
#define STEM_MARK "~"
/* A stem's number, never 0. */
uint32_t term_hash(struct str stem);

#endif
