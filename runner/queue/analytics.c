/*
 * Publishes what waits for the topic `analytics` (0017_realtime.sql says why it waits), in batches. Every runner has one; the SQL
 * function lets one work at a time.
 */
#include <millrace/log.h>

#include "runner/runner.h"
#include "sql_runner.h"

#define WAIT_MS 100
#define RETRY_MS 1000
#define BATCH 1000

static pthread_t thread;
static atomic_bool ending;

/* How many were published; -1: the database did not do it. */
static int64_t
publish(struct arena *a)
{
	struct db *db = db_pool_take(me.pool);
	PGresult *res = NULL;
	int64_t n = -1;

	if (db_runner_analytics_publish(db, a, &res, BATCH) != ERR_OK ||
	    !str_int(sql_get(res, 0, 0), &n))
		log_warn("what is due for analytics could not be published");
	db_pool_give(me.pool, db);
	return n;
}

static void *
analytics_thread(void *arg)
{
	struct arena *a = arena_new();

	(void)arg;
	while (!atomic_load(&ending)) {
		int64_t n = publish(a);

		arena_reset(a);
		if (n < BATCH)
			sleep_ms(n < 0 ? RETRY_MS : WAIT_MS);
	}
	arena_free(a);
	return NULL;
}

void
analytics_start(void)
{
	thread_start(&thread, analytics_thread, NULL, true);
}

void
analytics_stop(void)
{
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
}
