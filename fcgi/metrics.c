/* What a worker tells of itself: its row in `process`, from which /metrics and `millracectl status` read. */
#include <unistd.h>

#include <millrace/container_of.h>
#include <millrace/log.h>
#include <millrace/migrations.h>
#include <millrace/process.h>

#include "fcgi/worker.h"

extern const struct query query_process_store;
extern const struct query query_process_forget;
extern const struct query query_system_migration;

#define TICK_MS 5000

static struct str
stats_json(struct arena *a, const struct worker *w)
{
	static const char *const bounds[LATENCY_BUCKETS + 1] = {
		"0.001",
		"0.0025",
		"0.005",
		"0.01",
		"0.025",
		"0.05",
		"0.1",
		"0.25",
		"1",
		"5",
		"+Inf",
	};
	struct buf b = { .a = a };
	uint64_t below = 0;

	buf_printf(&b, "{\"millrace_connections\":%zu,\"millrace_rate_limited_total\":%llu",
	    w->n_connections, (unsigned long long)w->stats.rate_limited);
	for (int i = 1; i < 6; i++)
		buf_printf(&b, ",\"millrace_requests_total{status=\\\"%dxx\\\"}\":%llu", i,
		    (unsigned long long)w->stats.by_status[i]);
	for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
		below += w->stats.latency[i];
		buf_printf(&b, ",\"millrace_request_seconds_bucket{le=\\\"%s\\\"}\":%llu",
		    bounds[i], (unsigned long long)below);
	}
	buf_printf(&b,
	    ",\"millrace_request_seconds_count\":%llu,\"millrace_request_seconds_sum\":%.6f}",
	    (unsigned long long)w->stats.requests, (double)w->stats.latency_sum_us / 1e6);
	return buf_str(&b);
}

/* Another version of the database is not served: migrations expand first, so only an older database is too old. */
static void
migration_seen(void *arg, const struct pipe_reply *reply)
{
	struct worker *w = arg;
	int64_t version = -1;
	bool was = w->current;

	if (reply->e == ERR_OVERLOADED)
		return;
	if (reply->e == ERR_OK && PQntuples(reply->res[reply->n - 1]) == 1)
		(void)str_int(sql_get(reply->res[reply->n - 1], 0, 0), &version);
	w->current = version >= migration_latest;
	if (!w->current)
		log_warn("the database is not at this version; run: millracectl migrate");
	else if (!was)
		log_info("ready");
	worker_accept(w);
}

static void
tick_again(struct loop_timer *t)
{
	worker_tick(container_of(t, struct worker, tick));
}

void
worker_tick(struct worker *w)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = str_from(process_host()) },
		{ .type = SQL_TEXT, .s = str_from(w->group) },
		{ .type = SQL_INT, .i = getpid() },
		{ .type = SQL_TEXT, .s = S(MILLRACE_VERSION) },
		{ .type = SQL_TEXT, .s = str_from(process_started()) },
		{ .type = SQL_TEXT, .s = stats_json(w->scratch, w) },
	};
	const struct pipe_statement store = {
		.query = &query_process_store, .args = args, .n_args = 6
	};
	const struct pipe_statement version = { .query = &query_system_migration };

	w->tick.fire = tick_again;
	if (!w->current)
		(void)!pipe_send(w->pipe, w->scratch, &version, 1, migration_seen, w);
	else
		(void)!pipe_send(w->pipe, w->scratch, &store, 1, NULL, NULL);
	arena_reset(w->scratch);
	keys_tick(&w->keys);
	loop_arm(w->loop, &w->tick, w->current ? TICK_MS : 500);
}

static void
left(void *arg, const struct pipe_reply *reply)
{
	struct worker *w = arg;

	(void)reply;
	loop_stop(w->loop);
}

void
worker_leave(struct worker *w)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = str_from(process_host()) },
		{ .type = SQL_TEXT, .s = str_from(w->group) },
		{ .type = SQL_INT, .i = getpid() },
	};
	const struct pipe_statement forget = {
		.query = &query_process_forget, .args = args, .n_args = 3
	};

	loop_disarm(w->loop, &w->tick);
	if (pipe_send(w->pipe, w->scratch, &forget, 1, left, w) != ERR_OK)
		loop_stop(w->loop);
}
