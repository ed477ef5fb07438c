/* The running jobs: their threads, what stops them, and how each comes to its end. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/runner.h"
#include "sql_runner.h"

/* ASan's own frames want more room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_LEN ((size_t)2048 * 1024)
#else
#define STACK_LEN ((size_t)256 * 1024)
#endif

/* A job whose kind this build does not know is left to a newer runner. */
static const struct job_kind kinds[] = {
	{ "chat", chat_run },
	{ "ingest", ingest_run },
	{ "search", search_run },
	{ "mail", mail_run },
	{ "oauth", oauth_run },
};

struct runner me;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *list;
static int n_list;
static void (*on_ended)(void);

int64_t
jitter(int64_t n)
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint64_t)clock_us();
	return n > 0 ? (int64_t)(r % (uint64_t)n) : 0;
}

void
sleep_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

bool
thread_start(pthread_t *t, void *(*fn)(void *), void *arg, bool must)
{
	pthread_attr_t attr;
	pthread_t ignored;
	int e;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_LEN);
	if (!t)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	e = pthread_create(t ? t : &ignored, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	if (e != 0 && must)
		die("A thread cannot be started: error %d.", e);
	return e == 0;
}

/* -- what stops a job -- */

void
job_tell(struct job *j, enum stop why)
{
	int not_yet = STOP_NOT;

	pthread_mutex_lock(&j->lock);
	/* A lost lease outranks the others: nothing may be written any more. */
	if (why == STOP_LOST)
		atomic_store(&j->stop, why);
	else
		atomic_compare_exchange_strong(&j->stop, &not_yet, why);
	pthread_cond_broadcast(&j->told);
	if (j->wake)
		j->wake(j->wake_arg);
	pthread_mutex_unlock(&j->lock);
}

void
job_on_stop(struct job *j, void (*fn)(void *), void *arg)
{
	pthread_mutex_lock(&j->lock);
	j->wake = fn;
	j->wake_arg = arg;
	pthread_mutex_unlock(&j->lock);
}

bool
job_sleep(struct job *j, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&j->lock);
	while (job_stop(j) == STOP_NOT && pthread_cond_timedwait(&j->told, &j->lock, &until) == 0)
		;
	pthread_mutex_unlock(&j->lock);
	return job_stop(j) == STOP_NOT;
}

void
job_tell_run(struct str run, enum stop why)
{
	pthread_mutex_lock(&list_lock);
	for (struct job *j = list; j; j = j->next)
		if (str_eq(uuid_str(&j->run), run))
			job_tell(j, why);
	pthread_mutex_unlock(&list_lock);
}

void
jobs_tell_all(enum stop why)
{
	pthread_mutex_lock(&list_lock);
	for (struct job *j = list; j; j = j->next)
		job_tell(j, why);
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
jobs_list(struct arena *a)
{
	struct str_list runs = { NULL, 0 };

	pthread_mutex_lock(&list_lock);
	runs.p = arena_alloc(a, ((size_t)n_list + 1) * sizeof(*runs.p));
	for (struct job *j = list; j; j = j->next)
		runs.p[runs.n++] = arena_str(a, uuid_str(&j->run));
	pthread_mutex_unlock(&list_lock);
	return runs;
}

/* -- asking the database from a job -- */

bool
job_wait_database(struct job *j, int tries)
{
	enum stop stop = job_stop(j);

	if (stop == STOP_LOST || (stop == STOP_SHUTDOWN && tries > 10))
		return false;
	sleep_ms((tries < 6 ? 50 << tries : 2000) + jitter(100));
	return true;
}

struct outcome
job_db_error(struct job *j, enum err e, const char *what)
{
	enum stop stop = job_stop(j);

	if (stop == STOP_LOST || stop == STOP_SHUTDOWN)
		return (struct outcome){ .end = END_STOPPED };
	log_error(
	    "a job could not go on", "run", j->run.text, "step", what, "error", err_info(e)->code);
	return (struct outcome){ .end = END_AGAIN, .message = what };
}

struct outcome
job_ended(struct job *j, enum err e, const PGresult *res, int64_t after)
{
	struct str text;
	int64_t seq;

	if (e != ERR_OK)
		return job_db_error(j, e, "the run's end could not be stored");
	text = PQntuples(res) == 1 ? sql_get(res, 0, 0) : (struct str){ NULL, 0 };
	if (!str_int(text, &seq)) {
		job_tell(j, STOP_LOST);
		return (struct outcome){ .end = END_STOPPED };
	}
	if (seq < after) {
		outbox_rewind(j->out, seq);
		return (struct outcome){ 0 };
	}
	return (struct outcome){ .end = END_DONE };
}

/* -- a job's thread -- */

static struct outcome
work(struct job *j)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(j->kind, kinds[i].name) == 0)
			return kinds[i].run(j);
	return (struct outcome){ .end = END_AGAIN,
		.message = "this runner does not know the kind of job" };
}

/* Reads what is to be done. False where the lease is lost or the database says no. */
static bool
begin(struct job *j)
{
	PGresult *res = NULL;
	int64_t seq = 0, max_attempts = 1;
	enum err e;

	JOB_ASK(j, e, db_runner_job_start(db, j->a, &res, j->run, str_from(me.name), j->attempt));
	if (e != ERR_OK || PQntuples(res) != 1)
		return false;
	(void)uuid_parse(sql_get(res, 0, 0), &j->owner);
	(void)uuid_parse(sql_get(res, 0, 1), &j->conversation);
	(void)uuid_parse(sql_get(res, 0, 2), &j->document);
	j->input = sql_get(res, 0, 3);
	if (sql_bool(res, 0, 4))
		job_tell(j, STOP_CANCELLED);
	(void)str_int(sql_get(res, 0, 5), &max_attempts);
	(void)str_int(sql_get(res, 0, 6), &seq);
	j->max_attempts = (int)max_attempts;
	j->first_seq = seq;
	j->out = outbox_open(j, seq);
	return true;
}

/* Gives the job back: after an error the attempt counts and the next one is later; at shutdown neither. */
static void
give_back(struct job *j, const char *why, int64_t wait_ms)
{
	int64_t wait = wait_ms ? wait_ms : why ? (500 << (j->attempt < 6 ? j->attempt : 6)) : 0;
	struct str delay = arena_printf(
	    j->a, "%lld milliseconds", (long long)(wait ? wait / 2 + jitter(wait) : 0));
	PGresult *res = NULL;
	int64_t seq;
	enum err e;

	if (!outbox_drain(j->out, &seq))
		return;
	JOB_ASK(j, e,
	    db_runner_job_give_back(
		db, j->a, &res, j->run, str_from(me.name), delay, str_from(why), why != NULL));
	if (e != ERR_OK)
		log_warn(
		    "a job could not be given back; its lease will run out", "run", j->run.text);
	atomic_fetch_add(why ? &counters.again : &counters.given_back, 1);
}

static void
fail(struct job *j, const char *status, struct outcome how)
{
	struct outcome o = { 0 };

	log_warn("a run failed", "run", j->run.text, "kind", j->kind, "code", how.code, "error",
	    how.message);
	JOB_END(j, &o,
	    db_runner_job_end_failed(db, j->a, &res, j->run, str_from(me.name), j->attempt, after,
		str_from(status), str_from(how.code), str_from(how.message), how.dead));
	if (o.end == END_DONE)
		atomic_fetch_add(how.dead ? &counters.dead : &counters.failed, 1);
}

static void
settle(struct job *j, struct outcome o)
{
	enum stop stop = job_stop(j);

	if (o.end == END_DONE) {
		atomic_fetch_add(&counters.done, 1);
		return;
	}
	if (stop == STOP_LOST) {
		atomic_fetch_add(&counters.lost, 1);
		log_warn("a lease was lost; the run goes on elsewhere", "run", j->run.text);
		return;
	}
	if (o.end == END_FAILED)
		fail(j, "failed", o);
	else if (o.end == END_STOPPED && stop == STOP_CANCELLED)
		fail(j, "cancelled", job_failed("CANCELLED", "The run was cancelled."));
	else if (o.end == END_STOPPED && stop == STOP_SHUTDOWN)
		give_back(j, NULL, 0);
	else if (j->attempt < j->max_attempts)
		give_back(j, o.message ? o.message : "it stopped unasked", o.wait_ms);
	else
		fail(j, "failed",
		    (struct outcome){ .end = END_FAILED,
			.code = "INTERNAL",
			.dead = true,
			.message =
			    "Something went wrong on our side, and trying again did not help." });
}

static void
leave(struct job *j)
{
	pthread_mutex_lock(&list_lock);
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
	pthread_cond_destroy(&j->told);
	pthread_mutex_destroy(&j->lock);
	free(j);
	on_ended();
}

static void *
job_thread(void *arg)
{
	struct job *j = arg;

	if (begin(j))
		settle(j, work(j));
	else if (job_stop(j) == STOP_NOT)
		log_warn("a leased job was gone before it began", "run", j->run.text);
	leave(j);
	return NULL;
}

static struct job *
job_new(struct uuid run, struct uuid owner, struct str kind, int attempt)
{
	struct job *j = xmalloc(sizeof(*j));
	pthread_condattr_t attr;

	*j = (struct job){ .run = run, .owner = owner, .attempt = attempt, .a = arena_new() };
	memcpy(j->kind, kind.p, kind.n < sizeof(j->kind) ? kind.n : sizeof(j->kind) - 1);
	pthread_mutex_init(&j->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&j->told, &attr);
	pthread_condattr_destroy(&attr);
	return j;
}

bool
job_spawn(struct uuid run, struct uuid owner, struct str kind, int attempt, void (*ended)(void))
{
	struct job *j = job_new(run, owner, kind, attempt);

	on_ended = ended;
	pthread_mutex_lock(&list_lock);
	j->next = list;
	if (list)
		list->prev = j;
	list = j;
	n_list++;
	pthread_mutex_unlock(&list_lock);
	if (thread_start(NULL, job_thread, j, false))
		return true;
	log_error("no thread could be started for a job", "run", j->run.text);
	leave(j);
	return false;
}
