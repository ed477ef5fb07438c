/*
 * The main thread: listens for jobs, cancellations and periodic work, claims jobs while there are
 * free slots, each on a thread. It sleeps until the next job is due; every half minute it claims
 * all the same, for notifications that were lost.
 *
 * Some jobs are handed to it without a claim (SQL: runner_at_hand). What it has no room for goes
 * into the queue; what it was never told of it finds by unheard().
 *
 * A claim costs about the same for one job as for ten. The first wake claims at once; what comes
 * while that is under way, and for as long again, is one claim. So claims take half of the time at
 * most, and the slower they are, the more jobs each of them takes. Claims are made on the
 * connection that listens: no other thread is woken for one, and it waits behind nobody's writes.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/db.h>
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
/* What was handed over so long ago, and was not heard of, is looked for after a doubt. */
#define UNHEARD_MS 3000
#define NO_ROOM 256 /* jobs that are given back in one statement */

static int freed_fd = -1; /* written to when a job's thread ends */
static PGconn *listener; /* the listening connection; NULL while there is none */
static bool has_name;

/* When to claim, in clock_ms() */
static struct {
	bool due;
	int64_t not_before;
	int64_t at_last; /* though nothing wakes us */
	bool some_wait; /* for a slot, or for one of their user's to end: an end makes it due */
	int64_t unheard; /* when to look for what was handed over */
} next = { .due = true };

/* Runs up to here are not begun because they were handed over: unheard() has looked for them. */
static struct uuid bound;

/* Those that were handed over, and for which there is no room. */
static struct uuid no_room[NO_ROOM];
static size_t n_no_room;

static void
unheard_soon(void)
{
	int64_t at = clock_ms() + UNHEARD_MS;

	if (next.unheard > at)
		next.unheard = at;
}

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

static bool
listener_prepare(void)
{
	const struct query *q = &query_runner_jobs_claim;
	PGresult *res = PQprepare(listener, q->name, q->sql, 0, NULL);
	bool prepared = PQresultStatus(res) == PGRES_COMMAND_OK;

	PQclear(res);
	return prepared;
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
	/* What was claimed later would not be anybody's any more. */
	listener =
	    PQconnectdb(arena_printf(a, "%s options='" DB_SESSION " -c statement_timeout=%llds'",
		db_conninfo(a, "millrace_runner", "runner"), (long long)config()->lease_seconds)
			    .p);
	arena_free(a);
	PQsetNoticeReceiver(listener, db_ignore_notice, NULL);
	if (PQstatus(listener) == CONNECTION_OK &&
	    listener_query(&query_runner_listen_jobs, NULL, NULL) &&
	    listener_query(&query_runner_listen_handed, NULL, NULL) &&
	    listener_query(&query_runner_listen_cancels, NULL, NULL) &&
	    listener_query(&query_runner_listen_periodic, NULL, NULL) && listener_prepare() &&
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

static struct leased
leased_of(const PGresult *res, int row)
{
	struct leased l = { .kind = sql_get(res, row, 2),
		.input = sql_get(res, row, 6),
		.begun = sql_get(res, row, 11),
		.is_cancelled = sql_bool(res, row, 7),
		.attempt = 1,
		.max_attempts = 1 };

	(void)uuid_parse(sql_get(res, row, 0), &l.run);
	/* A sign-in under way is nobody's yet. */
	(void)uuid_parse(sql_get(res, row, 1), &l.owner);
	(void)str_int(sql_get(res, row, 3), &l.attempt);
	(void)uuid_parse(sql_get(res, row, 4), &l.conversation);
	(void)uuid_parse(sql_get(res, row, 5), &l.document);
	(void)str_int(sql_get(res, row, 8), &l.max_attempts);
	(void)str_int(sql_get(res, row, 9), &l.first_seq);
	return l;
}

/* Begins what was leased, all rows but the last, which is no job. How many there are. */
static int
spawn_all(const PGresult *res)
{
	int n = 0;

	for (int i = 0; i < PQntuples(res) - 1; i++) {
		struct leased l = leased_of(res, i);

		n += job_spawn(&l);
	}
	atomic_fetch_add(&counters.claimed, n);
	if (n > 0)
		lease_wake();
	return n;
}

static struct str
lease_text(struct arena *a)
{
	return arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);
}

/* Leases as many as there is room for; its commit waits for the disk. The rows, or NULL. */
static const PGresult *
lease_jobs(struct arena *a, int room)
{
	const struct sql_arg args[] = { { .type = SQL_TEXT, .s = str_from(runner.name) },
		{ .type = SQL_INT, .i = room }, { .type = SQL_INT, .i = config()->user_jobs },
		{ .type = SQL_TEXT, .s = lease_text(a) } };
	struct sql_params p = sql_params(a, args, 4);
	PGresult *res;

	if (!listener)
		return NULL;
	res = PQexecPrepared(
	    listener, query_runner_jobs_claim.name, p.n, p.values, p.lengths, p.formats, 0);
	sql_adopt(a, res);
	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) > 0)
		return res;
	log_error("claim: failed", "error", PQresultErrorMessage(res));
	return NULL;
}

/* Begins what was handed to this runner and never heard of. */
static void
unheard(void)
{
	struct arena *a = arena_new();
	PGresult *res = NULL;

	next.unheard = clock_ms() + CLAIM_MOST_MS;
	if (commit_runner_jobs_unheard(
		a, &res, str_from(runner.name), jobs_list(a, true), lease_text(a)) != ERR_OK)
		unheard_soon();
	else if (uuid_parse(sql_get(res, PQntuples(res) - 1, 0), &bound) && spawn_all(res) > 0)
		log_info("job: was handed over, and not told of", "n",
		    arena_printf(a, "%d", PQntuples(res) - 1).p);
	arena_free(a);
}

/* Claims what there is room for, and decides when that is due again. */
static void
claim(void)
{
	int room = runner.slots - jobs_running();
	int64_t start = clock_ms(), wait = CLAIM_AGAIN_MS, end, took;
	struct arena *a = arena_new();
	const PGresult *res;

	next.due = false;
	next.some_wait = true;
	if (room <= 0) {
		/* The end of a job wakes us. */
		wait = CLAIM_MOST_MS;
	} else if ((res = lease_jobs(a, room)) != NULL) {
		if (!str_int(sql_get(res, PQntuples(res) - 1, 10), &wait) || wait > CLAIM_MOST_MS)
			wait = CLAIM_MOST_MS;
		next.some_wait = wait <= 0;
		if (next.some_wait)
			wait = CLAIM_AGAIN_MS;
		(void)spawn_all(res);
	}
	arena_free(a);
	end = clock_ms();
	took = end - start;
	next.not_before = end + (took < CLAIM_GAP_MS ? took : CLAIM_GAP_MS);
	next.at_last = end + wait;
}

/* The input of a job that was too long for the notification. False: it is not ours any more. */
static bool
read_handed(struct leased *l, struct arena *a)
{
	PGresult *res = NULL;

	if (commit_runner_job_handed(a, &res, l->run, str_from(runner.name)) != ERR_OK) {
		unheard_soon();
		return false;
	}
	l->input = PQntuples(res) > 0 ? sql_get(res, 0, 0) : S("");
	return l->input.n > 0;
}

/* Puts what there is no room for into the queue, where it waits with others'. */
static void
refuse(void)
{
	struct arena *a = arena_new();
	struct str_list runs = { arena_alloc(a, n_no_room * sizeof(*runs.p)), n_no_room };

	for (size_t i = 0; i < n_no_room; i++)
		runs.p[i] = uuid_str(&no_room[i]);
	if (commit_runner_jobs_refuse(a, NULL, str_from(runner.name), runs) != ERR_OK)
		unheard_soon();
	n_no_room = 0;
	arena_free(a);
}

/*
 * A job was handed over: begins it, where it is this runner's. It is the first attempt, and not the
 * last: how many there are is the database's to know.
 */
static void
on_handed(struct arena *a, struct str payload)
{
	struct leased l = { .kind = S("call"), .attempt = 1, .max_attempts = 2 };
	struct str name, run, owner, rest = str_cut(payload, '\n', &name);

	if (!str_eq(name, str_from(runner.name)))
		return;
	rest = str_cut(rest, '\n', &run);
	l.input = str_cut(rest, '\n', &owner);
	if (!uuid_parse(run, &l.run) || !uuid_parse(owner, &l.owner))
		log_warn("job: malformed notification");
	else if (strcmp(l.run.text, bound.text) <= 0)
		unheard_soon();
	else if (jobs_running() >= runner.slots && n_no_room < NO_ROOM)
		no_room[n_no_room++] = l.run;
	else if ((l.input.p || read_handed(&l, a)) && job_spawn(&l)) {
		atomic_fetch_add(&counters.claimed, 1);
		lease_wake();
	}
}

/* True where there is work to claim. */
static bool
on_notification(const PGnotify *n)
{
	struct arena *a = arena_new();

	if (strcmp(n->relname, "millrace_handed") == 0)
		on_handed(a, str_from(n->extra));
	else if (strcmp(n->relname, "millrace_cancel") == 0)
		job_stop_run(str_from(n->extra), STOP_CANCELLED);
	else if (strcmp(n->relname, "millrace_periodic") == 0)
		periodic_wake(str_from(n->extra));
	else if (strcmp(n->extra, "doubt") == 0)
		unheard_soon();
	arena_free(a);
	return strcmp(n->relname, "millrace_job") == 0;
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
		work |= on_notification(n);
		PQfreemem(n);
	}
	if (n_no_room > 0)
		refuse();
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
	int64_t at = next.due ? next.not_before : next.at_last;
	int64_t wait = (next.unheard < at ? next.unheard : at) - clock_ms();

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
	if (clock_ms() >= next.unheard)
		unheard();
	return true;
}

/* Whatever was missed while nobody listened is found by claiming, and by periodic work. */
static bool
listen_anew(void)
{
	if (listener || !listen_again())
		return false;
	unheard_soon();
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
	unheard();
	log_info("ready", "name", runner.name, "provider", runner.provider);
	do {
		if (listen_anew())
			next.due = true;
		if (next.due && clock_ms() >= next.not_before) {
			claim();
			/* What has come meanwhile is read already: the socket does not say so
			 * again. */
			next.due = (listener && on_notify()) || next.due;
		}
	} while (wait_for_work(signals));
	PQfinish(listener);
	listener = NULL;
}
