/*
 * The heartbeat: prolongs the leases of all running jobs in one statement, and learns which were
 * lost or cancelled. Any thread.
 */
#ifndef RUNNER_QUEUE_LEASE_H
#define RUNNER_QUEUE_LEASE_H

#include "runner/queue/periodic.h"

/* The row "lease" of the periodic work; it stands apart. */
int64_t lease_run(struct db *db, struct arena *a, struct stop *stop);
/* Jobs were begun: the heartbeat goes on where it slept. */
void lease_wake(void);

#endif
