/* lib/loop.c: timers in order, descriptors that come and go within a turn, signals. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

#include <millrace/container_of.h>
#include <millrace/loop.h>

#include "test.h"

static struct loop *loop;

#define N_TIMERS 500

struct numbered {
	struct loop_timer t;
	int64_t due;
};

static struct numbered timers[N_TIMERS];
static int64_t last_due;
static int n_fired, n_wanted;
static bool in_order;

static void
fire(struct loop_timer *self)
{
	struct numbered *n = container_of(self, struct numbered, t);

	in_order &= n->due >= last_due && self->due_ms == 0 && loop_now(loop) >= n->due;
	last_due = n->due;
	if (++n_fired == n_wanted)
		loop_stop(loop);
}

static void
arm(int i, uint32_t ms)
{
	timers[i].t.fire = fire;
	loop_arm(loop, &timers[i].t, (int64_t)ms);
	timers[i].due = timers[i].t.due_ms;
}

static void
timer_order(void)
{
	uint32_t state = 5;

	loop = loop_new();
	for (int i = 0; i < N_TIMERS; i++)
		arm(i, test_random(&state) % 50);
	for (int i = 0; i < N_TIMERS; i += 3)
		loop_disarm(loop, &timers[i].t);
	for (int i = 1; i < N_TIMERS; i += 3)
		arm(i, test_random(&state) % 80);
	loop_disarm(loop, &timers[0].t);
	in_order = true;
	n_wanted = N_TIMERS - (N_TIMERS + 2) / 3;
	loop_run(loop);
	CHECK("timers fire in the order that they are due, and not before", in_order);
	CHECK("disarmed timers do not", n_fired == n_wanted);
	loop_free(loop);
}

static int n_ticks;
static int64_t started, stopped;

static void
tick(struct loop_timer *self)
{
	if (++n_ticks < 5) {
		loop_arm(loop, self, 10);
		return;
	}
	stopped = loop_now(loop);
	loop_stop(loop);
}

static void
timer_again(void)
{
	struct loop_timer t = { .fire = tick };

	loop = loop_new();
	started = loop_now(loop);
	loop_arm(loop, &t, -5);
	loop_run(loop);
	CHECK("a timer that arms itself again", n_ticks == 5);
	CHECK("takes its time", stopped - started >= 40 && stopped - started < 1000);
	loop_free(loop);
}

struct pipe_end {
	struct loop_fd f;
	int writer;
	struct pipe_end *other;
	int n_ready;
};

static void
remove_other(struct loop_fd *self, uint32_t events)
{
	struct pipe_end *p = container_of(self, struct pipe_end, f);

	(void)events;
	p->n_ready++;
	loop_watch(loop, &p->other->f, 0);
	/* As if the other object were freed now. */
	p->other->f.ready = NULL;
	loop_stop(loop);
}

static void
open_pipe(struct pipe_end *p, struct pipe_end *other,
    void (*ready)(struct loop_fd *self, uint32_t events))
{
	int ends[2];

	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
		abort();
	*p = (struct pipe_end){
		.f = { .fd = ends[0], .ready = ready }, .writer = ends[1], .other = other
	};
	if (write(p->writer, "x", 1) != 1)
		abort();
	loop_watch(loop, &p->f, EPOLLIN);
}

static void
close_pipe(struct pipe_end *p)
{
	loop_watch(loop, &p->f, 0);
	close(p->f.fd);
	close(p->writer);
}

static void
leaving_within_a_turn(void)
{
	struct pipe_end a, b;

	loop = loop_new();
	open_pipe(&a, &b, remove_other);
	open_pipe(&b, &a, remove_other);
	loop_run(loop);
	CHECK("a descriptor that leaves the set in a turn is not called in it",
	    a.n_ready + b.n_ready == 1);
	close_pipe(&a);
	close_pipe(&b);
	loop_free(loop);
}

static int n_turns;

static void
count_turn(void *arg)
{
	*(int *)arg += 1;
}

static void
change_events(struct loop_fd *self, uint32_t events)
{
	struct pipe_end *p = container_of(self, struct pipe_end, f);
	char c;

	(void)events;
	p->n_ready++;
	if (read(self->fd, &c, 1) == 1 && p->n_ready == 1) {
		loop_watch(loop, self, EPOLLIN | EPOLLEXCLUSIVE);
		loop_watch(loop, self, 0);
		loop_watch(loop, self, 0);
		loop_watch(loop, self, EPOLLIN);
		if (write(p->writer, "x", 1) != 1)
			abort();
		return;
	}
	loop_stop(loop);
}

static void
putting_back(void)
{
	struct pipe_end a;

	loop = loop_new();
	loop_each_turn(loop, count_turn, &n_turns);
	open_pipe(&a, NULL, change_events);
	loop_run(loop);
	CHECK("a descriptor that is put back is called again", a.n_ready == 2);
	CHECK("the turn callback runs once a turn", n_turns == 2);
	close(a.f.fd);
	loop_forget(loop, &a.f);
	loop_watch(loop, &a.f, 0);
	CHECK("a descriptor that was closed elsewhere is forgotten", a.f.events == 0);
	close(a.writer);
	loop_free(loop);
}

static int seen[2];

static void
on_signal(int signo, void *arg)
{
	seen[*(int *)arg] = signo;
	if (seen[0] && seen[1])
		loop_stop(loop);
}

static void
signals(void)
{
	static int first = 0, second = 1;

	loop = loop_new();
	loop_signal(loop, SIGUSR1, on_signal, &first);
	loop_signal(loop, SIGUSR2, on_signal, &second);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	loop_run(loop);
	CHECK("signals reach their own handlers", seen[0] == SIGUSR1 && seen[1] == SIGUSR2);
	loop_free(loop);
}

static sem_t in_turn, may_go_on;
static struct loop_timer borrowed;

/* The loop's thread stays in its turn until the other lets it go on. */
static void
stay(struct loop_fd *self, uint32_t events)
{
	char c;

	(void)events;
	if (read(self->fd, &c, 1) != 1)
		abort();
	sem_post(&in_turn);
	sem_wait(&may_go_on);
}

static void
end_loop(struct loop_timer *self)
{
	(void)self;
	loop_stop(loop);
}

static void *
run_loop(void *arg)
{
	loop_run(loop);
	return arg;
}

static void
borrowing(void)
{
	struct pipe_end a;
	pthread_t other;

	sem_init(&in_turn, 0, 0);
	sem_init(&may_go_on, 0, 0);
	borrowed.fire = end_loop;
	loop = loop_new();
	loop_share(loop);
	open_pipe(&a, NULL, stay);
	pthread_create(&other, NULL, run_loop, NULL);
	sem_wait(&in_turn);
	CHECK("a loop is not lent within a turn", !loop_borrow(loop));
	sem_post(&may_go_on);
	while (!loop_borrow(loop))
		sched_yield();
	loop_arm(loop, &borrowed, 120 * 1000);
	CHECK("it is while its thread waits", !loop_give_back(loop));
	while (!loop_borrow(loop))
		sched_yield();
	loop_arm(loop, &borrowed, 0);
	CHECK("which is to be woken for a timer that is due before", loop_give_back(loop));
	sem_post(&may_go_on);
	if (write(a.writer, "x", 1) != 1)
		abort();
	pthread_join(other, NULL);
	CHECK("and then fires", borrowed.due_ms == 0);
	loop_watch(loop, &a.f, 0);
	close(a.f.fd);
	close(a.writer);
	loop_free(loop);
}

int
main(void)
{
	timer_order();
	timer_again();
	leaving_within_a_turn();
	putting_back();
	signals();
	borrowing();
	return test_end();
}
