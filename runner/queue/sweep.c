/*
 * The sweeper: gives every run its terminal event where a runner died, makes and drops the event log's partitions, deletes what is
 * kept for a time only, and keeps this process's row fresh. Every runner has one; the SQL functions let one work at a time.
 */
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "runner/models/provider.h"
#include "runner/runner.h"
#include "sql_runner.h"

#define SWEEP_MS 3000
#define SEEN_MS 5000
#define OLD_MS (60 * 1000)
#define MAIL_MS 1000

static pthread_t thread;
static atomic_bool ending;

static void
sweep_jobs(struct arena *a)
{
	struct str lease = arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);
	const struct provider *p = provider_default();
	struct db *db = db_pool_take(me.pool);
	PGresult *res = NULL;
	int64_t again = 0, ended = 0;

	if (db_runner_jobs_sweep(db, a, &res, lease, str_from(p->name), str_from(p->model())) ==
		ERR_OK &&
	    str_int(sql_get(res, 0, 0), &again) && str_int(sql_get(res, 0, 1), &ended) &&
	    again + ended > 0)
		log_warn("jobs whose runner is gone", "again", sql_get(res, 0, 0).p, "ended",
		    sql_get(res, 0, 1).p);
	db_pool_give(me.pool, db);
	atomic_fetch_add(&counters.dead, ended);
}

static void
sweep_old(struct arena *a)
{
	struct db *db = db_pool_take(me.pool);

	if (db_runner_old_sweep(db, a, NULL, config()->event_hours) != ERR_OK)
		log_warn("what is old could not be swept away");
	if (db_runner_denied_sweep(db, a, NULL) != ERR_OK)
		log_warn("denied tokens that have ended could not be swept away");
	if (db_runner_resets_sweep(db, a, NULL) != ERR_OK)
		log_warn("old links for new passwords could not be swept away");
	if (db_runner_oauth_sweep_old(db, a, NULL) != ERR_OK)
		log_warn("sign-ins that came to nothing could not be swept away");
	db_pool_give(me.pool, db);
}

/* Requests for a new password become mails here, apart from the requests themselves (0012_mail.sql says why). */
static void
take_resets(struct arena *a)
{
	struct db *db = db_pool_take(me.pool);

	if (db_runner_resets_take(db, a, NULL) != ERR_OK)
		log_warn("requests for a new password could not be looked at");
	db_pool_give(me.pool, db);
}

/* Providers' tokens that will end soon become jobs. */
static void
refresh_tokens(struct arena *a)
{
	struct db *db = db_pool_take(me.pool);

	if (db_runner_oauth_sweep(db, a, NULL) != ERR_OK)
		log_warn("providers' tokens that are due could not be looked at");
	db_pool_give(me.pool, db);
}

static void
seen(struct arena *a)
{
	struct db *db = db_pool_take(me.pool);

	if (db_runner_seen(db, a, NULL, str_from(process_host()), getpid(), S(MILLRACE_VERSION),
		str_from(process_started()), counters_json(a)) != ERR_OK)
		log_debug("the process row could not be written");
	db_pool_give(me.pool, db);
}

static void *
sweep_thread(void *arg)
{
	int64_t next_sweep = clock_ms() + jitter(SWEEP_MS), next_seen = 0,
		next_old = clock_ms() + jitter(OLD_MS / 4), next_mail = 0;
	struct arena *a = arena_new();

	(void)arg;
	while (!atomic_load(&ending)) {
		int64_t ms = clock_ms();

		if (ms >= next_seen) {
			seen(a);
			next_seen = clock_ms() + SEEN_MS;
		}
		if (ms >= next_sweep) {
			sweep_jobs(a);
			next_sweep = clock_ms() + SWEEP_MS * 3 / 4 + jitter(SWEEP_MS / 2);
		}
		if (ms >= next_mail) {
			take_resets(a);
			refresh_tokens(a);
			next_mail = clock_ms() + MAIL_MS * 3 / 4 + jitter(MAIL_MS / 2);
		}
		if (ms >= next_old) {
			sweep_old(a);
			next_old = clock_ms() + OLD_MS;
		}
		arena_reset(a);
		sleep_ms(100);
	}
	arena_free(a);
	return NULL;
}

void
sweep_start(void)
{
	thread_start(&thread, sweep_thread, NULL, true);
}

void
sweep_stop(void)
{
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
}
