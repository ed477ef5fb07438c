#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/log.h>
#include <millrace/pipe.h>

#include "runner/queue/commit.h"
#include "runner/thread.h"

#define CONNECT_MS 5000 /* at start: how long the connection is waited for */

/* A statement whose caller waits, on the caller's stack. */
struct commit {
	const struct query *query;
	const struct sql_arg *args;
	PGresult *res;
	enum err e;
	sem_t done;
	struct commit *next;
};

static struct {
	pthread_mutex_t lock; /* guards the queue, is_ending and was_up */
	struct commit *first, **last; /* those that are not sent yet */
	bool is_ending;
	bool was_up;
	pthread_cond_t up;
	void (*turn)(void);
	pthread_t thread;
	struct loop *loop; /* the thread's own, as all that follows */
	struct loop_fd wake; /* an eventfd: something was queued */
	struct pipe *pipe;
	struct arena *scratch;
} committer = { .lock = PTHREAD_MUTEX_INITIALIZER, .last = &committer.first };

void
commit_wake(void)
{
	uint64_t one = 1;

	while (write(committer.wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* With the post it may be gone. */
static void
commit_end(struct commit *c, enum err e, PGresult *res)
{
	c->e = e;
	c->res = res;
	sem_post(&c->done);
}

static void
on_committed(void *arg, const struct pipe_reply *reply)
{
	PGresult *res = reply->res[0];

	reply->res[0] = NULL;
	commit_end(arg, reply->e, res);
}

enum err
commit_post(const struct query *q, const struct sql_arg *args, pipe_done *done, void *done_arg)
{
	const struct pipe_statement s = { .query = q, .args = args, .n_args = q->n_args };
	enum err e = pipe_send(committer.pipe, committer.scratch, &s, 1, done, done_arg);

	arena_reset(committer.scratch);
	return e;
}

static void
commit_send(struct commit *c)
{
	enum err e = commit_post(c->query, c->args, on_committed, c);

	if (e != ERR_OK)
		commit_end(c, e, NULL);
}

/* Sends all that was queued: they share a turn, and so a flush. */
static void
on_wake(struct loop_fd *self, uint32_t events)
{
	struct commit *c, *next;
	uint64_t n;
	bool is_ending;

	(void)events;
	while (read(self->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&committer.lock);
	c = committer.first;
	committer.first = NULL;
	committer.last = &committer.first;
	is_ending = committer.is_ending;
	pthread_mutex_unlock(&committer.lock);
	for (; c; c = next) {
		next = c->next;
		commit_send(c);
	}
	committer.turn();
	if (is_ending)
		loop_stop(committer.loop);
}

static void *
commit_thread(void *arg)
{
	(void)arg;
	loop_run(committer.loop);
	return NULL;
}

static void
on_up(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&committer.lock);
	committer.was_up = true;
	pthread_cond_signal(&committer.up);
	pthread_mutex_unlock(&committer.lock);
}

/* What is asked before the connection is up fails. */
static void
wait_until_up(void)
{
	int64_t until = clock_ms() + CONNECT_MS;

	pthread_mutex_lock(&committer.lock);
	while (!committer.was_up && thread_cond_wait_until(&committer.up, &committer.lock, until))
		;
	pthread_mutex_unlock(&committer.lock);
}

struct loop *
commit_loop(void)
{
	return committer.loop;
}

void
commit_start(void (*turn)(void))
{
	committer.turn = turn;
	thread_cond_init(&committer.up);
	committer.loop = loop_new();
	committer.scratch = arena_new();
	committer.wake =
	    (struct loop_fd){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = on_wake };
	if (committer.wake.fd < 0)
		die("The runner cannot make an eventfd.");
	loop_watch(committer.loop, &committer.wake, EPOLLIN);
	committer.pipe =
	    pipe_open(committer.loop, "millrace_runner", "runner commit", NULL, on_up, NULL);
	pipe_batch(committer.pipe, true);
	pipe_doubt(committer.pipe);
	thread_start(&committer.thread, commit_thread, NULL, true);
	wait_until_up();
}

void
commit_stop(void)
{
	pthread_mutex_lock(&committer.lock);
	committer.is_ending = true;
	pthread_mutex_unlock(&committer.lock);
	commit_wake();
	pthread_join(committer.thread, NULL);
	pipe_close(committer.pipe);
	loop_free(committer.loop);
	close(committer.wake.fd);
	arena_free(committer.scratch);
}

enum err
commit_query(struct arena *a, const struct query *q, const struct sql_arg *args, PGresult **out)
{
	struct commit c = { .query = q, .args = args };
	bool is_first;

	sem_init(&c.done, 0, 0);
	pthread_mutex_lock(&committer.lock);
	is_first = !committer.first;
	*committer.last = &c;
	committer.last = &c.next;
	pthread_mutex_unlock(&committer.lock);
	if (is_first)
		commit_wake();
	while (sem_wait(&c.done) < 0)
		;
	sem_destroy(&c.done);
	sql_adopt(a, c.res);
	if (out)
		*out = c.res;
	return c.e;
}
