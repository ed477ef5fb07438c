/*
 * A slot is one 64-bit word (who, when, how often), changed by compare-and-swap. Two callers whose
 * neighbourhoods of slots are full push each other out, which errs on the side of letting through.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/log.h>

#include "fcgi/metrics.h"
#include "fcgi/rate.h"
#include "fcgi/request.h"

#define SLOTS 65536U /* a power of two */
#define LEN (2 * SLOTS * sizeof(uint64_t))
#define PROBES 8U
#define WINDOW_S 60
/* A slot: 24 bits of who, 12 bits of which minute, 28 bits of how often. */
#define COUNT_BITS 28
#define MINUTE_BITS 12
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define MINUTE_MASK ((UINT64_C(1) << MINUTE_BITS) - 1)

static _Atomic uint64_t *slots;
static _Atomic uint64_t *keys; /* behind them, SLOTS too: the first bytes of hashes */
static const unsigned char hash_key[crypto_shorthash_KEYBYTES] = "millrace rates";

void
rate_open(void)
{
	struct arena *a = arena_new();
	const char *path = arena_printf(a, "%s/ratelimit", config()->runtime_dir).p;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	void *map;

	if (fd < 0 || ftruncate(fd, LEN) != 0)
		die("rate limits: %s cannot be opened: %s.", path, strerror(errno));
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("rate limits: %s cannot be mapped: %s.", path, strerror(errno));
	close(fd);
	arena_free(a);
	slots = map;
	keys = slots + SLOTS;
}

/* Adds one to the count of `key` in `minute` and returns it. */
static uint64_t
count_up(uint64_t key, uint64_t minute)
{
	uint64_t own = (key >> 40 << (MINUTE_BITS + COUNT_BITS)) | minute << COUNT_BITS;

	for (unsigned i = 0; i < PROBES; i++) {
		_Atomic uint64_t *slot = &slots[(key + i) & (SLOTS - 1)];
		uint64_t seen = atomic_load(slot);

		for (;;) {
			bool is_own = (seen & ~COUNT_MASK) == own;
			bool is_stale = (seen >> COUNT_BITS & MINUTE_MASK) != minute;
			uint64_t next =
			    is_own ? seen + ((seen & COUNT_MASK) < COUNT_MASK) : own | 1;

			if (!is_own && !is_stale && i < PROBES - 1)
				break;
			if (atomic_compare_exchange_weak(slot, &seen, next))
				return next & COUNT_MASK;
		}
	}
	return 1;
}

static int64_t
limit_of(enum rate rate)
{
	switch (rate) {
	case RATE_READ:
		return config()->rate_read;
	case RATE_WRITE:
		return config()->rate_write;
	case RATE_LOGIN:
		return config()->rate_login;
	case RATE_NONE:
		break;
	}
	return 0;
}

enum err
rate_count(struct req *r)
{
	int64_t limit = limit_of(r->route->rate), now = time(NULL), count;
	unsigned char hash[crypto_shorthash_BYTES];
	struct str key;
	uint64_t h;

	if (limit == 0)
		return ERR_OK;
	key = arena_printf(r->a, "%d %.*s", r->route->rate, S_ARG(r->subject));
	crypto_shorthash(hash, (const unsigned char *)key.p, key.n, hash_key);
	memcpy(&h, hash, sizeof(h));
	count = (int64_t)count_up(h, (uint64_t)(now / WINDOW_S) & MINUTE_MASK);
	r->rate_limit = limit;
	r->rate_remaining = count < limit ? limit - count : 0;
	r->rate_reset = (now / WINDOW_S + 1) * WINDOW_S;
	if (count <= limit)
		return ERR_OK;
	metrics.rate_limited++;
	return ERR_RATE_LIMITED;
}

static _Atomic uint64_t *
key_slot(struct str hash, uint64_t *first)
{
	memcpy(first, hash.p, sizeof(*first));
	return &keys[*first & (SLOTS - 1)];
}

bool
rate_knows_key(struct str hash)
{
	uint64_t first;

	return atomic_load(key_slot(hash, &first)) == first;
}

void
rate_know_key(struct str hash)
{
	uint64_t first;
	_Atomic uint64_t *slot = key_slot(hash, &first);

	if (atomic_load(slot) != first)
		atomic_store(slot, first);
}
