/* A file that the database keeps. A job's thread; blocks. */
#ifndef RUNNER_JOBS_BLOB_H
#define RUNNER_JOBS_BLOB_H

#include "runner/queue/job.h"

/*
 * Writes the blob's `size` bytes into a descriptor, from its beginning. ERR_NOT_FOUND: it is not
 * there any more; ERR_CONFLICT: the stop is set; and those of statements.
 */
MUST_CHECK enum err blob_load(struct job *j, struct uuid blob, int64_t size, int file);

#endif
