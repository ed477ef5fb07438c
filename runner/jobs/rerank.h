/*
 * Which of the passages that a search has found answer the question, by a model's choice in one
 * short call (MILLRACE_RERANK). Blocks the job's thread for MILLRACE_RERANK_MS at most.
 */
#ifndef RUNNER_JOBS_RERANK_H
#define RUNNER_JOBS_RERANK_H

#include "runner/knowledge/retrieve.h"

/*
 * The places of those in `from`, best first, each once; returns how many. 0 where the model does
 * not answer in time, or with anything but numbers of them.
 */
size_t rerank_choose(struct job *j, struct arena *a, struct str question,
    const struct passages *from, size_t places[PASSAGES_MAX]);

#endif
