#include <stdlib.h>

#include <millrace/clock.h>

#include "runner/queue/periodic.h"
#include "runner/thread.h"

#define POOL 4 /* workers beside those of rows that stand apart */
#define TASKS_MAX 64

/* A row, and when it runs. Guarded by the lock. */
struct task {
	const struct periodic *row;
	int64_t due_ms; /* by clock_ms() */
	int64_t slack_ms; /* so much earlier it may run where a worker is awake anyway */
	int64_t began_ms; /* its last turn */
	bool is_running; /* or is a worker's that was woken for it */
	/*
	 * Asked for while it runs: its next turn is due then at the latest; INT64_MAX: nothing was
	 */
	int64_t sooner_ms;
};

/*
 * A thread with its connection; it sleeps on a condition of its own, so that few of the pool ever
 * connect.
 */
struct worker {
	pthread_t thread;
	pthread_cond_t work;
	const struct periodic *only; /* a row that stands apart; NULL: one of the pool */
	bool is_idle;
	struct task *given; /* what it was woken for */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct task tasks[TASKS_MAX];
static size_t n_tasks;
static struct worker workers[TASKS_MAX];
static size_t n_workers;
static int n_long; /* tasks of PERIODIC_LONG that run now */

static pthread_t scheduler;
static pthread_cond_t changed; /* something is due sooner than the scheduler knew, or the end */
static int64_t scheduler_until_ms; /* when it wakes of itself; INT64_MAX: never */
static bool is_ending;
static struct stop stop;

/* -- the lock is held in all of these -- */

static bool
may_run(const struct task *t, const struct worker *w)
{
	if (w->only)
		return t->row == w->only;
	if (t->row->kind == PERIODIC_LONG)
		return n_long < POOL - 1;
	return t->row->kind == PERIODIC_SHORT;
}

/* The worker to wake for a task; NULL: none is free. */
static struct worker *
idle_worker(const struct task *t)
{
	for (size_t i = 0; i < n_workers; i++)
		if (workers[i].is_idle && may_run(t, &workers[i]))
			return &workers[i];
	return NULL;
}

static void
claim_task(struct task *t)
{
	t->is_running = true;
	n_long += t->row->kind == PERIODIC_LONG;
}

/*
 * What this worker was woken for, else the task that has been due longest of those that it may run;
 * NULL: none.
 */
static struct task *
take_task(struct worker *w)
{
	struct task *due = w->given;
	int64_t now = clock_ms();

	w->given = NULL;
	if (due)
		return due;
	for (size_t i = 0; i < n_tasks; i++) {
		struct task *t = &tasks[i];

		if (!t->is_running && t->due_ms - t->slack_ms <= now && may_run(t, w) &&
		    (!due || t->due_ms < due->due_ms))
			due = t;
	}
	if (due)
		claim_task(due);
	return due;
}

static void
set_due(struct task *t, int64_t due_ms, int64_t slack_ms)
{
	t->due_ms = due_ms;
	t->slack_ms = slack_ms;
	if (due_ms < scheduler_until_ms)
		pthread_cond_signal(&changed);
}

/* Due at `ms`, but no sooner than its lag and gap allow; a turn that is due before that stays. */
static void
hurry(struct task *t, int64_t ms)
{
	int64_t gap_over = t->began_ms + t->row->gap_ms, lag_over = clock_ms() + t->row->lag_ms;

	if (ms < gap_over)
		ms = gap_over;
	if (ms < lag_over)
		ms = lag_over;
	if (t->is_running) {
		if (ms < t->sooner_ms)
			t->sooner_ms = ms;
	} else if (ms < t->due_ms) {
		set_due(t, ms, 0);
	}
}

/* The turn is over; `wait` is what it returned. */
static void
end_turn(struct task *t, int64_t wait)
{
	int64_t every = t->row->every_ms, slack = 0, due = INT64_MAX;

	if (wait == PERIODIC_AS_TABLED) {
		/* What comes before its time with another's turn wakes nobody of its own. */
		slack = every / 3;
		wait = every + jitter(every / 4);
	}
	if (wait != PERIODIC_WHEN_WOKEN)
		due = clock_ms() + wait;
	if (t->sooner_ms < due) {
		due = t->sooner_ms;
		slack = 0;
	}
	t->sooner_ms = INT64_MAX;
	t->is_running = false;
	set_due(t, due, slack);
	if (t->row->kind == PERIODIC_LONG && n_long-- == POOL - 1)
		/* Another may have waited for this one. */
		pthread_cond_signal(&changed);
}

/* Wakes workers for what is due. When something is due next; INT64_MAX: nothing is. */
static int64_t
hand_out(int64_t now)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < n_tasks; i++) {
		struct task *t = &tasks[i];
		struct worker *w;

		if (t->is_running)
			continue;
		if (t->due_ms > now) {
			next = t->due_ms < next ? t->due_ms : next;
			continue;
		}
		/* Where none is free, the next that becomes free takes it. */
		if ((w = idle_worker(t)) == NULL)
			continue;
		claim_task(t);
		w->given = t;
		w->is_idle = false;
		pthread_cond_signal(&w->work);
	}
	return next;
}

/* -- the threads -- */

static void *
scheduler_thread(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	while (!is_ending) {
		scheduler_until_ms = hand_out(clock_ms());
		if (scheduler_until_ms == INT64_MAX)
			pthread_cond_wait(&changed, &lock);
		else
			(void)thread_cond_wait_until(&changed, &lock, scheduler_until_ms);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* The lock is not held while it runs. */
static void
run_task(struct task *t, struct db *db, struct arena *a)
{
	int64_t wait;

	t->began_ms = clock_ms();
	pthread_mutex_unlock(&lock);
	wait = t->row->run(db, a, &stop);
	arena_reset(a);
	pthread_mutex_lock(&lock);
	end_turn(t, wait);
}

static void *
worker_thread(void *arg)
{
	struct worker *w = arg;
	struct arena *a = arena_new();
	struct db *db = db_open("millrace_runner",
	    arena_printf(a, "runner %s", w->only ? w->only->name : "periodic").p);

	pthread_mutex_lock(&lock);
	while (!is_ending) {
		struct task *t = take_task(w);

		if (t) {
			run_task(t, db, a);
			continue;
		}
		w->is_idle = true;
		pthread_cond_wait(&w->work, &lock);
		w->is_idle = false;
	}
	pthread_mutex_unlock(&lock);
	arena_free(a);
	db_close(db);
	return NULL;
}

static void
add_worker(const struct periodic *only)
{
	struct worker *w = &workers[n_workers++];

	w->only = only;
	thread_cond_init(&w->work);
	thread_start(&w->thread, worker_thread, w, true);
}

void
periodic_start(const struct periodic *table)
{
	pthread_mutex_lock(&lock);
	stop_init(&stop);
	thread_cond_init(&changed);
	for (const struct periodic *row = table; row->name && n_tasks < TASKS_MAX; row++) {
		tasks[n_tasks++] =
		    (struct task){ .row = row, .due_ms = clock_ms(), .sooner_ms = INT64_MAX };
		if (row->kind == PERIODIC_APART)
			add_worker(row);
	}
	for (int i = 0; i < POOL; i++)
		add_worker(NULL);
	thread_start(&scheduler, scheduler_thread, NULL, true);
	pthread_mutex_unlock(&lock);
}

void
periodic_stop(void)
{
	stop_set(&stop, STOP_SHUTDOWN);
	pthread_mutex_lock(&lock);
	is_ending = true;
	pthread_cond_signal(&changed);
	for (size_t i = 0; i < n_workers; i++)
		pthread_cond_signal(&workers[i].work);
	pthread_mutex_unlock(&lock);
	pthread_join(scheduler, NULL);
	for (size_t i = 0; i < n_workers; i++)
		pthread_join(workers[i].thread, NULL);
}

/* -- what hurries a task -- */

void
periodic_within(struct str name, int64_t ms)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_tasks; i++)
		if (str_eq(name, str_from(tasks[i].row->name)))
			hurry(&tasks[i], clock_ms() + ms);
	pthread_mutex_unlock(&lock);
}

void
periodic_wake(struct str name)
{
	periodic_within(name, 0);
}

void
periodic_wake_all(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_tasks; i++)
		hurry(&tasks[i], clock_ms());
	pthread_mutex_unlock(&lock);
}
