#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/external.h>
#include <millrace/keys.h>

extern const struct query query_jwks_keys;
extern const struct query query_jwks_refresh;

#define RELOAD_US (60 * (int64_t)1000000)
/* Of one process; query_jwks_refresh holds the limit of all of them. */
#define REQUEST_US (1 * (int64_t)1000000)

/* Without an external issuer there are no keys to load. */
static bool
are_needed(void)
{
	struct external_source sources[EXTERNAL_SOURCES];

	return external_sources(sources) > 0;
}

static void
keys_loaded(void *arg, const struct pipe_reply *reply)
{
	struct keys *k = arg;
	const PGresult *res;
	struct external_key *keys;
	size_t count;

	if (reply->e != ERR_OK) {
		k->due_us = 0;
		return;
	}
	res = reply->res[reply->n - 1];
	count = (size_t)PQntuples(res);
	keys = arena_alloc(k->scratch, (count + 1) * sizeof(*keys));
	for (size_t i = 0; i < count; i++)
		keys[i] = (struct external_key){ .issuer = sql_get(res, (int)i, 0),
			.kid = sql_get(res, (int)i, 1),
			.jwk = sql_get(res, (int)i, 2) };
	external_keys_set(keys, count);
	arena_reset(k->scratch);
}

static void
load(struct keys *k)
{
	struct external_source sources[EXTERNAL_SOURCES];
	size_t n = external_sources(sources);
	struct str issuers[EXTERNAL_SOURCES];
	const struct sql_arg arg = { .type = SQL_TEXTS, .list = { issuers, n } };
	const struct pipe_statement s = { .query = &query_jwks_keys, .args = &arg, .n_args = 1 };

	for (size_t i = 0; i < n; i++)
		issuers[i] = str_from(sources[i].issuer);
	k->due_us = clock_us() + RELOAD_US;
	if (pipe_send(k->pipe, k->scratch, &s, 1, keys_loaded, k) != ERR_OK)
		k->due_us = 0;
	arena_reset(k->scratch);
}

void
keys_on_connect(struct keys *k)
{
	if (!are_needed())
		return;
	pipe_listen(k->pipe, "millrace_jwks");
	load(k);
}

void
keys_on_notify(struct keys *k, struct str channel)
{
	if (str_eq(channel, S("millrace_jwks")))
		load(k);
}

void
keys_tick(struct keys *k)
{
	if (are_needed() && clock_us() >= k->due_us)
		load(k);
}

void
keys_request(struct keys *k, const char *issuer)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = str_from(issuer) },
		{ .type = SQL_INT, .i = config()->jwks_pause_seconds },
	};
	const struct pipe_statement s = { .query = &query_jwks_refresh, .args = args, .n_args = 2 };

	if (clock_us() < k->requested_us + REQUEST_US)
		return;
	k->requested_us = clock_us();
	(void)!pipe_send(k->pipe, k->scratch, &s, 1, NULL, NULL);
	arena_reset(k->scratch);
}
