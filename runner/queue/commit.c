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

#define MANY_MAX 32 /* ends of calls in one statement */
#define MANY_BYTES ((size_t)1 << 20) /* of their texts in all; what is longer goes alone */
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

/* Statements that were sent as one. */
struct many {
	struct commit *first;
};

static struct {
	pthread_mutex_t lock; /* guards the queue, is_ending and was_up */
	struct commit *first, **last; /* those that are not sent yet */
	bool is_ending;
	bool was_up;
	pthread_cond_t up;
	void (*turn)(void);
	pthread_t thread;
	struct loop *loop; /* the thread's own, or whose it is in commit_turn; so is what follows */
	struct loop_fd wake; /* an eventfd: something was queued */
	struct pipe *pipe;
	struct arena *scratch;
	struct commit *waiting, **waiting_last; /* of such as go together, while some are sent */
	struct many *sent;
} committer = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.last = &committer.first,
	.waiting_last = &committer.waiting };

static void
wake(void)
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

static enum err
post(const struct query *q, const struct sql_arg *args, pipe_held *held, pipe_done *done, void *arg)
{
	const struct pipe_statement s = { .query = q, .args = args, .n_args = q->n_args };
	enum err e = pipe_send_held(committer.pipe, committer.scratch, &s, 1, held, done, arg);

	arena_reset(committer.scratch);
	return e;
}

enum err
commit_post(const struct query *q, const struct sql_arg *args, pipe_done *done, void *done_arg)
{
	return post(q, args, NULL, done, done_arg);
}

static void
commit_send(struct commit *c)
{
	enum err e = commit_post(c->query, c->args, on_committed, c);

	if (e != ERR_OK)
		commit_end(c, e, NULL);
}

/* -- those that go together -- */

static void many_send(void);

/* The row i of a statement for many, as that of a statement of its own. */
static PGresult *
row_alone(const PGresult *res, int i)
{
	PGresult *own = PQcopyResult(res, PG_COPYRES_ATTRS);

	for (int k = 0; own && k < PQnfields(res); k++)
		(void)PQsetvalue(own, 0, k, PQgetisnull(res, i, k) ? NULL : PQgetvalue(res, i, k),
		    PQgetisnull(res, i, k) ? -1 : PQgetlength(res, i, k));
	return own;
}

/* They have been done, and wait for their flush: the next may come. */
static void
on_many_held(void *arg)
{
	if (committer.sent == arg)
		committer.sent = NULL;
	many_send();
}

/* What goes wrong with one is none of the others': then each is sent alone. */
static void
on_many_done(void *arg, const struct pipe_reply *reply)
{
	struct many *m = arg;
	struct commit *c, *next = m->first;
	bool is_one = !next->next;

	for (int i = 0; (c = next) != NULL; i++) {
		next = c->next;
		if (is_one)
			on_committed(c, reply);
		else if (reply->e != ERR_OK && reply->e != ERR_OVERLOADED)
			commit_send(c);
		else
			commit_end(c, reply->e,
			    reply->e == ERR_OK && i < PQntuples(reply->res[0])
				? row_alone(reply->res[0], i)
				: NULL);
	}
	on_many_held(m);
	free(m);
}

static size_t
bytes_of(const struct commit *c)
{
	size_t bytes = 0;

	for (int i = 0; i < c->query->n_args; i++)
		bytes += c->args[i].type == SQL_TEXT ? c->args[i].s.n : 0;
	return bytes;
}

/* Takes those of the first one's kind off what waits, as many as may go together; how many. */
static size_t
many_take(struct many *m, const struct sql_arg *args[MANY_MAX])
{
	const struct query *q = committer.waiting->query;
	struct commit **at = &committer.waiting, **last = &m->first;
	size_t n = 0, bytes = 0;

	while (*at) {
		struct commit *c = *at;

		if (c->query != q || n == MANY_MAX || (n > 0 && bytes + bytes_of(c) > MANY_BYTES)) {
			at = &c->next;
			continue;
		}
		bytes += bytes_of(c);
		*at = c->next;
		c->next = NULL;
		*last = c;
		last = &c->next;
		args[n++] = c->args;
	}
	committer.waiting_last = at;
	return n;
}

/* Sends what waits, once what was sent before has been done: the busier the server, the more go
   together. */
static void
many_send(void)
{
	const struct sql_arg *args[MANY_MAX];

	while (committer.waiting && !committer.sent) {
		struct many *m = xmalloc(sizeof(*m));
		size_t n = many_take(m, args);
		const struct query *q = m->first->query;
		struct arena *a = arena_new();
		enum err e;

		committer.sent = m;
		e = post(n > 1 ? q->many : q, n > 1 ? sql_args_many(a, q, args, n) : args[0],
		    on_many_held, on_many_done, m);
		arena_free(a);
		if (e != ERR_OK)
			on_many_done(
			    m, &(struct pipe_reply){ .e = e, .res = (PGresult *[]){ NULL } });
	}
}

static void
commit_wait(struct commit *c)
{
	c->next = NULL;
	*committer.waiting_last = c;
	committer.waiting_last = &c->next;
}

/* Sends all that was queued: they share a turn, and so a flush. */
static void
send_queued(void)
{
	struct commit *c, *next;

	pthread_mutex_lock(&committer.lock);
	c = committer.first;
	committer.first = NULL;
	committer.last = &committer.first;
	pthread_mutex_unlock(&committer.lock);
	for (; c; c = next) {
		next = c->next;
		if (c->query->many)
			commit_wait(c);
		else
			commit_send(c);
	}
	many_send();
	committer.turn();
}

static void
on_wake(struct loop_fd *self, uint32_t events)
{
	uint64_t n;
	bool is_ending;

	(void)events;
	while (read(self->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&committer.lock);
	is_ending = committer.is_ending;
	pthread_mutex_unlock(&committer.lock);
	send_queued();
	if (is_ending)
		loop_stop(committer.loop);
}

void
commit_turn(void)
{
	if (!loop_borrow(committer.loop)) {
		wake();
		return;
	}
	send_queued();
	if (loop_give_back(committer.loop))
		wake();
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
	loop_share(committer.loop);
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
	wake();
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
		commit_turn();
	while (sem_wait(&c.done) < 0)
		;
	sem_destroy(&c.done);
	sql_adopt(a, c.res);
	if (out)
		*out = c.res;
	return c.e;
}
