/*
 * Rows of the periodic work that are a statement or two: jobs whose runner is gone, what is kept
 * for a time only, and what workers leave to be done apart from their requests. Every runner has
 * them; the SQL functions let one at a time work.
 */
#ifndef RUNNER_QUEUE_SWEEP_H
#define RUNNER_QUEUE_SWEEP_H

#include "runner/queue/periodic.h"

/* "jobs": gives every run its terminal event where a runner died. */
int64_t sweep_jobs(struct db *db, struct arena *a, struct stop *stop);
/* Somebody has jobs to do: they are swept for as often as that asks. */
void sweep_jobs_soon(void);
/* "money": tells what chats are answered with, and ends reservations and approvals that expired. */
int64_t sweep_money(struct db *db, struct arena *a, struct stop *stop);
/* Puts jobs of workflows back of which a step is due. */
int64_t sweep_workflows(struct db *db, struct arena *a, struct stop *stop);
/* Enqueues the comparison with Stripe, a day after the last one. */
int64_t sweep_stripe(struct db *db, struct arena *a, struct stop *stop);
/* "old": makes and drops the event log's partitions, deletes what is kept for a time only. */
int64_t sweep_old(struct db *db, struct arena *a, struct stop *stop);
/*
 * "deletions": what was deleted or erased goes, some rows of each in turn, a transaction each
 * (sql/functions/deletion.sql).
 */
int64_t sweep_deletions(struct db *db, struct arena *a, struct stop *stop);
/* "schedules": begins what is due by the clock (sql/functions/schedule.sql). */
int64_t sweep_schedules(struct db *db, struct arena *a, struct stop *stop);
/* "tasks": what tasks have read, and matches that others have replaced, go. */
int64_t sweep_tasks(struct db *db, struct arena *a, struct stop *stop);
/*
 * "resets": requests for a new password become mails, apart from the requests themselves, whose
 * time would tell of accounts.
 */
int64_t sweep_resets(struct db *db, struct arena *a, struct stop *stop);
/* "oauth": providers' tokens that will end soon become jobs. */
int64_t sweep_oauth(struct db *db, struct arena *a, struct stop *stop);
/*
 * "analytics": publishes what waits for the topic of that name; apart from what it tells of, so
 * that nobody waits for its lock.
 */
int64_t sweep_analytics(struct db *db, struct arena *a, struct stop *stop);

#endif
