/*
 * An epoll loop: file descriptors, timers, and signals by signalfd(2). A loop and everything on it
 * belong to one thread, or to who has borrowed it. Callbacks run to their end and must not block.
 * What the kernel refuses (epoll_create1, epoll_ctl, epoll_wait) ends the process, so nothing
 * returns errors.
 */
#ifndef MILLRACE_LOOP_H
#define MILLRACE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <millrace/err.h>

/* Embed it in the object that the descriptor belongs to (container_of.h). */
struct loop_fd {
	int fd;
	uint32_t events; /* EPOLLIN … as last set; 0: not in the set */
	void (*ready)(struct loop_fd *self, uint32_t events);
};

/* A one-shot timer; embed it, too. Zero-initialised it is not armed. */
struct loop_timer {
	int64_t due_ms; /* on loop_now's clock; 0: not armed */
	int heap_index;
	void (*fire)(struct loop_timer *self);
};

struct loop;

/* Never NULL. The caller frees it with loop_free, which closes no descriptor of others. */
struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Puts the descriptor in the set, or changes what it waits for (epoll_ctl(2)'s bits,
   level-triggered); 0 takes it out, after which `ready` is not called in this turn either. Take a
   descriptor out before closing it. */
void loop_watch(struct loop *l, struct loop_fd *f, uint32_t events);
/* Forgets a descriptor that somebody has closed already, and that left the set by that. */
void loop_forget(struct loop *l, struct loop_fd *f);
/* Arms the timer, again where it is armed, to fire once in `ms` milliseconds; 0 or less: at this
   turn's end or the next. */
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

/* Blocks `signo` in this thread and calls handle(signo, arg) from the loop when it comes; 8 signals
   at most. */
void loop_signal(struct loop *l, int signo, void (*handle)(int signo, void *arg), void *arg);
/* Calls turn(arg) at each turn's end, after descriptors and timers: where output that was queued is
   written together. One per loop. */
void loop_each_turn(struct loop *l, void (*turn)(void *arg), void *arg);
/* Runs until loop_stop is called, and then to that turn's end. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Lets other threads borrow the loop; before it runs. */
void loop_share(struct loop *l);
/*
 * True where the loop's thread waits: what belongs to the loop is the caller's until
 * loop_give_back, but no descriptor is taken out. False, at once, where it does not wait, or
 * somebody else has it.
 */
bool loop_borrow(struct loop *l);
/* True where the thread has to be woken, since a timer is due before its wait ends. */
MUST_CHECK bool loop_give_back(struct loop *l);

#endif
