#include "runner/audit/sign.h"

#include <stdatomic.h>
#include <sodium.h>

#include <millrace/checkpoint.h>
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/seal.h>

#include "sql_runner.h"

#define RETRY_MS 1000
#define MOST_MS 15000 /* until the next look, as main.c has it */

static atomic_int signs = -1;
static atomic_llong n_signed;

/* Written by audit_init. */
static struct {
	bool there;
	unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
	unsigned char pair[crypto_sign_SECRETKEYBYTES];
} key;

/*
 * audit_run's own: the last checkpoint that was seen, and what was last logged, so that it is
 * logged once.
 */
static struct {
	int64_t n;
	char hash[2 * crypto_hash_sha256_BYTES + 1];
} seen;
static const char *logged;

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

static void
set_state(int now, const char *words)
{
	atomic_store(&signs, now);
	if (words == logged)
		return;
	logged = words;
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
		set_state(-1, "the audit log is not signed yet; run: millracectl audit init");
		return false;
	}
	if (!key.there) {
		set_state(0,
		    "this runner has no key to sign the audit log (MILLRACE_AUDIT_KEY), but "
		    "the database has one: nothing is signed here");
		return false;
	}
	if (!hex_decode(a, s->public_key, &in_force) || in_force.n != sizeof(key.public_key) ||
	    memcmp(in_force.p, key.public_key, sizeof(key.public_key)) != 0) {
		set_state(0,
		    "MILLRACE_AUDIT_KEY is not the private half of the key in force: the audit "
		    "log is not signed here");
		return false;
	}
	if (s->last.n < seen.n ||
	    (s->last.n == seen.n && seen.n > 0 && !str_eq(s->last.hash, str_from(seen.hash)))) {
		set_state(0,
		    "checkpoints of the audit log that were there are gone: nothing is signed "
		    "any more; see millracectl audit verify");
		return false;
	}
	if (!s->kept) {
		set_state(0,
		    "the audit log is not what was signed: nothing is signed any more; see "
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
	set_state(0,
	    "the audit log is broken behind its last checkpoint: nothing is signed any more; "
	    "see millracectl audit verify");
	return false;
}

static void
sign(struct db *db, struct arena *a, const struct state *s)
{
	unsigned char signature[crypto_sign_BYTES];
	struct checkpoint c = { .n = s->last.n + 1, .seq = s->seq, .hash = s->hash };
	struct str text, hash;
	PGresult *res = NULL;

	c.at_us = clock_unix_us();
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
	log_info("audit: signed", "checkpoint", checkpoint_name(a, &c).p);
}

/* When a state that needs no signature yet will. */
static int64_t
wait_of(const struct state *s)
{
	int64_t wait = (config()->audit_seconds - s->waited_s) * 1000;

	if (s->seq <= s->last.seq || wait >= MOST_MS)
		return PERIODIC_AS_TABLED;
	return wait > RETRY_MS ? wait : RETRY_MS;
}

int64_t
audit_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct state s = { .seq = 0 };

	(void)stop;
	if (!read_state(db, a, &s))
		return RETRY_MS;
	if (!is_sound(a, &s))
		return PERIODIC_AS_TABLED;
	if (s.seq <= s.last.seq ||
	    (s.seq - s.last.seq < config()->audit_rows && s.waited_s < config()->audit_seconds)) {
		set_state(1, "the audit log is signed here");
		return wait_of(&s);
	}
	if (is_whole(db, a, &s)) {
		set_state(1, "the audit log is signed here");
		sign(db, a, &s);
	}
	return PERIODIC_AS_TABLED;
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
		log_error("audit: MILLRACE_AUDIT_KEY is not 32 bytes in base64, as millracectl "
			  "audit init "
			  "writes them; it is not used");
}

void
audit_init(void)
{
	if (sodium_init() < 0)
		die("libsodium cannot be set up.");
	read_key(str_from(config()->audit_key));
}

void
audit_end(void)
{
	sodium_memzero(&key, sizeof(key));
}
