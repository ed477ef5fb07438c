/*
 * A slot is one 64-bit word (who, when, how often), changed by compare-and-swap. Two callers whose
 * neighbourhoods of slots are full push each other out, which errs on the side of letting through.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#define LEN (SLOTS * (sizeof(uint64_t) + sizeof(struct known_key)))
#define PROBES 8U
#define WINDOW_S 60
/* A slot: 24 bits of who, 12 bits of which minute, 28 bits of how often. */
#define COUNT_BITS 28
#define MINUTE_BITS 12
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define MINUTE_MASK ((UINT64_C(1) << MINUTE_BITS) - 1)

/* A key that was good, by the first bytes of its hash, and the 16 bytes of whose it is. */
struct known_key {
	_Atomic uint64_t key;
	_Atomic uint64_t user[2];
};

static _Atomic uint64_t *slots;
static struct known_key *keys; /* behind them, SLOTS too */
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
	keys = (struct known_key *)((char *)map + SLOTS * sizeof(*slots));
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
rate_count(struct req *r, enum rate rate)
{
	int64_t limit = limit_of(rate), now = time(NULL), count;
	unsigned char hash[crypto_shorthash_BYTES];
	struct str key;
	uint64_t h;

	if (limit == 0)
		return ERR_OK;
	key = arena_printf(r->a, "%d %.*s", rate, S_ARG(r->subject));
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

static struct known_key *
known_key(struct str hash, uint64_t *key)
{
	memcpy(key, hash.p, sizeof(*key));
	return &keys[*key & (SLOTS - 1)];
}

/* The 32 digits of an id, as two numbers. */
static void
id_pack(const struct uuid *id, uint64_t to[2])
{
	int n = 0;

	to[0] = to[1] = 0;
	for (const char *p = id->text; *p; p++)
		if (*p != '-' && n < 32) {
			to[n / 16] =
			    to[n / 16] << 4 | (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
			n++;
		}
}

bool
rate_key_user(struct str hash, struct uuid *user)
{
	uint64_t key, id[2];
	struct known_key *k = known_key(hash, &key);

	if (atomic_load(&k->key) != key)
		return false;
	id[0] = atomic_load(&k->user[0]);
	id[1] = atomic_load(&k->user[1]);
	(void)snprintf(user->text, sizeof(user->text), "%08x-%04x-%04x-%04x-%012" PRIx64,
	    (unsigned)(id[0] >> 32), (unsigned)(id[0] >> 16 & 0xffff), (unsigned)(id[0] & 0xffff),
	    (unsigned)(id[1] >> 48), id[1] & UINT64_C(0xffffffffffff));
	return atomic_load(&k->key) == key; /* no other has come between */
}

void
rate_know_key(struct str hash, const struct uuid *user)
{
	uint64_t key, id[2];
	struct known_key *k = known_key(hash, &key);

	id_pack(user, id);
	if (atomic_load(&k->key) == key && atomic_load(&k->user[0]) == id[0] &&
	    atomic_load(&k->user[1]) == id[1])
		return;
	atomic_store(&k->key, 0);
	atomic_store(&k->user[0], id[0]);
	atomic_store(&k->user[1], id[1]);
	atomic_store(&k->key, key);
}

void
rate_forget_key(struct str hash)
{
	uint64_t key;
	struct known_key *k = known_key(hash, &key);

	(void)atomic_compare_exchange_strong(&k->key, &key, 0);
}
