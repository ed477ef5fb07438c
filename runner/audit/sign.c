#include "runner/audit/sign.h"

#include <stdatomic.h>
#include <sodium.h>
#include <sys/time.h>

#include <millrace/checkpoint.h>
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/seal.h>

#include "runner/runner.h"
#include "sql_runner.h"

#define LOOK_MS 1000

static pthread_t thread;
static atomic_bool ending;
static atomic_int signs = -1;
static atomic_llong n_signed;

/* Written before the thread starts. */
static struct {
	bool there;
	unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
	unsigned char pair[crypto_sign_SECRETKEYBYTES];
} key;

/* The thread's own: the last checkpoint that was seen, and what was last said, so that it is said once. */
static struct {
	int64_t n;
	char hash[2 * crypto_hash_sha256_BYTES + 1];
} seen;
static const char *told;

/* How the chain and its checkpoints stand. */
struct state {
	struct checkpoint last; /* n 0: there is none yet */
	bool kept; /* its row is still what was signed */
	int64_t seq; /* the chain's last row */
	struct str hash;
	int64_t waited_s; /* of the oldest row that is not signed */
	struct str public_key; /* in force, in hexadecimal digits; absent: none */
};

int
audit_signs(void)
{
	return atomic_load(&signs);
}

long long
audit_signed(void)
{
	return atomic_load(&n_signed);
}

/* Once for each new word. */
static void
tell(int now, const char *words)
{
	atomic_store(&signs, now);
	if (words == told)
		return;
	told = words;
	if (now == 0)
		log_error(words);
	else
		log_info(words);
}

static bool
read_state(struct db *db, struct arena *a, struct state *s)
{
	PGresult *res = NULL;

	if (db_runner_audit_state(db, a, &res) != ERR_OK || PQntuples(res) != 1)
		return false;
	s->last.hash = sql_get(res, 0, 2);
	s->kept = sql_bool(res, 0, 3);
	s->hash = sql_get(res, 0, 5);
	s->public_key = sql_get(res, 0, 7);
	return str_int(sql_get(res, 0, 0), &s->last.n) &&
	       str_int(sql_get(res, 0, 1), &s->last.seq) && str_int(sql_get(res, 0, 4), &s->seq) &&
	       str_int(sql_get(res, 0, 6), &s->waited_s);
}

/* May this state be signed on? Says why not. */
static bool
is_sound(struct arena *a, const struct state *s)
{
	struct str in_force;

	if (!s->public_key.p) {
		tell(-1, "the audit log is not signed yet; run: millracectl audit init");
		return false;
	}
	if (!key.there) {
		tell(0, "this runner has no key to sign the audit log (MILLRACE_AUDIT_KEY), but "
			"the database has one: nothing is signed here");
		return false;
	}
	if (!hex_decode(a, s->public_key, &in_force) || in_force.n != sizeof(key.public_key) ||
	    memcmp(in_force.p, key.public_key, sizeof(key.public_key)) != 0) {
		tell(0, "MILLRACE_AUDIT_KEY is not the private half of the key in force: the audit "
			"log is not signed here");
		return false;
	}
	if (s->last.n < seen.n ||
	    (s->last.n == seen.n && seen.n > 0 && !str_eq(s->last.hash, str_from(seen.hash)))) {
		tell(0, "checkpoints of the audit log that were there are gone: nothing is signed "
			"any more; see millracectl audit verify");
		return false;
	}
	if (!s->kept) {
		tell(0, "the audit log is not what was signed: nothing is signed any more; see "
			"millracectl audit verify");
		return false;
	}
	seen.n = s->last.n;
	snprintf(seen.hash, sizeof(seen.hash), "%.*s", S_ARG(s->last.hash));
	return true;
}

/* Are the rows behind the last checkpoint as they were written? */
static bool
is_whole(struct db *db, struct arena *a, const struct state *s)
{
	PGresult *res = NULL;

	if (db_runner_audit_verify(db, a, &res, s->last.seq) != ERR_OK)
		return false;
	if (PQntuples(res) == 0)
		return true;
	tell(0, "the audit log is broken behind its last checkpoint: nothing is signed any more; "
		"see millracectl audit verify");
	return false;
}

static void
sign(struct db *db, struct arena *a, const struct state *s)
{
	unsigned char signature[crypto_sign_BYTES];
	struct checkpoint c = { .n = s->last.n + 1, .seq = s->seq, .hash = s->hash };
	struct timeval now;
	struct str text, hash;
	PGresult *res = NULL;

	gettimeofday(&now, NULL);
	c.at_us = (int64_t)now.tv_sec * 1000000 + now.tv_usec;
	text = checkpoint_text(a, &c);
	crypto_sign_detached(signature, NULL, (const unsigned char *)text.p, text.n, key.pair);
	if (!hex_decode(a, s->hash, &hash) ||
	    db_runner_audit_sign(db, a, &res, c.n, c.seq, hash, c.at_us,
		(struct str){ (const char *)key.public_key, sizeof(key.public_key) },
		(struct str){ (const char *)signature, sizeof(signature) }) != ERR_OK ||
	    !sql_bool(res, 0, 0))
		return;
	atomic_fetch_add(&n_signed, 1);
	seen.n = c.n;
	snprintf(seen.hash, sizeof(seen.hash), "%.*s", S_ARG(c.hash));
	log_info("the audit log is signed", "checkpoint", checkpoint_name(a, &c).p);
}

static void
look(struct db *db, struct arena *a)
{
	struct state s = { .seq = 0 };

	if (!read_state(db, a, &s) || !is_sound(a, &s))
		return;
	if (s.seq <= s.last.seq ||
	    (s.seq - s.last.seq < config()->audit_rows && s.waited_s < config()->audit_seconds)) {
		tell(1, "the audit log is signed here");
		return;
	}
	if (is_whole(db, a, &s)) {
		tell(1, "the audit log is signed here");
		sign(db, a, &s);
	}
}

static void *
audit_thread(void *arg)
{
	struct db *db = db_open("millrace_runner", "runner audit");
	int64_t next = 0;

	(void)arg;
	while (!atomic_load(&ending)) {
		struct arena *a;

		if (clock_ms() < next) {
			sleep_ms(50);
			continue;
		}
		a = arena_new();
		look(db, a);
		arena_free(a);
		next = clock_ms() + LOOK_MS / 2 + jitter(LOOK_MS);
	}
	db_close(db);
	return NULL;
}

static void
read_key(struct str text)
{
	unsigned char seed[crypto_sign_SEEDBYTES];
	size_t len = 0;

	text = str_trim(text);
	if (text.n == 0)
		return;
	key.there = sodium_base642bin(seed, sizeof(seed), text.p, text.n, NULL, &len, NULL,
			sodium_base64_VARIANT_ORIGINAL) == 0 &&
		    len == sizeof(seed) &&
		    crypto_sign_seed_keypair(key.public_key, key.pair, seed) == 0;
	sodium_memzero(seed, sizeof(seed));
	if (!key.there)
		log_error("MILLRACE_AUDIT_KEY is not 32 bytes in base64, as millracectl audit init "
			  "writes them; it is not used");
}

void
audit_start(void)
{
	if (sodium_init() < 0)
		die("libsodium cannot be set up.");
	read_key(str_from(config()->audit_key));
	thread_start(&thread, audit_thread, NULL, true);
}

void
audit_stop(void)
{
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
	sodium_memzero(&key, sizeof(key));
}
