/* The running jobs: their threads, what each asks of the database, and how it comes to its end. */
#include <stdlib.h>
#include <string.h>

#include <millrace/log.h>

#include "runner/queue/commit.h"
#include "runner/runner.h"
#include "runner/thread.h"
#include "sql_job.h"

#define LEFT_MAX 1024

static const struct job_kind *kinds;
static void (*on_ended)(void);

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *list;
static int n_list;
/* Runs whose job has come to an end here that the database may not know of, the latest. */
static struct uuid left[LEFT_MAX];
static size_t n_left;

void
jobs_init(const struct job_kind *known, void (*ended)(void))
{
	kinds = known;
	on_ended = ended;
}

void
job_stop_run(struct str run, enum stop_why why)
{
	pthread_mutex_lock(&list_lock);
	for (struct job *j = list; j; j = j->next)
		if (str_eq(uuid_str(&j->run), run))
			stop_set(&j->stop, why);
	pthread_mutex_unlock(&list_lock);
}

void
jobs_stop_all(enum stop_why why)
{
	pthread_mutex_lock(&list_lock);
	for (struct job *j = list; j; j = j->next)
		stop_set(&j->stop, why);
	pthread_mutex_unlock(&list_lock);
}

int
jobs_running(void)
{
	int n;

	pthread_mutex_lock(&list_lock);
	n = n_list;
	pthread_mutex_unlock(&list_lock);
	return n;
}

struct str_list
jobs_list(struct arena *a, bool with_left)
{
	struct str_list runs = { NULL, 0 };

	pthread_mutex_lock(&list_lock);
	runs.p = arena_alloc(a, ((size_t)n_list + LEFT_MAX) * sizeof(*runs.p));
	for (struct job *j = list; j; j = j->next)
		runs.p[runs.n++] = arena_str(a, uuid_str(&j->run));
	for (size_t i = 0; with_left && i < n_left && i < LEFT_MAX; i++)
		runs.p[runs.n++] = arena_str(a, uuid_str(&left[i]));
	pthread_mutex_unlock(&list_lock);
	return runs;
}

/* -- what a job's own thread calls -- */

bool
job_input(struct job *j, const struct field *fields, size_t n, void *into, struct outcome *o)
{
	struct str why;

	if (fields_from_text(j->a, fields, n, j->input, into, &why))
		return true;
	*o =
	    job_failed("BAD_REQUEST", arena_printf(j->a, "The input is wrong: %.*s", S_ARG(why)).p);
	return false;
}

/* Waits before the next try. False where the job has to stop instead. */
static bool
wait_for_database(struct job *j, int tries)
{
	enum stop_why why = stop_why(&j->stop);

	if (why == STOP_LOST || (why == STOP_SHUTDOWN && tries > 10) ||
	    (why != STOP_NOT && j->stops_statements))
		return false;
	sleep_ms((tries < 6 ? 50 << tries : 2000) + jitter(100));
	return true;
}

static bool
is_stopped(void *arg)
{
	struct job *j = arg;

	return stop_why(&j->stop) != STOP_NOT;
}

static enum err
pool_query(struct job *j, struct arena *a, const struct query *q, const struct sql_arg *args,
    PGresult **out)
{
	struct db *db = db_pool_acquire(runner.pool);
	enum err e = j->stops_statements ? db_query_until(db, a, q, args, is_stopped, j, out)
					 : db_query(db, a, q, args, out);

	db_pool_release(runner.pool, db);
	return e;
}

enum err
job_query(struct job *j, struct arena *a, const struct query *q, const struct sql_arg *args,
    PGresult **out)
{
	int tries = 0;
	enum err e;

	do
		e = q->batched ? commit_query(a, q, args, out) : pool_query(j, a, q, args, out);
	while (e == ERR_OVERLOADED && wait_for_database(j, tries++));
	return e;
}

struct outcome
job_lost(struct job *j)
{
	stop_set(&j->stop, STOP_LOST);
	return job_stopped();
}

struct outcome
job_db_error(struct job *j, enum err e, const char *what)
{
	enum stop_why why = stop_why(&j->stop);

	if (why == STOP_LOST || why == STOP_SHUTDOWN)
		return job_stopped();
	log_error(
	    "job: cannot go on", "run", j->run.text, "step", what, "error", err_info(e)->code);
	return job_again(what, 0);
}

struct outcome
job_end(struct job *j, const struct query *q, struct sql_arg *args)
{
	PGresult *res = NULL;
	int64_t after, seq;
	enum err e;

	if (!outbox_drain(j->out, &after))
		return job_stopped();
	args[3].i = after;
	if ((e = job_query(j, j->a, q, args, &res)) != ERR_OK)
		return job_db_error(j, e, "the run's end could not be stored");
	if (PQntuples(res) != 1 || !str_int(sql_get(res, 0, 0), &seq) || seq < after)
		return job_lost(j);
	return (struct outcome){ .end = END_DONE };
}

/* -- a job's thread -- */

static struct outcome
work(struct job *j)
{
	for (const struct job_kind *k = kinds; k->name; k++)
		if (strcmp(j->kind, k->name) == 0)
			return k->run(j);
	/* A newer runner may know it. */
	return job_again("this runner does not know the kind of job", 0);
}

/*
 * Gives the job back: after an error the attempt counts and the next one is later; at shutdown
 * neither.
 */
static bool
give_back(struct job *j, const char *why, int64_t wait_ms)
{
	int64_t wait = wait_ms ? wait_ms : why ? (500 << (j->attempt < 6 ? j->attempt : 6)) : 0;
	struct str delay = arena_printf(
	    j->a, "%lld milliseconds", (long long)(wait ? wait / 2 + jitter(wait) : 0));
	PGresult *res = NULL;
	int64_t seq;

	if (!outbox_drain(j->out, &seq))
		return false;
	if (job_runner_job_give_back(j, &res, delay, str_from(why), why != NULL) != ERR_OK) {
		log_warn(
		    "job: could not be given back; its lease will run out", "run", j->run.text);
		return false;
	}
	atomic_fetch_add(why ? &counters.again : &counters.given_back, 1);
	return true;
}

static bool
fail(struct job *j, const char *status, struct outcome how)
{
	struct outcome o;

	log_warn("run: failed", "run", j->run.text, "kind", j->kind, "code", how.code, "error",
	    how.message);
	o = job_end_runner_job_end_failed(
	    j, str_from(status), str_from(how.code), str_from(how.message), how.dead);
	if (o.end == END_DONE)
		atomic_fetch_add(how.dead ? &counters.dead : &counters.failed, 1);
	return o.end == END_DONE;
}

/* False where the database has nothing of the job's end. */
static bool
settle(struct job *j, struct outcome o)
{
	enum stop_why why = stop_why(&j->stop);

	if (o.end == END_DONE) {
		atomic_fetch_add(&counters.done, 1);
		return true;
	}
	if (why == STOP_LOST) {
		atomic_fetch_add(&counters.lost, 1);
		log_warn("lease: lost; the run goes on elsewhere", "run", j->run.text);
		return false;
	}
	if (o.end == END_FAILED)
		return fail(j, "failed", o);
	if (o.end == END_STOPPED && why == STOP_CANCELLED)
		return fail(j, "cancelled", job_failed("CANCELLED", "The run was cancelled."));
	if (o.end == END_STOPPED && why == STOP_SHUTDOWN)
		return give_back(j, NULL, 0);
	if (j->attempt < j->max_attempts)
		return give_back(j, o.message ? o.message : "it stopped unasked", o.wait_ms);
	return fail(j, "failed",
	    (struct outcome){ .end = END_FAILED,
		.code = "INTERNAL",
		.dead = true,
		.message = "Something went wrong on our side, and trying again did not help." });
}

static void
detach(struct job *j, bool is_settled)
{
	pthread_mutex_lock(&list_lock);
	if (!is_settled)
		left[n_left++ % LEFT_MAX] = j->run;
	if (j->prev)
		j->prev->next = j->next;
	else
		list = j->next;
	if (j->next)
		j->next->prev = j->prev;
	n_list--;
	pthread_mutex_unlock(&list_lock);
	outbox_close(j->out);
	arena_free(j->a);
	stop_destroy(&j->stop);
	free(j);
	on_ended();
}

static void
job_thread(void *arg)
{
	struct job *j = arg;

	detach(j, settle(j, work(j)));
}

static struct job *
job_new(const struct leased *l)
{
	struct job *j = xmalloc(sizeof(*j));

	*j = (struct job){ .a = arena_new(),
		.run = l->run,
		.owner = l->owner,
		.conversation = l->conversation,
		.document = l->document,
		.attempt = (int)l->attempt,
		.max_attempts = (int)l->max_attempts,
		.first_seq = l->first_seq };
	memcpy(j->kind, l->kind.p, l->kind.n < sizeof(j->kind) ? l->kind.n : sizeof(j->kind) - 1);
	j->input = arena_str(j->a, l->input);
	j->begun = arena_str(j->a, l->begun);
	stop_init(&j->stop);
	if (l->is_cancelled)
		stop_set(&j->stop, STOP_CANCELLED);
	j->out = outbox_open(&j->stop, j->run, j->attempt, j->first_seq);
	return j;
}

/* Whoever cancels it after its claim is heard when it is in the list: the same thread listens. */
bool
job_spawn(const struct leased *l)
{
	struct job *j = job_new(l);

	pthread_mutex_lock(&list_lock);
	j->next = list;
	if (list)
		list->prev = j;
	list = j;
	n_list++;
	pthread_mutex_unlock(&list_lock);
	if (thread_lend(job_thread, j))
		return true;
	log_error("job: no thread could be started", "run", j->run.text);
	detach(j, false);
	return false;
}
