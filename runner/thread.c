#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include <millrace/clock.h>
#include <millrace/log.h>

#include "runner/thread.h"

/* ASan's own frames want more room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_LEN ((size_t)2048 * 1024)
#else
#define STACK_LEN ((size_t)256 * 1024)
#endif

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
