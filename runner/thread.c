#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/log.h>

#include "runner/thread.h"

/* ASan's own frames want more room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_LEN ((size_t)2048 * 1024)
#else
#define STACK_LEN ((size_t)256 * 1024)
#endif

#define IDLE_MS 5000 /* a thread without work ends after this */

/* What a thread is started with. */
struct start {
	void *(*fn)(void *);
	void *arg;
};

/* A thread that is lent, on its own stack. */
struct lent {
	void (*fn)(void *); /* NULL: it is idle */
	void *arg;
	pthread_cond_t work;
	struct lent *next; /* the idle ones; the last that came to its end is first */
};

static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lent *idle;

static void *
run_in_c_locale(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
	return s.fn(s.arg);
}

bool
thread_start(pthread_t *t, void *(*fn)(void *), void *arg, bool must)
{
	struct start *s = xmalloc(sizeof(*s));
	pthread_attr_t attr;
	pthread_t ignored;
	int e;

	*s = (struct start){ fn, arg };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_LEN);
	if (!t)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	e = pthread_create(t ? t : &ignored, &attr, run_in_c_locale, s);
	pthread_attr_destroy(&attr);
	if (e != 0)
		free(s);
	if (e != 0 && must)
		die("A thread cannot be started: error %d.", e);
	return e == 0;
}

/* Waits for work, for a while; the lock is held. Where there is none it is no longer idle. */
static void
lent_wait(struct lent *l)
{
	int64_t until = clock_ms() + IDLE_MS;
	struct lent **at = &idle;

	l->next = idle;
	idle = l;
	while (!l->fn && thread_cond_wait_until(&l->work, &idle_lock, until))
		;
	if (l->fn)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
}

static void *
lent_thread(void *arg)
{
	struct lent l = *(struct lent *)arg;

	free(arg);
	thread_cond_init(&l.work);
	do {
		l.fn(l.arg);
		l.fn = NULL;
		pthread_mutex_lock(&idle_lock);
		lent_wait(&l);
		pthread_mutex_unlock(&idle_lock);
	} while (l.fn);
	pthread_cond_destroy(&l.work);
	return NULL;
}

bool
thread_lend(void (*fn)(void *), void *arg)
{
	struct lent *l;

	pthread_mutex_lock(&idle_lock);
	if ((l = idle) != NULL) {
		idle = l->next;
		l->fn = fn;
		l->arg = arg;
		pthread_cond_signal(&l->work);
	}
	pthread_mutex_unlock(&idle_lock);
	if (l)
		return true;
	l = xmalloc(sizeof(*l));
	*l = (struct lent){ .fn = fn, .arg = arg };
	if (thread_start(NULL, lent_thread, l, false))
		return true;
	free(l);
	return false;
}

void
thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

bool
thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms)
{
	/*
	 * clock_ms() cuts off what is below a millisecond: without one more, the last would be
	 * waited for several times.
	 */
	struct timespec until = { .tv_sec = (until_ms + 1) / 1000,
		.tv_nsec = (until_ms + 1) % 1000 * 1000000 };

	return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

void
sleep_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

int64_t
jitter(int64_t n)
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint64_t)clock_us();
	return n > 0 ? (int64_t)(r % (uint64_t)n) : 0;
}
