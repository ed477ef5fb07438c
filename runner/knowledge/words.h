/*
 * Sentences and words of a text, for quoting what answers a question. Pure; an arena is for what is
 * in between.
 */
#ifndef RUNNER_KNOWLEDGE_WORDS_H
#define RUNNER_KNOWLEDGE_WORDS_H

#include <millrace/arena.h>

#define WORDS_MAX 32
#define WORD_LETTERS 32

/* The terms of a question (terms.h), each once. */
struct words {
	struct {
		uint32_t letters[WORD_LETTERS];
		size_t n;
	} w[WORDS_MAX];
	size_t n;
};

/* The first WORDS_MAX words of the text, cut at WORD_LETTERS letters each. */
void words_of(struct arena *a, struct str text, struct words *out);
/*
 * Which of the words stand in the text: a bit each. Words of four letters and more match by their
 * first three quarters.
 */
uint32_t words_in(struct arena *a, const struct words *w, struct str text);
/*
 * Cuts the next sentence off the text: *sentence gets it without space around, empty at the end;
 * the rest is returned. A heading is one, where an empty line follows it, or a longer line that
 * begins anew.
 */
struct str sentence_next(struct str text, struct str *sentence);
/* The same for what can be quoted by itself: the rows of a table each. */
struct str quote_next(struct str text, struct str *piece);
/* Does it end as a question? */
bool sentence_asks(struct str sentence);
/* That, or looks it like a heading? What follows says it. */
bool sentence_leads(struct str sentence);

#endif
