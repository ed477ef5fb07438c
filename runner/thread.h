/*
 * Threads of the runner: all with its stack size and its signal mask, and two small things that
 * they do while they wait. Any thread may call these.
 *
 * Each has the C locale for its own. json-c copies its caller's locale for each document that it
 * parses, which takes a lock of the whole process; the C locale alone is copied without it
 * (findings/json-c-parse-locks-locale.sh).
 */
#ifndef RUNNER_THREAD_H
#define RUNNER_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Starts fn(arg). `t` gets the thread, which the caller joins; NULL: it is detached. Where the
 * system has no more threads it ends the process if `must` is set, and returns false otherwise.
 */
bool thread_start(pthread_t *t, void *(*fn)(void *), void *arg, bool must);
/*
 * Runs fn(arg) on a thread that has come to the end of such work within the last seconds, or on a
 * new one. False where the system has no more threads.
 */
bool thread_lend(void (*fn)(void *), void *arg);
/* A condition whose timed waits go by CLOCK_MONOTONIC. */
void thread_cond_init(pthread_cond_t *cond);
/*
 * Waits until clock_ms() is `until_ms` or the condition is signalled; `lock` is held. False where
 * the time is over.
 */
bool thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms);
/*
 * Sleeps for `ms`, whatever signals come. Nothing wakes it: where a job or a shutdown should, use
 * stop_sleep.
 */
void sleep_ms(int64_t ms);
/*
 * A number in [0, n), so that retries and polls of many do not meet; not for secrets. 0 where n is
 * not positive.
 */
int64_t jitter(int64_t n);

#endif
