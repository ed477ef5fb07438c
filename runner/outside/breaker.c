#include <pthread.h>
#include <stdio.h>

#include <millrace/clock.h>
#include <millrace/log.h>

#include "runner/runner.h"
#include "runner/outside/http.h"

#define HOSTS 16
#define FAILURES 8 /* in a row */
#define SHUT_MS 3000 /* the first time; doubled each time up to the most */
#define SHUT_MOST_MS 60000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct breaker {
	char host[128];
	int failures;
	int64_t shut_ms; /* how long it was shut last; 0: never */
	int64_t shut_until; /* 0: open to all */
} hosts[HOSTS];

/* The host's place, or the first one for those beyond the table. */
static struct breaker *
find(const char *host)
{
	for (size_t i = 0; i < HOSTS; i++) {
		if (!hosts[i].host[0])
			snprintf(hosts[i].host, sizeof(hosts[i].host), "%s", host);
		if (strncmp(hosts[i].host, host, sizeof(hosts[i].host) - 1) == 0)
			return &hosts[i];
	}
	return &hosts[0];
}

int64_t
breaker_wait_ms(const char *host)
{
	int64_t wait = 0, ms = clock_ms();
	struct breaker *b;

	pthread_mutex_lock(&lock);
	b = find(host);
	if (b->shut_until > ms)
		wait = b->shut_until - ms;
	else if (b->shut_until > 0)
		/* This one tries; the others wait for how it fares. */
		b->shut_until = ms + b->shut_ms;
	pthread_mutex_unlock(&lock);
	return wait;
}

void
breaker_report(const char *host, bool good)
{
	struct breaker *b;

	pthread_mutex_lock(&lock);
	b = find(host);
	if (good) {
		if (b->shut_until > 0)
			log_info("a host answers again", "host", host);
		b->failures = 0;
		b->shut_ms = 0;
		b->shut_until = 0;
	} else if (++b->failures >= FAILURES && b->shut_until <= clock_ms() + b->shut_ms / 2) {
		b->shut_ms = b->shut_ms == 0		     ? SHUT_MS
			     : b->shut_ms * 2 < SHUT_MOST_MS ? b->shut_ms * 2
							     : SHUT_MOST_MS;
		b->shut_until = clock_ms() + b->shut_ms;
		log_warn("a host fails again and again; it is let be for a while", "host", host);
	}
	pthread_mutex_unlock(&lock);
}
