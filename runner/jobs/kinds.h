/*
 * The kinds of job: one table, one function each, a file a kind. A function runs in the job's
 * thread, may block for as long as the work takes, and returns how it came out; what it needs is
 * the job's arena's.
 */
#ifndef RUNNER_JOBS_KINDS_H
#define RUNNER_JOBS_KINDS_H

#include "runner/queue/job.h"

/* A job whose kind is not here is left to a newer runner. */
extern const struct job_kind job_kinds[];

struct outcome chat_run(struct job *j);
struct outcome ingest_run(struct job *j);
struct outcome mail_run(struct job *j);
struct outcome oauth_run(struct job *j);
struct outcome search_run(struct job *j);

#endif
