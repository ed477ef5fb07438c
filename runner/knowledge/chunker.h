/*
 * Cuts a document's text into passages: at most 1,800 characters, at a heading where the passage
 * has some already, else between paragraphs or sentences; where a paragraph is cut, its next
 * passage begins with the sentences before, of 200 characters at most. Headings are found by their
 * looks: numbered, underlined, or short and above text. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_CHUNKER_H
#define RUNNER_KNOWLEDGE_CHUNKER_H

#include <millrace/arena.h>

#define CHUNK_LEVELS 4 /* of headings */

struct chunker {
	struct arena *a;
	struct str text; /* what is to be cut; set it, with at = 0, for the next */
	size_t at; /* where the next passage begins */
	size_t carried; /* how many bytes of it the passage before has, too */
	struct str path[CHUNK_LEVELS]; /* the headings that `at` stands under; absent: none */
};

struct chunk {
	struct str text; /* in the chunker's text */
	size_t carried; /* characters at its beginning that the passage before ends with */
	struct str heading; /* the headings that it stands under, " › " between them */
	struct str inside; /* those that follow in it, a line each */
};

/* Cuts the next passage; false at the text's end. Its headings are the arena's. */
bool chunk_next(struct chunker *c, struct chunk *out);

#endif
