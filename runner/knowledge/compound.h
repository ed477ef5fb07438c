/*
 * German compounds, which no dictionary has all of: Papiergröße is a size of paper. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_COMPOUND_H
#define RUNNER_KNOWLEDGE_COMPOUND_H

#include <millrace/arena.h>

/*
 * The two words that a term is made of, where the thesaurus knows both, and not the term itself; of
 * several ways the one whose shorter part is longest. Those are parts of `term`, without letters
 * that join them and change the stem.
 */
bool compound_split(struct arena *a, struct str term, struct str part[2]);

#endif
