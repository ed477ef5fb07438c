/*
 * The keys that external tokens are checked by: a copy of the database's in this worker, read anew on each connect, when the runner
 * says that they have changed, and every minute. No request waits for them.
 */
#include <millrace/config.h>
#include <millrace/external.h>

#include "fcgi/worker.h"

extern const struct query query_jwks_keys;
extern const struct query query_jwks_ask;

#define EVERY_US (60 * (int64_t)1000000)
#define ASK_US (1 * (int64_t)1000000) /* of one worker; the database has the limit for all */

static bool
are_needed(void)
{
	struct external_source sources[EXTERNAL_SOURCES];

	return external_sources(sources) > 0;
}

static void
loaded(void *arg, enum err e, int failed, struct str text, PGresult **res, int n)
{
	struct worker *w = arg;
	struct external_key *keys;
	size_t count;

	(void)failed;
	(void)text;
	if (e != ERR_OK) {
		w->keys_due_us = 0;
		return;
	}
	count = (size_t)PQntuples(res[n - 1]);
	keys = arena_alloc(w->scratch, (count + 1) * sizeof(*keys));
	for (size_t i = 0; i < count; i++)
		keys[i] = (struct external_key){ .issuer = sql_get(res[n - 1], (int)i, 0),
			.kid = sql_get(res[n - 1], (int)i, 1),
			.jwk = sql_get(res[n - 1], (int)i, 2) };
	external_keys_set(keys, count);
	arena_reset(w->scratch);
}

static void
load(struct worker *w)
{
	struct external_source sources[EXTERNAL_SOURCES];
	size_t n = external_sources(sources);
	struct str issuers[EXTERNAL_SOURCES];
	const struct sql_arg arg = { .type = SQL_TEXTS, .list = { issuers, n } };
	const struct pipe_statement s = { .query = &query_jwks_keys, .args = &arg, .n_args = 1 };

	for (size_t i = 0; i < n; i++)
		issuers[i] = str_from(sources[i].issuer);
	w->keys_due_us = now_us() + EVERY_US;
	if (pipe_send(w->pipe, w->scratch, &s, 1, loaded, w) != ERR_OK)
		w->keys_due_us = 0;
	arena_reset(w->scratch);
}

void
keys_connected(void *arg)
{
	struct worker *w = arg;

	/* Before the first look at the version, whose answer opens the doors: a good token is not refused then for want of keys. */
	if (are_needed()) {
		pipe_listen(w->pipe, "millrace_jwks");
		load(w);
	}
	worker_tick(w);
}

void
keys_heard(void *arg, struct str channel, struct str payload)
{
	(void)payload;
	if (str_eq(channel, S("millrace_jwks")))
		load(arg);
}

void
keys_tick(struct worker *w)
{
	if (are_needed() && now_us() >= w->keys_due_us)
		load(w);
}

void
keys_wanted(struct worker *w, const char *issuer)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = str_from(issuer) },
		{ .type = SQL_INT, .i = config()->jwks_pause_seconds },
	};
	const struct pipe_statement s = { .query = &query_jwks_ask, .args = args, .n_args = 2 };

	if (!w->current || now_us() < w->keys_asked_us + ASK_US)
		return;
	w->keys_asked_us = now_us();
	(void)!pipe_send(w->pipe, w->scratch, &s, 1, NULL, NULL);
	arena_reset(w->scratch);
}
