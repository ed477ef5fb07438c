/*
 * The thread that keeps the keys of Clerk and Supabase fresh in the database. It is there only where one of them is configured.
 */
#ifndef RUNNER_IDENTITY_JWKS_H
#define RUNNER_IDENTITY_JWKS_H

void jwks_start(void);
/* Ends and joins it, where it is there. */
void jwks_stop(void);
/* A worker has asked for keys; any thread may say so. */
void jwks_wake(void);

#endif
