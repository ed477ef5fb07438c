/* Keeps the keys of Clerk and Supabase fresh in the database, where one of them is configured. */
#ifndef RUNNER_IDENTITY_JWKS_H
#define RUNNER_IDENTITY_JWKS_H

#include "runner/queue/periodic.h"

/* The row "jwks" of the periodic work; asks other hosts. */
int64_t jwks_run(struct db *db, struct arena *a, struct stop *stop);

#endif
