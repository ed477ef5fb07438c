#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/container_of.h>
#include <millrace/log.h>
#include <millrace/loop.h>

#define EVENTS_A_TURN 256
#define SIGNALS_MAX 8

struct loop {
	struct loop_fd signals;
	int epoll;
	bool stopped;
	int64_t now_ms;
	struct loop_timer **heap; /* by due_ms, the soonest first */
	size_t n_timers, timers_room;
	struct epoll_event ready[EVENTS_A_TURN];
	int n_ready;
	sigset_t blocked;
	struct {
		int signo;
		void (*handle)(int signo, void *arg);
		void *arg;
	} handlers[SIGNALS_MAX];
	size_t n_handlers;
	void (*turn)(void *arg);
	void *turn_arg;
	bool is_shared;
	pthread_mutex_t lock; /* of a loop that is shared: held while it does not wait */
	int64_t until_ms; /* when a wait ends by itself, clock_ms() */
};

struct loop *
loop_new(void)
{
	struct loop *l = xmalloc(sizeof(*l));

	*l = (struct loop){
		.epoll = epoll_create1(EPOLL_CLOEXEC), .now_ms = clock_ms(), .signals.fd = -1
	};
	if (l->epoll < 0)
		die("epoll_create1: %s.", strerror(errno));
	sigemptyset(&l->blocked);
	return l;
}

void
loop_free(struct loop *l)
{
	if (l->signals.fd >= 0)
		close(l->signals.fd);
	close(l->epoll);
	free(l->heap);
	free(l);
}

/* Events of this turn must not reach an object that has left the set: it may be freed. */
static void
drop_ready(struct loop *l, const struct loop_fd *f)
{
	for (int i = 0; i < l->n_ready; i++)
		if (l->ready[i].data.ptr == f)
			l->ready[i].data.ptr = NULL;
}

void
loop_watch(struct loop *l, struct loop_fd *f, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = f };
	int op = events == 0 ? EPOLL_CTL_DEL : f->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (events == f->events)
		return;
	/* The kernel refuses to modify an entry with EPOLLEXCLUSIVE: add it anew. */
	if (op == EPOLL_CTL_MOD && ((events | f->events) & EPOLLEXCLUSIVE)) {
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, f->fd, &e);
		op = EPOLL_CTL_ADD;
	}
	/* EPOLL_CTL_DEL may fail: a descriptor that libpq has closed already has left the set by
	   that. */
	if (epoll_ctl(l->epoll, op, f->fd, &e) != 0 && op != EPOLL_CTL_DEL)
		die("epoll_ctl: %s.", strerror(errno));
	f->events = events;
	if (op == EPOLL_CTL_DEL)
		drop_ready(l, f);
}

void
loop_forget(struct loop *l, struct loop_fd *f)
{
	f->events = 0;
	drop_ready(l, f);
}

static void
heap_set(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->heap_index = (int)i;
}

static void
heap_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];

	for (; i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms; i = (i - 1) / 2)
		heap_set(l, i, l->heap[(i - 1) / 2]);
	heap_set(l, i, t);
}

static void
heap_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];
	size_t child;

	for (; (child = 2 * i + 1) < l->n_timers; i = child) {
		if (child + 1 < l->n_timers && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
			child++;
		if (l->heap[child]->due_ms >= t->due_ms)
			break;
		heap_set(l, i, l->heap[child]);
	}
	heap_set(l, i, t);
}

void
loop_disarm(struct loop *l, struct loop_timer *t)
{
	size_t i = (size_t)t->heap_index;

	if (t->due_ms == 0)
		return;
	t->due_ms = 0;
	if (i == --l->n_timers)
		return;
	heap_set(l, i, l->heap[l->n_timers]);
	heap_up(l, i);
	heap_down(l, i);
}

void
loop_arm(struct loop *l, struct loop_timer *t, int64_t ms)
{
	loop_disarm(l, t);
	if (l->n_timers == l->timers_room) {
		l->timers_room = l->timers_room ? 2 * l->timers_room : 64;
		l->heap = xrealloc(l->heap, l->timers_room * sizeof(*l->heap));
	}
	t->due_ms = l->now_ms + (ms > 0 ? ms : 0);
	if (t->due_ms == 0)
		t->due_ms = 1;
	heap_set(l, l->n_timers, t);
	heap_up(l, l->n_timers++);
}

int64_t
loop_now(const struct loop *l)
{
	return l->now_ms;
}

int64_t
loop_at_unix(const struct loop *l, int64_t seconds)
{
	int64_t at = l->now_ms + (seconds - (int64_t)time(NULL)) * 1000;

	/* 0 is never: a time before the clock's zero must not become it */
	return seconds == 0 ? 0 : at == 0 ? -1 : at;
}

static void
loop_signals_ready(struct loop_fd *self, uint32_t events)
{
	struct loop *l = container_of(self, struct loop, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(self->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		for (size_t i = 0; i < l->n_handlers; i++)
			if (l->handlers[i].signo == (int)info.ssi_signo)
				l->handlers[i].handle((int)info.ssi_signo, l->handlers[i].arg);
}

void
loop_signal(struct loop *l, int signo, void (*handle)(int signo, void *arg), void *arg)
{
	if (l->n_handlers == SIGNALS_MAX)
		abort();
	l->handlers[l->n_handlers].signo = signo;
	l->handlers[l->n_handlers].handle = handle;
	l->handlers[l->n_handlers++].arg = arg;
	sigaddset(&l->blocked, signo);
	sigprocmask(SIG_BLOCK, &l->blocked, NULL);
	l->signals.fd = signalfd(l->signals.fd, &l->blocked, SFD_NONBLOCK | SFD_CLOEXEC);
	l->signals.ready = loop_signals_ready;
	loop_watch(l, &l->signals, EPOLLIN);
}

void
loop_each_turn(struct loop *l, void (*turn)(void *arg), void *arg)
{
	l->turn = turn;
	l->turn_arg = arg;
}

static void
fire_due(struct loop *l)
{
	while (l->n_timers > 0 && l->heap[0]->due_ms <= l->now_ms) {
		struct loop_timer *t = l->heap[0];

		loop_disarm(l, t);
		t->fire(t);
	}
}

void
loop_share(struct loop *l)
{
	pthread_mutex_init(&l->lock, NULL);
	l->is_shared = true;
}

bool
loop_borrow(struct loop *l)
{
	if (pthread_mutex_trylock(&l->lock) != 0)
		return false;
	l->now_ms = clock_ms();
	return true;
}

bool
loop_give_back(struct loop *l)
{
	bool is_late = l->n_timers > 0 && l->heap[0]->due_ms < l->until_ms;

	pthread_mutex_unlock(&l->lock);
	return is_late;
}

/* Waits for what is ready; what was borrowed meanwhile is waited for. */
static int
wait_for_ready(struct loop *l)
{
	int64_t now = clock_ms(), wait = 60000;
	int n;

	if (l->n_timers > 0 && l->heap[0]->due_ms - now < wait)
		wait = l->heap[0]->due_ms > now ? l->heap[0]->due_ms - now : 0;
	l->until_ms = now + wait;
	if (l->is_shared)
		pthread_mutex_unlock(&l->lock);
	n = epoll_wait(l->epoll, l->ready, EVENTS_A_TURN, (int)wait);
	if (n < 0 && errno != EINTR)
		die("epoll_wait: %s.", strerror(errno));
	if (l->is_shared)
		pthread_mutex_lock(&l->lock);
	return n;
}

void
loop_run(struct loop *l)
{
	if (l->is_shared)
		pthread_mutex_lock(&l->lock);
	while (!l->stopped) {
		l->n_ready = wait_for_ready(l);
		l->now_ms = clock_ms();
		for (int i = 0; i < l->n_ready; i++) {
			struct loop_fd *f = l->ready[i].data.ptr;

			if (f)
				f->ready(f, l->ready[i].events);
		}
		l->n_ready = 0;
		fire_due(l);
		if (l->turn)
			l->turn(l->turn_arg);
	}
	if (l->is_shared)
		pthread_mutex_unlock(&l->lock);
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
}
