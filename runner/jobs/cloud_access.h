/*
 * A user's access to their files at a service (runner/outside/cloud.h), by the tokens of their
 * sign-in. A job's thread; blocks.
 */
#ifndef RUNNER_JOBS_CLOUD_ACCESS_H
#define RUNNER_JOBS_CLOUD_ACCESS_H

#include "runner/outside/cloud.h"
#include "runner/queue/job.h"

/*
 * Calls `use` with the access of the job's owner, and once more with a new token where the one that
 * is kept has ended or is not taken any more. Its errors are use's, and ERR_NOT_CONNECTED where the
 * user has not signed in by the provider, or has to again; *why (the arena's) says it to a person.
 * `within_ms`: no request begins later.
 */
MUST_CHECK enum err cloud_use(struct job *j, const struct cloud_service *s, int64_t within_ms,
    enum err (*use)(struct cloud *c, void *arg), void *arg, const char **why);

#endif
