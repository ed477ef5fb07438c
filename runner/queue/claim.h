/*
 * The main thread's work: listens for jobs, cancellations and periodic work, and claims jobs while
 * there are free slots.
 */
#ifndef RUNNER_QUEUE_CLAIM_H
#define RUNNER_QUEUE_CLAIM_H

#include "runner/queue/job.h"

/*
 * Waits for a predecessor of the same name to be gone, takes back what it held, and claims until
 * SIGTERM or SIGINT, which are blocked in all threads. Ends the process where another runner has
 * this one's name for twenty seconds.
 */
void claim_run(const struct job_kind *kinds);

#endif
