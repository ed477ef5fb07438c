/*
 * What passages and questions mean, as vectors, by the model of MILLRACE_EMBEDDINGS. Passages are
 * embedded in the background, by a job for each user whose documents want vectors; documents are
 * ready without. Where the provider cannot embed, all of it rests for a while.
 */
#ifndef RUNNER_JOBS_MEANING_H
#define RUNNER_JOBS_MEANING_H

#include <millrace/db.h>

#include "runner/knowledge/retrieve.h"
#include "runner/queue/stop.h"

/* "embeddings" in the table of periodic work: makes these jobs. */
int64_t embeddings_run(struct db *db, struct arena *a, struct stop *stop);
/*
 * A question's vector, by a model that the owner's passages have vectors of, for retrieve(): the
 * first of two that answers. False: by none; the search then goes by words. Blocks the job's
 * thread, for some seconds at most.
 */
bool question_meaning(struct job *j, struct arena *a, struct str question, struct meaning *out);

#endif
