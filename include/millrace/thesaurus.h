/*
 * The thesaurus: which words mean much the same, by their stems. millrace-thesaurus makes the file
 * when Millrace is built, from the dictionaries that are installed; the runner maps it, and finds
 * less without. The file is in the machine's own byte order, since it is made where it is read:
 * a header, the end of each word in the text, for each relation the end of each word's pairs and
 * the pairs, then the words themselves, sorted, one after the other.
 */
#ifndef MILLRACE_THESAURUS_H
#define MILLRACE_THESAURUS_H

#include <stdint.h>

#define THESAURUS_MAGIC 0x3153544dU /* "MTS1" */

enum thesaurus_relation {
	THESAURUS_WORDNET, /* English words by WordNet: synonyms, kinds of, derived, explained by */
	THESAURUS_PIVOT, /* English words with translations in common */
	THESAURUS_FOREIGN, /* German, French and Spanish words to English ones */
	THESAURUS_N
};

struct thesaurus_header {
	uint32_t magic;
	uint32_t n_words;
	uint32_t n_pairs[THESAURUS_N];
	uint32_t text_len;
};

/* A pair is the other word's number and how much alike they are, in 255ths. */
#define THESAURUS_PAIR(word, weight) ((uint32_t)(word) << 8 | (uint32_t)(weight))

#endif
