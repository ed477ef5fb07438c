/*
 * The main thread: listens for jobs, cancellations and periodic work, claims jobs while there are
 * free slots, each on a thread. It sleeps until the next job is due; every half minute it claims
 * all the same, for notifications that were lost.
 *
 * A claim costs about the same for one job as for ten. The first wake claims at once; what comes
 * while that is under way, and for as long again, is one claim. So claims take half of the time at
 * most, and the slower they are, the more jobs each of them takes.
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

#include "runner/queue/claim.h"
#include "runner/queue/lease.h"
#include "runner/queue/periodic.h"
#include "runner/queue/sweep.h"
#include "runner/runner.h"
#include "runner/thread.h"
#include "sql_runner.h"

#define CLAIM_MOST_MS (30 * 1000) /* between claims */
/* Where jobs are due that cannot be claimed yet, or the database is away */
#define CLAIM_AGAIN_MS 1000
#define CLAIM_GAP_MS 100 /* at most, after one that took long */
#define LISTEN_AGAIN_MS 200
#define NAME_WAIT_MS (20 * 1000)

static int freed_fd = -1; /* written to when a job's thread ends */
static PGconn *listener; /* the listening connection; NULL while there is none */
static bool has_name;

/* When to claim, in clock_ms() */
static struct {
	bool due;
	int64_t not_before;
	int64_t at_last; /* though nothing wakes us */
	bool some_wait; /* for a slot, or for one of their user's to end: an end makes it due */
} next = { .due = true };

static void
on_job_ended(void)
{
	uint64_t one = 1;

	while (write(freed_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static bool
listener_query(const struct query *q, const char *param, bool *is_true)
{
	PGresult *res = PQexecParams(listener, q->sql, param ? 1 : 0, NULL, &param, NULL, NULL, 0);
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

/*
 * Connects and listens. The runner's name is locked on this connection, so that a second of the
 * same name cannot take its jobs.
 */
static bool
listen_again(void)
{
	struct arena *a = arena_new();
	bool taken = false;

	PQfinish(listener);
	listener = PQconnectdb(db_conninfo(a, "millrace_runner", "runner"));
	arena_free(a);
	PQsetNoticeReceiver(listener, ignore_notice, NULL);
	if (PQstatus(listener) == CONNECTION_OK &&
	    listener_query(&query_runner_listen_jobs, NULL, NULL) &&
	    listener_query(&query_runner_listen_cancels, NULL, NULL) &&
	    listener_query(&query_runner_listen_periodic, NULL, NULL) &&
	    listener_query(&query_runner_name_lock, runner.name, &taken)) {
		if (!taken && has_name)
			log_warn("runner: another has taken this one's name", "name", runner.name);
		has_name = has_name || taken;
		return true;
	}
	PQfinish(listener);
	listener = NULL;
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
lock_name(int signals)
{
	for (int64_t until = clock_ms() + NAME_WAIT_MS; !has_name && !signalled(signals);
	     sleep_ms(200)) {
		if (listener)
			(void)listener_query(&query_runner_name_lock, runner.name, &has_name);
		else if (!listen_again())
			until = clock_ms() + NAME_WAIT_MS;
		if (!has_name && clock_ms() > until)
			die("Another runner named %s is at work; give each on a host its own "
			    "MILLRACE_INSTANCE.",
			    runner.name);
	}
}

/* What the predecessor held when it died. */
static void
reclaim_jobs(void)
{
	struct arena *a = arena_new();
	PGresult *res = NULL;
	enum err e;

	do {
		struct db *db = db_pool_acquire(runner.pool);

		e = db_runner_jobs_reclaim(db, a, &res, str_from(runner.name),
		    str_from(runner.provider), str_from(runner.model));
		db_pool_release(runner.pool, db);
		if (e == ERR_OVERLOADED)
			sleep_ms(200);
	} while (e == ERR_OVERLOADED);
	if (e == ERR_OK && !str_eq(sql_get(res, 0, 0), S("0")))
		log_info(
		    "runner: took back what the one before held", "jobs", sql_get(res, 0, 0).p);
	arena_free(a);
}

/*
 * Begins what was claimed, all rows but the last, which has no run. How many there are.
 */
static int
spawn_all(const PGresult *res)
{
	int n = 0;

	for (int i = 0; i < PQntuples(res) - 1; i++)
		n += job_spawn(res, i);
	atomic_fetch_add(&counters.claimed, n);
	return n;
}

/* Leases as many as there is room for. */
static enum err
lease_jobs(struct arena *a, int room, PGresult **res)
{
	struct str lease = arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);

	return commit_runner_jobs_claim(
	    a, res, str_from(runner.name), room, config()->user_jobs, lease);
}

/* Claims what there is room for, and decides when that is due again. */
static void
claim(void)
{
	int room = runner.slots - jobs_running();
	int64_t start = clock_ms(), wait = CLAIM_AGAIN_MS, end, took;
	struct arena *a = arena_new();
	PGresult *res = NULL;

	next.due = false;
	next.some_wait = true;
	if (room <= 0) {
		/* The end of a job wakes us. */
		wait = CLAIM_MOST_MS;
	} else if (lease_jobs(a, room, &res) == ERR_OK && PQntuples(res) > 0) {
		if (!str_int(sql_get(res, PQntuples(res) - 1, 10), &wait) || wait > CLAIM_MOST_MS)
			wait = CLAIM_MOST_MS;
		next.some_wait = wait <= 0;
		if (next.some_wait)
			wait = CLAIM_AGAIN_MS;
		if (spawn_all(res) > 0)
			lease_wake();
	}
	arena_free(a);
	end = clock_ms();
	took = end - start;
	next.not_before = end + (took < CLAIM_GAP_MS ? took : CLAIM_GAP_MS);
	next.at_last = end + wait;
}

/* Reads what has come. True where there is work to claim. */
static bool
on_notify(void)
{
	bool work = false;
	PGnotify *n;

	if (!PQconsumeInput(listener)) {
		log_warn("db: the listening connection is gone", "error", PQerrorMessage(listener));
		PQfinish(listener);
		listener = NULL;
		return true;
	}
	while ((n = PQnotifies(listener)) != NULL) {
		if (strcmp(n->relname, "millrace_cancel") == 0)
			job_stop_run(str_from(n->extra), STOP_CANCELLED);
		else if (strcmp(n->relname, "millrace_periodic") == 0)
			periodic_wake(str_from(n->extra));
		else
			work = true;
		PQfreemem(n);
	}
	if (work)
		sweep_jobs_soon();
	return work;
}

static void
drain_fd(int fd)
{
	char bytes[256];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

/* How many milliseconds to wait, should nothing come. */
static int
wait_ms(void)
{
	int64_t wait = (next.due ? next.not_before : next.at_last) - clock_ms();

	if (!listener && wait > LISTEN_AGAIN_MS)
		wait = LISTEN_AGAIN_MS;
	return wait > 0 ? (int)wait : 0;
}

/* Waits for something to do, until a claim is due at the latest; false on a signal to end. */
static bool
wait_for_work(int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = freed_fd, .events = POLLIN },
		{ .fd = listener ? PQsocket(listener) : -1, .events = POLLIN },
	};

	(void)poll(fds, 3, wait_ms());
	if (fds[0].revents)
		return false;
	if (fds[1].revents) {
		drain_fd(freed_fd);
		next.due = next.due || next.some_wait;
	}
	if (listener && fds[2].revents && on_notify())
		next.due = true;
	if (clock_ms() >= next.at_last)
		next.due = true;
	return true;
}

/* Whatever was missed while nobody listened is found by claiming, and by periodic work. */
static bool
listen_anew(void)
{
	if (listener || !listen_again())
		return false;
	periodic_wake_all();
	return true;
}

void
claim_run(const struct job_kind *kinds)
{
	sigset_t set;
	int signals;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	freed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signals < 0 || freed_fd < 0)
		die("The runner cannot wait for signals.");
	jobs_init(kinds, on_job_ended);
	lock_name(signals);
	if (has_name)
		reclaim_jobs();
	log_info("ready", "name", runner.name, "provider", runner.provider);
	do {
		if (listen_anew())
			next.due = true;
		if (next.due && clock_ms() >= next.not_before)
			claim();
	} while (wait_for_work(signals));
	PQfinish(listener);
	listener = NULL;
}
