/* The heart: one thread that prolongs the leases of all running jobs in one statement and hears which were lost or cancelled. */
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/runner.h"
#include "sql_runner.h"

static pthread_t thread;
static atomic_bool ending;

static void
beat(struct db *db)
{
	struct arena *a = arena_new();
	struct str_list runs = jobs_list(a);
	struct str lease = arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);
	PGresult *res = NULL;

	if (runs.n > 0 &&
	    db_runner_jobs_heartbeat(db, a, &res, str_from(me.name), runs, lease) == ERR_OK)
		for (int i = 0; i < PQntuples(res); i++)
			job_tell_run(sql_get(res, i, 0),
			    str_eq(sql_get(res, i, 1), S("lost")) ? STOP_LOST : STOP_CANCELLED);
	arena_free(a);
}

static void *
heart_thread(void *arg)
{
	struct db *db = db_open("millrace_runner", "runner heart");
	/* Several beats a lease; and often enough that a cancellation whose notification was missed is heard soon. */
	int64_t every =
	    config()->lease_seconds * 1000 / 4 < 5000 ? config()->lease_seconds * 1000 / 4 : 5000;
	int64_t next = clock_ms() + every;

	(void)arg;
	while (!atomic_load(&ending)) {
		sleep_ms(100);
		if (clock_ms() < next)
			continue;
		next = clock_ms() + every;
		beat(db);
	}
	db_close(db);
	return NULL;
}

void
lease_start(void)
{
	thread_start(&thread, heart_thread, NULL, true);
}

void
lease_stop(void)
{
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
}
