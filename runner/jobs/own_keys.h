/*
 * A user's own keys of providers: where their vault has one, the provider is asked with that, and
 * not with this server's. For a job's thread; asks the database, and blocks.
 */
#ifndef RUNNER_JOBS_OWN_KEYS_H
#define RUNNER_JOBS_OWN_KEYS_H

#include "runner/models/provider.h"

/*
 * Has the keys of the job's owner used by *first and those behind it, of which the vault has those
 * of these names, with blanks between; the copies are the job's arena's. ERR_OVERLOADED: one could
 * not be opened for now.
 */
MUST_CHECK enum err own_keys_use(struct job *j, const struct provider **first, struct str names);

#endif
