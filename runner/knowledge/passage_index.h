/*
 * The index of passages: how a document is cut and what is stored beside each passage, and the
 * periodic work that indexes documents again where a version of Millrace before this one has done
 * it differently. Until then their passages are found by what they have.
 */
#ifndef RUNNER_KNOWLEDGE_PASSAGE_INDEX_H
#define RUNNER_KNOWLEDGE_PASSAGE_INDEX_H

#include <millrace/arena.h>
#include <millrace/db.h>
#include <millrace/index.h>

#include "runner/knowledge/running.h"
#include "runner/queue/stop.h"

/* A document's passages in their order, as document_ready() takes them. */
struct index {
	struct arena *a; /* all is its */
	struct str title; /* the document's name and that of its file */
	struct str_list marks, headings, texts, carried, words, stems;
	size_t room;
	size_t characters; /* of the text, once */
};

/*
 * Cuts a document's blocks into passages (chunker.h) and indexes each; running heads go off the
 * blocks before. Paragraphs that follow each other are cut together. Pure.
 */
void index_document(struct index *x, struct block *blocks, size_t n);

/*
 * "index" in the table of periodic work: one document; then the others have three times as long.
 * Another runner does what this one has not finished.
 */
int64_t passage_index_run(struct db *db, struct arena *a, struct stop *stop);

/* "passages": sorts what was stored into the index of words, of several documents at once. */
int64_t passages_sort_run(struct db *db, struct arena *a, struct stop *stop);

#endif
