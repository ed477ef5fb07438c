/*
 * What is sent with a request to an address that a user has given: a bearer token and headers,
 * whose values are secrets of the user's vault. For a job's thread; asks the database, and blocks.
 */
#ifndef RUNNER_JOBS_HEADERS_H
#define RUNNER_JOBS_HEADERS_H

#include "runner/queue/job.h"

/*
 * *lines: "NAME: VALUE" of each, NULL behind the last; the job's arena's, and for nobody's eyes.
 * `bearer`: the vault's key of a bearer token, or absent; `headers`: {"NAME": "the vault's key"} as
 * JSON. `purpose` is kept with each use. ERR_NOT_FOUND: the vault has one of them no more, or it
 * cannot stand in a header; *why (the arena's) names it for a person. ERR_OVERLOADED: not now.
 */
MUST_CHECK enum err headers_open(struct job *j, struct str bearer, struct str headers,
    const char *purpose, const char *const **lines, const char **why);

#endif
