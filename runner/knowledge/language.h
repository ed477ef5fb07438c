/*
 * Languages of texts, for retrieval: which one, by its commonest words, those words themselves, and
 * what is left of a word without its ending (libstemmer). All words are terms (terms.h). Any
 * thread.
 */
#ifndef RUNNER_KNOWLEDGE_LANGUAGE_H
#define RUNNER_KNOWLEDGE_LANGUAGE_H

#include <millrace/arena.h>

enum language {
	LANGUAGE_ENGLISH,
	LANGUAGE_GERMAN,
	LANGUAGE_FRENCH,
	LANGUAGE_SPANISH,
	LANGUAGE_ITALIAN,
	LANGUAGE_PORTUGUESE,
	LANGUAGE_DUTCH,
	LANGUAGE_SWEDISH,
	LANGUAGE_RUSSIAN,
	LANGUAGE_N
};

/* The language whose common words are most among these terms; with none, *is_known is false. */
enum language language_of(struct str terms, bool *is_known);
/* Is it a word that stands in every text of the language, or one that asks? */
bool language_is_common(enum language l, struct str term);

/* A German term with ae, oe and ue as the umlauts that they may stand for, whose dots a term is
 * without; the arena's. */
struct str language_without_umlauts(struct arena *a, struct str term);

/* Ends the process where libstemmer, which the first stemmer loads, is not there. */
void stemmer_check(void);
/* For one language; the arena frees it. One thread at a time. */
struct stemmer;
struct stemmer *stemmer_new(struct arena *a, enum language l);
/* The stem of a term; valid until the next call. */
struct str stemmer_stem(struct stemmer *s, struct str term);

#endif
