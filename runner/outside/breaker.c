#include <pthread.h>
#include <stdlib.h>

#include <uthash.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/log.h>

#include "runner/outside/breaker.h"

#define HOSTS 512
#define FAILURES 8 /* in a row */
#define OPEN_MS 3000 /* the first time; doubled each time up to the most */
#define OPEN_MOST_MS 60000

/* A host that has failed last time. One that is well needs no place here. */
struct breaker {
	char *host;
	int failures;
	int64_t open_ms; /* how long it was open last; 0: never */
	int64_t open_until; /* 0: it lets all through */
	UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct breaker
    *breakers; /* uthash keeps the order of adding: the least recently used is first */

/* The host's; NULL: it has not failed. */
static struct breaker *
find(const char *host)
{
	struct breaker *b;

	HASH_FIND_STR(breakers, host, b);
	if (!b)
		return NULL;
	HASH_DEL(breakers, b);
	HASH_ADD_KEYPTR(hh, breakers, b->host, strlen(b->host), b);
	return b;
}

static void
forget(struct breaker *b)
{
	HASH_DEL(breakers, b);
	free(b->host);
	free(b);
}

static struct breaker *
add(const char *host)
{
	struct breaker *b = xmalloc(sizeof(*b));

	if (HASH_COUNT(breakers) >= HOSTS)
		forget(breakers);
	*b = (struct breaker){ .host = xstrdup(host) };
	HASH_ADD_KEYPTR(hh, breakers, b->host, strlen(b->host), b);
	return b;
}

int64_t
breaker_wait_ms(const char *host)
{
	int64_t wait = 0, now = clock_ms();
	struct breaker *b;

	pthread_mutex_lock(&lock);
	b = find(host);
	if (b && b->open_until > now)
		wait = b->open_until - now;
	else if (b && b->open_until > 0)
		/* This one tries; the others wait for how it fares. */
		b->open_until = now + b->open_ms;
	pthread_mutex_unlock(&lock);
	return wait;
}

static void
succeeded(struct breaker *b, const char *host)
{
	if (!b)
		return;
	if (b->open_until > 0)
		log_info("breaker: closed", "host", host);
	forget(b);
}

static void
failed(struct breaker *b, const char *host)
{
	if (!b)
		b = add(host);
	/* Calls that were under way when it opened say nothing new. */
	if (++b->failures < FAILURES || b->open_until > clock_ms() + b->open_ms / 2)
		return;
	b->open_ms = b->open_ms == 0		     ? OPEN_MS
		     : b->open_ms * 2 < OPEN_MOST_MS ? b->open_ms * 2
						     : OPEN_MOST_MS;
	b->open_until = clock_ms() + b->open_ms;
	log_warn("breaker: open", "host", host);
}

void
breaker_report(const char *host, bool good)
{
	pthread_mutex_lock(&lock);
	if (good)
		succeeded(find(host), host);
	else
		failed(find(host), host);
	pthread_mutex_unlock(&lock);
}
