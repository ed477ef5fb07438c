/*
 * Cuts a document's text into passages of some 1,200 characters, at a paragraph or a sentence where
 * there is one. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_CHUNKER_H
#define RUNNER_KNOWLEDGE_CHUNKER_H

#include <millrace/str.h>

/*
 * Cuts the next passage off the text, without space around it (but tabs before it); empty at the
 * end. The rest is returned. Both stay in the text.
 */
struct str chunk_next(struct str text, struct str *passage);

#endif
