/*
 * The index of passages: what an ingestion stores beside each, and the periodic work that indexes
 * documents again where a version of Millrace before this one has done it differently. Until then
 * their passages are found by what they have.
 */
#ifndef RUNNER_KNOWLEDGE_PASSAGE_INDEX_H
#define RUNNER_KNOWLEDGE_PASSAGE_INDEX_H

#include <millrace/arena.h>
#include <millrace/db.h>
#include <millrace/index.h>

#include "runner/queue/stop.h"

/*
 * Of a passage's text: the terms that full text finds it by, each once, separated by spaces, and
 * the bits of its local embedding in hexadecimal digits. Both are the arena's. Pure.
 */
void passage_index(struct arena *a, struct str text, struct str *words, struct str *bits);

/*
 * "index" in the table of periodic work: one document, some passages in each transaction; then the
 * others have three times as long. Another runner does what this one has not finished.
 */
int64_t passage_index_run(struct db *db, struct arena *a, struct stop *stop);

#endif
