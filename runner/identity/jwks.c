/*
 * The keys that Clerk's and Supabase's tokens are checked by: fetched at start, every
 * MILLRACE_JWKS_SECONDS, and when a worker has met one that it does not know. What comes back whole
 * replaces what was known; anything else changes nothing. The database says which runner's turn it
 * is.
 */
#include <millrace/config.h>
#include <millrace/external.h>
#include <millrace/jwk.h>
#include <millrace/log.h>

#include "runner/identity/jwks.h"
#include "runner/outside/http.h"
#include "sql_runner.h"

#define FETCH_MS 10000
#define DOCUMENT_MAX (256 * 1024) /* bytes */
#define WAIT_MIN_MS 1000
#define WAIT_MOST_MS 30000

static bool
is_ours_to_fetch(struct db *db, struct arena *a, struct str issuer)
{
	PGresult *res = NULL;

	return db_runner_jwks_claim(db, a, &res, issuer, config()->jwks_seconds,
		   config()->jwks_pause_seconds) == ERR_OK &&
	       sql_bool(res, 0, 0);
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
store(struct db *db, struct arena *a, const struct external_source *from, const struct jwk_set *set)
{
	PGresult *res = NULL;

	if (db_runner_jwks_store(db, a, &res, str_from(from->issuer), to_json(a, set)) != ERR_OK)
		log_warn("jwks: keys could not be stored", "provider", from->provider);
	else if (sql_bool(res, 0, 0))
		log_info("jwks: keys have changed", "provider", from->provider, "usable",
		    arena_printf(a, "%zu", set->n).p);
}

static void
refresh(struct db *db, struct arena *a, struct stop *stop, const struct external_source *from)
{
	struct http_request q = {
		.url = from->jwks_url, .reply_max = DOCUMENT_MAX, .within_ms = FETCH_MS
	};
	struct jwk_set *set = arena_alloc(a, sizeof(*set));
	enum http_end end;

	if (!is_ours_to_fetch(db, a, str_from(from->issuer)))
		return;
	end = http_call(stop, a, &q);
	if (end != HTTP_DONE || q.status != 200)
		log_warn("jwks: keys were not fetched; those that are known stay", "provider",
		    from->provider, "error",
		    end != HTTP_DONE ? q.error : arena_printf(a, "status %d", q.status).p);
	else if (jwks_parse(a, q.reply, set) != ERR_OK)
		log_warn("jwks: what came is no set of keys; those that are known stay", "provider",
		    from->provider);
	else
		store(db, a, from, set);
}

/* As often as keys are to be fetched, or asked for again after a failure. */
static int64_t
wait_ms(void)
{
	int64_t seconds = config()->jwks_seconds < config()->jwks_pause_seconds
			      ? config()->jwks_seconds
			      : config()->jwks_pause_seconds;
	int64_t wait = seconds * 1000 / 2;

	if (wait >= WAIT_MOST_MS)
		return PERIODIC_AS_TABLED;
	return wait > WAIT_MIN_MS ? wait : WAIT_MIN_MS;
}

int64_t
jwks_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct external_source sources[EXTERNAL_SOURCES];
	size_t n = external_sources(sources);

	for (size_t i = 0; i < n; i++)
		if (sources[i].jwks_url)
			refresh(db, a, stop, &sources[i]);
	return n > 0 ? wait_ms() : PERIODIC_WHEN_WOKEN;
}
