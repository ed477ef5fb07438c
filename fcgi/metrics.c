#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <millrace/container_of.h>
#include <millrace/disk.h>
#include <millrace/log.h>
#include <millrace/migrations.h>
#include <millrace/process.h>

#include "fcgi/metrics.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"

extern const struct query query_process_store;
extern const struct query query_process_forget;
extern const struct query query_process_pids;
extern const struct query query_role_expect;
extern const struct query query_system_current;

#define PUBLISH_MS 5000
#define LOOK_MS 500 /* until the database is at this version */

#define BY_STATUS(n)                                                                \
	{                                                                           \
		.name = "millrace_requests_total", .labels = "status=\"" #n "xx\"", \
		.kind = METRIC_COUNTER,                                             \
		.help = "Requests answered, by the class of their status.",         \
		.value = &metrics.by_status[n]                                      \
	}

struct worker_metrics metrics = {
	.request_seconds.bounds_us = { 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
	    1000000, 5000000 },
};

static const struct metric worker_table[] = {
	{ .name = "millrace_connections",
	    .kind = METRIC_GAUGE,
	    .help = "Connections from nginx that are held now.",
	    .value = &metrics.connections },
	{ .name = "millrace_rate_limited_total",
	    .kind = METRIC_COUNTER,
	    .help = "Requests refused because their caller made too many.",
	    .value = &metrics.rate_limited },
	BY_STATUS(1),
	BY_STATUS(2),
	BY_STATUS(3),
	BY_STATUS(4),
	BY_STATUS(5),
	{ .name = "millrace_request_seconds",
	    .kind = METRIC_HISTOGRAM,
	    .help = "From a request's arrival in the worker to its reply.",
	    .histogram = &metrics.request_seconds },
	DISK_FULL_METRIC,
};

static struct str
metrics_stats(struct arena *a, const struct worker *w)
{
	metrics.connections = w->n_connections;
	return metrics_json(a, worker_table, sizeof(worker_table) / sizeof(*worker_table));
}

/* Every pool there is, so that one that was never started is missed. */
static void
metrics_expect(struct worker *w)
{
	struct str *names = arena_alloc(w->scratch, n_pools * sizeof(*names));
	const struct sql_arg roles = { .type = SQL_TEXTS, .list = { names, n_pools } };
	const struct pipe_statement expect = {
		.query = &query_role_expect, .args = &roles, .n_args = 1
	};

	for (size_t i = 0; i < n_pools; i++)
		names[i] = str_from(pools[i].name);
	(void)!pipe_send(w->pipe, w->scratch, &expect, 1, NULL, NULL);
	arena_reset(w->scratch);
}

static void
metrics_forget(struct worker *w, int64_t pid, pipe_done *done)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = str_from(process_host()) },
		{ .type = SQL_TEXT, .s = str_from(w->pool) },
		{ .type = SQL_INT, .i = pid },
	};
	const struct pipe_statement forget = {
		.query = &query_process_forget, .args = args, .n_args = 3
	};

	if (pipe_send(w->pipe, w->scratch, &forget, 1, done, w) != ERR_OK && done)
		loop_stop(w->loop);
	arena_reset(w->scratch);
}

/* One that did not say goodbye was killed, and may have committed what it did not notify. */
static void
metrics_predecessors_read(void *arg, const struct pipe_reply *reply)
{
	struct worker *w = arg;
	bool killed = false;
	int64_t pid;

	for (int i = 0; reply->e == ERR_OK && i < PQntuples(reply->res[0]); i++)
		if (str_int(sql_get(reply->res[0], i, 0), &pid) && kill((pid_t)pid, 0) != 0 &&
		    errno == ESRCH) {
			metrics_forget(w, pid, NULL);
			killed = true;
		}
	if (killed)
		pipe_doubt(w->pipe);
}

static void
metrics_predecessors(struct worker *w)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = str_from(process_host()) },
		{ .type = SQL_TEXT, .s = str_from(w->pool) },
	};
	const struct pipe_statement pids = {
		.query = &query_process_pids, .args = args, .n_args = 2
	};

	(void)!pipe_send(w->pipe, w->scratch, &pids, 1, metrics_predecessors_read, w);
	arena_reset(w->scratch);
}

/* A newer migration is fine: migrations expand before they contract. */
static void
metrics_version_read(void *arg, const struct pipe_reply *reply)
{
	struct worker *w = arg;
	bool was = w->current;

	if (reply->e == ERR_OVERLOADED)
		return;
	w->current = reply->e == ERR_OK && PQntuples(reply->res[reply->n - 1]) == 1 &&
		     sql_bool(reply->res[reply->n - 1], 0, 0);
	if (!w->current) {
		log_warn("db: not at this version; run: millracectl migrate");
	} else if (!was) {
		log_info("ready");
		metrics_expect(w);
		metrics_predecessors(w);
		/* before the first request: whoever comes after this process finds it */
		metrics_publish(w);
	}
	w->version_known(w);
}

static void
metrics_due(struct loop_timer *t)
{
	metrics_publish(container_of(t, struct worker, publish));
}

void
metrics_publish(struct worker *w)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = str_from(process_host()) },
		{ .type = SQL_TEXT, .s = str_from(w->pool) },
		{ .type = SQL_INT, .i = getpid() },
		{ .type = SQL_TEXT, .s = S(MILLRACE_VERSION) },
		{ .type = SQL_TEXT, .s = str_from(process_started()) },
		{ .type = SQL_TEXT, .s = metrics_stats(w->scratch, w) },
	};
	const struct pipe_statement store = {
		.query = &query_process_store, .args = args, .n_args = 6
	};
	const struct sql_arg ours[] = {
		{ .type = SQL_INT, .i = migration_latest },
		{ .type = SQL_TEXT, .s = str_from(functions_sha256) },
	};
	const struct pipe_statement version = {
		.query = &query_system_current, .args = ours, .n_args = 2
	};

	w->publish.fire = metrics_due;
	if (!w->current)
		(void)!pipe_send(w->pipe, w->scratch, &version, 1, metrics_version_read, w);
	else
		(void)!pipe_send(w->pipe, w->scratch, &store, 1, NULL, NULL);
	arena_reset(w->scratch);
	keys_tick(&w->keys);
	loop_arm(w->loop, &w->publish, w->current ? PUBLISH_MS : LOOK_MS);
}

static void
metrics_withdrawn(void *arg, const struct pipe_reply *reply)
{
	struct worker *w = arg;

	(void)reply;
	loop_stop(w->loop);
}

void
metrics_withdraw(struct worker *w)
{
	loop_disarm(w->loop, &w->publish);
	metrics_forget(w, getpid(), metrics_withdrawn);
}
