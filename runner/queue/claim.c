/*
 * The main thread: listens for work and for cancellations, claims jobs while there are free slots, and starts a thread for each.
 * It polls too, every second: for delayed jobs that have become due, and for notifications that were missed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/identity/jwks.h"
#include "runner/models/provider.h"
#include "runner/runner.h"
#include "sql_runner.h"

#define POLL_MS 1000
#define NAME_WAIT_MS (20 * 1000)

static int freed_fd = -1; /* written to when a job's thread ends */
static PGconn *ears; /* the listening connection; NULL while there is none */
static bool has_name;

static void
job_is_over(void)
{
	uint64_t one = 1;

	while (write(freed_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static bool
ask_ears(const struct query *q, const char *param, bool *is_true)
{
	PGresult *res = PQexecParams(ears, q->sql, param ? 1 : 0, NULL, &param, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);

	if (is_true)
		*is_true = status == PGRES_TUPLES_OK && sql_bool(res, 0, 0);
	PQclear(res);
	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

static void
ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

/* Connects and listens. The runner's name is locked on this connection, so that a second of the same name cannot take its jobs. */
static bool
listen_again(void)
{
	struct arena *a = arena_new();
	bool taken = false;

	PQfinish(ears);
	ears = PQconnectdb(db_conninfo(a, "millrace_runner", "runner"));
	arena_free(a);
	PQsetNoticeReceiver(ears, ignore_notice, NULL);
	if (PQstatus(ears) == CONNECTION_OK && ask_ears(&query_runner_listen_jobs, NULL, NULL) &&
	    ask_ears(&query_runner_listen_cancels, NULL, NULL) &&
	    ask_ears(&query_runner_listen_jwks, NULL, NULL) &&
	    ask_ears(&query_runner_name_take, me.name, &taken)) {
		if (!taken && has_name)
			log_warn("another runner has taken this one's name", "name", me.name);
		has_name = has_name || taken;
		return true;
	}
	PQfinish(ears);
	ears = NULL;
	return false;
}

/* Is a signal waiting to be read? */
static bool
signalled(int signals)
{
	struct pollfd fd = { .fd = signals, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* Waits for a predecessor of the same name to be gone. */
static void
take_name(int signals)
{
	for (int64_t until = clock_ms() + NAME_WAIT_MS; !has_name && !signalled(signals);
	     sleep_ms(200)) {
		if (ears)
			(void)ask_ears(&query_runner_name_take, me.name, &has_name);
		else if (!listen_again())
			until = clock_ms() + NAME_WAIT_MS;
		if (!has_name && clock_ms() > until)
			die("Another runner named %s is at work; give each on a host its own "
			    "MILLRACE_INSTANCE.",
			    me.name);
	}
}

/* What the predecessor held when it died. */
static void
take_back(void)
{
	struct arena *a = arena_new();
	const struct provider *p = provider_default();
	PGresult *res = NULL;
	enum err e;

	do {
		struct db *db = db_pool_take(me.pool);

		e = db_runner_jobs_take_back(
		    db, a, &res, str_from(me.name), str_from(p->name), str_from(p->model()));
		db_pool_give(me.pool, db);
		if (e == ERR_OVERLOADED)
			sleep_ms(200);
	} while (e == ERR_OVERLOADED);
	if (e == ERR_OK && !str_eq(sql_get(res, 0, 0), S("0")))
		log_info("took back what the runner before held", "jobs", sql_get(res, 0, 0).p);
	arena_free(a);
}

/* Claims what there is room for. True where there may be more. */
static bool
claim(void)
{
	int room = me.slots - jobs_running();
	struct arena *a = arena_new();
	struct str lease = arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);
	PGresult *res = NULL;
	int n = 0;

	if (room > 0) {
		struct db *db = db_pool_take(me.pool);

		if (db_runner_jobs_claim(
			db, a, &res, str_from(me.name), room, config()->user_jobs, lease) == ERR_OK)
			n = PQntuples(res);
		db_pool_give(me.pool, db);
	}
	atomic_fetch_add(&counters.claimed, n);
	for (int i = 0; i < n; i++) {
		struct uuid run, owner = { "" };
		int64_t attempt = 1;

		/* A sign-in under way is nobody's yet. */
		(void)!uuid_parse(sql_get(res, i, 1), &owner);
		if (uuid_parse(sql_get(res, i, 0), &run) && str_int(sql_get(res, i, 3), &attempt))
			(void)job_spawn(run, owner, sql_get(res, i, 2), (int)attempt, job_is_over);
	}
	arena_free(a);
	return n > 0 && n == room;
}

/* Reads what has come. True where there is work to claim. */
static bool
hear(void)
{
	bool work = false;
	PGnotify *n;

	if (!PQconsumeInput(ears)) {
		log_warn("the listening connection is gone", "error", PQerrorMessage(ears));
		PQfinish(ears);
		ears = NULL;
		return true;
	}
	while ((n = PQnotifies(ears)) != NULL) {
		if (strcmp(n->relname, "millrace_cancel") == 0)
			job_tell_run(str_from(n->extra), STOP_CANCELLED);
		else if (strcmp(n->relname, "millrace_jwks_wanted") == 0)
			jwks_wake();
		else
			work = true;
		PQfreemem(n);
	}
	return work;
}

static void
drain_fd(int fd)
{
	char bytes[256];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

/* Waits for something to do; false on a signal to end. */
static bool
wait_for_work(int signals, bool *work)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = freed_fd, .events = POLLIN },
		{ .fd = ears ? PQsocket(ears) : -1, .events = POLLIN },
	};
	int n = poll(fds, 3, ears ? POLL_MS : 200);

	*work = n == 0;
	if (fds[0].revents)
		return false;
	if (fds[1].revents) {
		drain_fd(freed_fd);
		*work = true;
	}
	if (ears && fds[2].revents && hear())
		*work = true;
	return true;
}

void
queue_run(void)
{
	sigset_t set;
	int signals;
	bool work = true;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	freed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signals < 0 || freed_fd < 0)
		die("The runner cannot wait for signals.");
	take_name(signals);
	if (has_name)
		take_back();
	log_info("ready", "name", me.name, "provider", provider_default()->name);
	for (;;) {
		/* Whatever was missed while nobody listened is found by claiming. */
		if (!ears && listen_again())
			work = true;
		if (work)
			(void)claim();
		if (!wait_for_work(signals, &work))
			break;
	}
	PQfinish(ears);
	ears = NULL;
}
