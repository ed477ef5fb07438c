#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/queue/sweep.h"
#include "runner/runner.h"
#include "runner/thread.h"
#include "sql_runner.h"

#define JOBS_MS 3000 /* between sweeps while there are jobs at work */
#define RETRY_MS 1000
#define AT_ONCE_MS 1
#define OAUTH_MOST_MS 30000
#define ANALYTICS_BATCH 1000
#define OLD_BATCH 1000 /* rows of a kind in one transaction */
#define FIGURES_BATCH 5000 /* leads, and messages, in one transaction */
#define WORKFLOWS_BATCH 500
#define MONEY_BATCH 200 /* reservations */
#define SCHEDULES_BATCH 50 /* that begin in one transaction */
#define DUE_MOST_MS 30000
#define TASKS_BATCH 5000 /* rows */
#define DELETION_BATCH 1000 /* rows */
#define DELETIONS_MOST 100 /* that take turns, a step each */

int64_t
sweep_jobs(struct db *db, struct arena *a, struct stop *stop)
{
	struct str lease = arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);
	PGresult *res = NULL;
	int64_t again = 0, ended = 0;

	(void)stop;
	if (db_runner_jobs_sweep(
		db, a, &res, lease, str_from(runner.provider), str_from(runner.model)) != ERR_OK)
		return JOBS_MS;
	if (str_int(sql_get(res, 0, 0), &again) && str_int(sql_get(res, 0, 1), &ended) &&
	    again + ended > 0)
		log_warn("sweep: jobs whose runner is gone", "again", sql_get(res, 0, 0).p, "ended",
		    sql_get(res, 0, 1).p);
	atomic_fetch_add(&counters.dead, ended);
	return sql_bool(res, 0, 2) ? JOBS_MS * 3 / 4 + jitter(JOBS_MS / 2) : PERIODIC_AS_TABLED;
}

void
sweep_jobs_soon(void)
{
	periodic_within(S("jobs"), JOBS_MS);
}

int64_t
sweep_money(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;

	(void)stop;
	if (db_runner_money_sweep(db, a, &res, str_from(runner.provider), str_from(runner.model),
		MONEY_BATCH) != ERR_OK) {
		log_warn("sweep: failed", "what", "reservations that have expired");
		return RETRY_MS;
	}
	return sql_bool(res, 0, 0) ? AT_ONCE_MS : PERIODIC_AS_TABLED;
}

/* When to look again where the next thing is due in `ms`: clocks may be set, and differ. */
static int64_t
until_due(int64_t ms)
{
	return ms <= 0 ? AT_ONCE_MS : ms < DUE_MOST_MS ? ms : DUE_MOST_MS;
}

int64_t
sweep_workflows(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;
	int64_t wait;

	(void)stop;
	if (db_runner_workflow_wake(db, a, &res, WORKFLOWS_BATCH) != ERR_OK) {
		log_warn("sweep: failed", "what", "workflows that wait");
		return RETRY_MS;
	}
	if (!str_int(sql_get(res, 0, 0), &wait))
		return PERIODIC_AS_TABLED;
	return until_due(wait);
}

int64_t
sweep_stripe(struct db *db, struct arena *a, struct stop *stop)
{
	(void)stop;
	if (!*config()->stripe_key)
		return PERIODIC_WHEN_WOKEN;
	if (db_runner_stripe_nightly(db, a, NULL) != ERR_OK) {
		log_warn("sweep: failed", "what", "the comparison with Stripe");
		return RETRY_MS;
	}
	return PERIODIC_AS_TABLED;
}

int64_t
sweep_old(struct db *db, struct arena *a, struct stop *stop)
{
	const struct config *c = config();
	PGresult *res = NULL;
	bool more = false;

	(void)stop;
	if (db_runner_old_sweep(db, a, &res, c->event_hours, c->idempotency_hours, c->run_days,
		c->notification_days, c->key_days, OLD_BATCH) == ERR_OK)
		more = sql_bool(res, 0, 0);
	else
		log_warn("sweep: failed", "what", "old rows");
	if (db_runner_usage_count(db, a, &res, OLD_BATCH) == ERR_OK)
		more = sql_bool(res, 0, 0) || more;
	else
		log_warn("sweep: failed", "what", "totals of what was used");
	if (db_runner_figures_roll(db, a, &res, FIGURES_BATCH) == ERR_OK)
		more = sql_bool(res, 0, 0) || more;
	else
		log_warn("sweep: failed", "what", "hours of figures");
	if (db_runner_denied_sweep(db, a, NULL) != ERR_OK)
		log_warn("sweep: failed", "what", "denied tokens that have ended");
	if (db_runner_resets_sweep(db, a, NULL) != ERR_OK)
		log_warn("sweep: failed", "what", "old links for new passwords");
	if (db_runner_invitations_sweep(db, a, NULL) != ERR_OK)
		log_warn("sweep: failed", "what", "invitations that nobody used");
	if (db_runner_oauth_sweep_old(db, a, NULL) != ERR_OK)
		log_warn("sweep: failed", "what", "sign-ins that came to nothing");
	return more ? AT_ONCE_MS : PERIODIC_AS_TABLED;
}

/* A step of one deletion. In how many milliseconds the next is due; INT64_MAX: it is done. */
static int64_t
deletion_step(struct db *db, struct arena *a, struct str kind, struct str thing)
{
	PGresult *res = NULL;
	struct uuid id;
	int64_t wait;

	if (!uuid_parse(thing, &id) ||
	    db_runner_deletion_step(db, a, &res, kind, id, DELETION_BATCH) != ERR_OK) {
		log_warn("deletion: a step failed", "what", kind.p, "id", thing.p);
		return RETRY_MS;
	}
	if (!str_int(sql_get(res, 0, 0), &wait))
		return INT64_MAX;
	return wait > 0 ? wait : AT_ONCE_MS;
}

int64_t
sweep_deletions(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;
	int64_t next = INT64_MAX;
	struct arena *step;

	if (db_runner_deletions_due(db, a, &res, DELETIONS_MOST) != ERR_OK) {
		log_warn("sweep: failed", "what", "what is to be deleted");
		return RETRY_MS;
	}
	step = arena_new();
	for (int i = 0; i < PQntuples(res) && stop_why(stop) == STOP_NOT; i++) {
		int64_t wait = deletion_step(db, step, sql_get(res, i, 0), sql_get(res, i, 1));

		arena_reset(step);
		next = wait < next ? wait : next;
	}
	arena_free(step);
	if (PQntuples(res) == DELETIONS_MOST)
		return AT_ONCE_MS;
	return next == INT64_MAX ? PERIODIC_AS_TABLED : next;
}

int64_t
sweep_schedules(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;
	int64_t wait;

	(void)stop;
	if (db_runner_schedule_fire(db, a, &res, SCHEDULES_BATCH, config()->queue_max) != ERR_OK) {
		log_warn("sweep: failed", "what", "what is due by the clock");
		return RETRY_MS;
	}
	if (!str_int(sql_get(res, 0, 0), &wait))
		return PERIODIC_AS_TABLED;
	return until_due(wait);
}

int64_t
sweep_tasks(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;

	(void)stop;
	if (db_runner_task_sweep(db, a, &res, TASKS_BATCH) != ERR_OK) {
		log_warn("sweep: failed", "what", "rows of tasks that have ended");
		return RETRY_MS;
	}
	return sql_bool(res, 0, 0) ? AT_ONCE_MS : PERIODIC_AS_TABLED;
}

int64_t
sweep_resets(struct db *db, struct arena *a, struct stop *stop)
{
	(void)stop;
	if (db_runner_resets_accept(db, a, NULL) == ERR_OK)
		return PERIODIC_AS_TABLED;
	log_warn("sweep: failed", "what", "requests for a new password");
	return RETRY_MS;
}

int64_t
sweep_oauth(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;
	int64_t n = 0, next = OAUTH_MOST_MS;

	(void)stop;
	if (db_runner_oauth_sweep(db, a, &res) != ERR_OK || !str_int(sql_get(res, 0, 0), &n)) {
		log_warn("sweep: failed", "what", "providers' tokens that are due");
		return RETRY_MS;
	}
	/* What is due next is as of before. */
	if (n > 0)
		return RETRY_MS;
	if (!str_int(sql_get(res, 0, 1), &next) || next >= OAUTH_MOST_MS)
		return PERIODIC_AS_TABLED;
	return next > AT_ONCE_MS ? next : RETRY_MS;
}

int64_t
sweep_analytics(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;
	int64_t n;

	(void)db;
	(void)stop;
	if (commit_runner_analytics_publish(a, &res, ANALYTICS_BATCH) != ERR_OK ||
	    !str_int(sql_get(res, 0, 0), &n)) {
		log_warn("sweep: failed", "what", "events for analytics");
		return RETRY_MS;
	}
	return n < ANALYTICS_BATCH ? PERIODIC_AS_TABLED : AT_ONCE_MS;
}
