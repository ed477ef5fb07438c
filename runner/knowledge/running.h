/*
 * Running heads and feet: what a document's program writes on each page, above and below its text.
 * They are found by many questions, and break the text where pages do. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_RUNNING_H
#define RUNNER_KNOWLEDGE_RUNNING_H

#include <millrace/arena.h>

/* A piece of a document: what stands under one mark ("page 3", "paragraph 12"). */
struct block {
	struct str mark, text;
};

/*
 * Takes them off the texts of pages: lines at the top, or at the bottom, that are the same on four
 * pages and more but for the page's number. The first page that has such a line keeps it, unless it
 * is nothing but the number.
 */
void running_cut(struct arena *a, struct block *blocks, size_t n);

#endif
