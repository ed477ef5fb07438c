/*
 * An epoll loop: file descriptors, timers, and signals by signalfd; one thread, no callbacks from elsewhere. Used by workers and
 * streamd. Callbacks run to their end and must not block.
 */
#ifndef MILLRACE_LOOP_H
#define MILLRACE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Embed one in the object that the descriptor belongs to. */
struct loop_fd {
	int fd;
	uint32_t events; /* EPOLLIN … as last set; 0: not in the set */
	void (*ready)(struct loop_fd *self, uint32_t events);
};

/* A one-shot timer; embed it too. Zero-initialised is "not armed". */
struct loop_timer {
	int64_t due_ms; /* on loop_now's clock; 0: not armed */
	int heap_index;
	void (*fire)(struct loop_timer *self);
};

struct loop;

/* Never NULL: a process that can have no epoll set ends. The caller frees it with loop_free, which closes no descriptor of others. */
struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Puts the descriptor in the set, or changes what it waits for (epoll_ctl(2)'s bits; level-triggered); 0 takes it out. Before closing a
   descriptor, take it out. Where the kernel refuses, the process ends. */
void loop_watch(struct loop *l, struct loop_fd *f, uint32_t events);
/* For a descriptor that someone else has closed already: it left the epoll set by that. */
void loop_forget(struct loop *l, struct loop_fd *f);
/* (Re)arms the timer to fire once, `ms` from now; 0 or less: in this turn's end or the next. */
void loop_arm(struct loop *l, struct loop_timer *t, int64_t ms);
/* Idempotent. */
void loop_disarm(struct loop *l, struct loop_timer *t);
/* Milliseconds on the monotonic clock, as of this turn. */
int64_t loop_now(const struct loop *l);
/* When that second of Unix time comes, on loop_now's clock; 0, for never, stays 0. */
int64_t loop_at_unix(const struct loop *l, int64_t seconds);

/* The sooner of two times, of which 0 is never. */
static inline int64_t
sooner(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Blocks `signo` and calls `handle(signo, arg)` from the loop when it comes. At most 8 signals. */
void loop_signal(struct loop *l, int signo, void (*handle)(int signo, void *arg), void *arg);
/* Called once at the end of each turn, after all ready descriptors: where what was queued is flushed together. */
void loop_each_turn(struct loop *l, void (*turn)(void *arg), void *arg);
/* Runs until loop_stop, and the turn in which it was called to its end. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
