/*
 * The keys that Clerk's and Supabase's tokens are checked by: fetched at start, every MILLRACE_JWKS_SECONDS, and when a worker has met
 * one that it does not know. What comes back whole replaces what was known; anything else changes nothing. Every runner has this
 * thread; the database says whose turn it is.
 */
#include <pthread.h>
#include <stdatomic.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/external.h>
#include <millrace/jwk.h>
#include <millrace/log.h>

#include "runner/identity/jwks.h"
#include "runner/outside/fetch.h"
#include "runner/runner.h"
#include "sql_runner.h"

#define LOOK_MS 2000
#define FETCH_MS 10000
#define DOCUMENT_MAX (256 * 1024) /* bytes */

static pthread_t thread;
static bool is_running;
static atomic_bool ending, woken;

static bool
is_ours_to_fetch(struct arena *a, struct str issuer)
{
	struct db *db = db_pool_take(me.pool);
	PGresult *res = NULL;
	enum err e = db_runner_jwks_claim(
	    db, a, &res, issuer, config()->jwks_seconds, config()->jwks_pause_seconds);

	db_pool_give(me.pool, db);
	return e == ERR_OK && sql_bool(res, 0, 0);
}

static struct str
to_json(struct arena *a, const struct jwk_set *set)
{
	struct buf b = { .a = a };

	buf_put(&b, S("["));
	for (size_t i = 0; i < set->n; i++) {
		buf_put(&b, i > 0 ? S(",{\"kid\":") : S("{\"kid\":"));
		buf_json(&b, set->keys[i].kid);
		buf_printf(&b, ",\"jwk\":%s}", set->keys[i].json.p);
	}
	buf_put(&b, S("]"));
	return buf_str(&b);
}

static void
store(struct arena *a, const struct external_source *from, const struct jwk_set *set)
{
	struct db *db = db_pool_take(me.pool);
	PGresult *res = NULL;
	enum err e = db_runner_jwks_store(db, a, &res, str_from(from->issuer), to_json(a, set));

	db_pool_give(me.pool, db);
	if (e != ERR_OK)
		log_warn("fetched keys could not be stored", "provider", from->provider);
	else if (sql_bool(res, 0, 0))
		log_info("keys have changed", "provider", from->provider, "usable",
		    arena_printf(a, "%zu", set->n).p);
}

static void
refresh(struct arena *a, const struct external_source *from)
{
	struct fetch f = {
		.url = from->jwks_url, .most = DOCUMENT_MAX, .within_ms = FETCH_MS, .stop = &ending
	};
	struct jwk_set *set = arena_alloc(a, sizeof(*set));

	if (!is_ours_to_fetch(a, str_from(from->issuer)))
		return;
	if (!fetch(a, &f))
		log_warn("keys could not be fetched; those that are known stay", "provider",
		    from->provider, "error", f.error);
	else if (jwks_parse(a, f.body, set) != ERR_OK)
		log_warn("what came is no set of keys; those that are known stay", "provider",
		    from->provider);
	else
		store(a, from, set);
}

static void *
jwks_thread(void *arg)
{
	struct external_source sources[EXTERNAL_SOURCES];
	size_t n = external_sources(sources);
	struct arena *a = arena_new();
	int64_t next = 0;

	(void)arg;
	while (!atomic_load(&ending)) {
		if (atomic_exchange(&woken, false) || clock_ms() >= next) {
			for (size_t i = 0; i < n; i++)
				if (sources[i].jwks_url)
					refresh(a, &sources[i]);
			next = clock_ms() + LOOK_MS * 3 / 4 + jitter(LOOK_MS / 2);
		}
		arena_reset(a);
		sleep_ms(100);
	}
	arena_free(a);
	return NULL;
}

void
jwks_wake(void)
{
	atomic_store(&woken, true);
}

void
jwks_start(void)
{
	struct external_source sources[EXTERNAL_SOURCES];

	is_running = external_sources(sources) > 0;
	if (is_running)
		thread_start(&thread, jwks_thread, NULL, true);
}

void
jwks_stop(void)
{
	atomic_store(&ending, true);
	if (is_running)
		pthread_join(thread, NULL);
}
