#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/container/container.h"
#include "runner/runner.h"
#include "sql_runner.h"

#define RETRY_MS 10000
#define AT_ONCE_MS 1
#define VERDICT_MS \
	30000 /* how long what was found to be done is so: container_takes() allows more */

static void
set_status(struct db *db, struct arena *a, struct uuid owner, struct str status)
{
	if (db_runner_container_is(db, a, NULL, owner, status) != ERR_OK)
		log_warn("container: its status could not be stored", "user", owner.text);
}

static void
remove_orphan(struct engine *e, const struct uuid *owner)
{
	enum engine_end end = engine_remove(e, owner, true);

	if (end == ENGINE_DONE)
		end = engine_forget(e, owner);
	if (end == ENGINE_DONE)
		log_info("container: removed what was nobody's", "user", owner->text);
	else
		log_warn("container: nobody's, and cannot be removed", "user", owner->text, "error",
		    e->why);
}

enum engine_end
container_start(struct engine *e, const struct uuid *owner, struct str *status)
{
	enum engine_end end = engine_run(e, owner);

	*status = end == ENGINE_DONE	  ? S("running")
		  : end == ENGINE_STOPPED ? S("stopped")
					  : S("failed");
	if (end == ENGINE_DONE)
		atomic_fetch_add(&counters.containers, 1);
	else if (end != ENGINE_STOPPED)
		atomic_fetch_add(&counters.container_errors, 1);
	return end;
}

static void
start(struct db *db, struct engine *e, struct uuid owner)
{
	struct str status;
	enum engine_end end = container_start(e, &owner, &status);

	if (end != ENGINE_DONE && end != ENGINE_STOPPED)
		log_warn("container: not started", "user", owner.text, "error", e->why);
	set_status(db, e->a, owner, status);
}

/*
 * What cannot be stopped now stays so, and is tried again. A command of a runner that is gone has
 * ended with its container.
 */
static void
stop_one(struct db *db, struct engine *e, struct uuid owner)
{
	if (engine_remove(e, &owner, false) != ENGINE_DONE ||
	    db_runner_command_clear(db, e->a, NULL, owner, (struct uuid){ 0 }) != ERR_OK)
		log_warn("container: not stopped", "user", owner.text, "error", e->why);
	else
		set_status(db, e->a, owner, S("stopped"));
}

static void
act(struct db *db, struct engine *e, struct uuid owner, struct str action)
{
	if (str_eq(action, S("remove")))
		remove_orphan(e, &owner);
	else if (str_eq(action, S("start")))
		start(db, e, owner);
	else
		stop_one(db, e, owner);
}

/* At a runner's start, and once more where it comes to be missing. */
static void
look_for_image(struct engine *e)
{
	static bool is_missing;
	enum engine_end end = engine_image(e);

	if (end == ENGINE_MISSING && !is_missing)
		log_warn("container: the engine has no such image; millracectl container image "
			 "makes it",
		    "image", config()->container_image);
	if (end == ENGINE_DONE || end == ENGINE_MISSING)
		is_missing = end == ENGINE_MISSING;
}

static struct str
interval(struct arena *a, int64_t ms)
{
	return arena_printf(a, "%lld milliseconds", (long long)ms);
}

int64_t
containers_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct engine e = { .stop = stop, .a = a };
	bool is_active = *config()->container_socket != '\0';
	int64_t began = clock_ms(), found;
	struct engine_list seen;
	PGresult *res = NULL;
	struct uuid owner;
	int n;

	if (db_runner_container_engine(db, a, &res, is_active, config()->containers) != ERR_OK)
		return RETRY_MS;
	if (!is_active)
		return PERIODIC_WHEN_WOKEN;
	e.installation = sql_get(res, 0, 0);
	look_for_image(&e);
	began = clock_ms();
	if (engine_look(&e, &seen) != ENGINE_DONE) {
		log_warn("container: the engine does not answer", "error", e.why);
		return RETRY_MS;
	}
	if (db_runner_container_sweep(db, a, &res, seen.running, seen.containers, seen.volumes,
		interval(a, clock_ms() - began),
		interval(a, config()->container_idle_seconds * 1000)) != ERR_OK)
		return RETRY_MS;
	n = PQntuples(res);
	found = clock_ms();
	for (int i = 0; i < n && stop_why(stop) == STOP_NOT && clock_ms() - found < VERDICT_MS; i++)
		if (uuid_parse(sql_get(res, i, 0), &owner))
			act(db, &e, owner, sql_get(res, i, 1));
	return n > 0 && sql_bool(res, n - 1, 2) ? AT_ONCE_MS : PERIODIC_AS_TABLED;
}
