/* Which of a passage's sentences answer a question, as far as words and those like them tell. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_SUPPORT_H
#define RUNNER_KNOWLEDGE_SUPPORT_H

#include "runner/knowledge/question.h"
#include "runner/knowledge/retrieve.h"

/*
 * Sets `support` of the first passages of n, as many as are ever quoted: how much of the weighed
 * question each of their pieces has (quote_next), which is a's. What is in between is scratch's.
 */
void support_rate(
    struct arena *a, struct arena *scratch, const struct question *q, struct passage *p, size_t n);

#endif
