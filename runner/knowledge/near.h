/*
 * The passages whose vectors are most like a question's: some hundreds by the signs of their
 * numbers alone, of these the best by all of them. A job's thread; asks the database, and blocks.
 */
#ifndef RUNNER_KNOWLEDGE_NEAR_H
#define RUNNER_KNOWLEDGE_NEAR_H

#include <millrace/db.h>

#include "runner/knowledge/retrieve.h"

#define NEAR_LOOK 300 /* passages whose vectors are compared */
#define NEAR_MOST 50 /* that are found */

struct near_passage {
	struct str id; /* the chunk's */
	double likeness; /* the cosine, -1 to 1 */
};

/* The best first. */
struct near {
	struct near_passage p[NEAR_LOOK];
	size_t n; /* at most NEAR_MOST */
};

/* `of_chatbot`: as of struct passages. All of it is the scratch arena's. */
MUST_CHECK enum err near_find(struct job *j, struct arena *scratch, const struct meaning *m,
    bool of_chatbot, struct near *out);

#endif
