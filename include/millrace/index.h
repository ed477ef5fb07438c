/* The version of the index of passages: what the runner writes, and millracectl counts by. */
#ifndef MILLRACE_INDEX_H
#define MILLRACE_INDEX_H

/*
 * One more with every change of what a passage is, or is found by (unicode_fold, terms_of,
 * index_document): documents of a lower one are indexed again in the background. 1: PostgreSQL's
 * parser has found the words; 2: passages have no stems; 3: pages have their running heads.
 */
#define INDEX_VERSION 4

#endif
