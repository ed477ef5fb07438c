#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/queue/job.h"
#include "runner/queue/lease.h"
#include "runner/runner.h"
#include "sql_runner.h"

/*
 * Several heartbeats a lease; and often enough that a cancellation whose notification was lost is
 * noticed soon.
 */
static int64_t
every_ms(void)
{
	int64_t quarter = config()->lease_seconds * 1000 / 4;

	return quarter < 5000 ? quarter : 5000;
}

int64_t
lease_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct str_list runs = jobs_list(a, false);
	struct str lease = arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);
	PGresult *res = NULL;

	(void)stop;
	if (runs.n == 0)
		return PERIODIC_WHEN_WOKEN;
	if (db_runner_jobs_heartbeat(db, a, &res, str_from(runner.name), runs, lease) == ERR_OK)
		for (int i = 0; i < PQntuples(res); i++)
			job_stop_run(sql_get(res, i, 0),
			    str_eq(sql_get(res, i, 1), S("lost")) ? STOP_LOST : STOP_CANCELLED);
	return every_ms();
}

void
lease_wake(void)
{
	periodic_within(S("lease"), every_ms());
}
