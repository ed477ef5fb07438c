#include "runner/secrets/vault.h"

#include <stdatomic.h>
#include <sodium.h>

#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/secrets/unseal.h"
#include "sql_runner.h"

#define BATCH 100 /* secrets re-sealed in one statement */
#define RETRY_MS 1000

static atomic_int fits = -1;
static atomic_llong resealed;

/* Written by vault_init, read by all afterwards. */
static struct key_pair pairs[2]; /* MILLRACE_VAULT_KEY, MILLRACE_VAULT_KEY_OLD */

/* What was last logged about a key, so that it is logged once. vault_run's own. */
static struct uuid logged_key;
static int logged = -2;
static bool logged_left;

int
vault_fits(void)
{
	return atomic_load(&fits);
}

long long
vault_resealed(void)
{
	return atomic_load(&resealed);
}

static bool
open_with_any(struct arena *a, struct str label, struct str sealed_hex, struct str *value)
{
	struct str sealed;

	if (!hex_decode(a, sealed_hex, &sealed))
		return false;
	return unseal(a, &pairs[0], label, sealed, value) ||
	       unseal(a, &pairs[1], label, sealed, value);
}

/* Does our key open the canary of the key in force? */
static bool
opens_canary(struct arena *a, struct str canary_hex)
{
	struct str canary, text;

	return hex_decode(a, canary_hex, &canary) &&
	       unseal(a, &pairs[0], seal_canary_label(a), canary, &text) &&
	       str_eq(text, SEAL_CANARY);
}

static void
log_state(struct uuid key, struct str created, int now)
{
	if (now == logged && str_eq(uuid_str(&key), uuid_str(&logged_key)))
		return;
	logged = now;
	logged_key = key;
	if (now < 0)
		log_info("vault: no key yet; run: millracectl vault init");
	else if (now > 0)
		log_info("vault: the key fits", "key", key.text);
	else if (!pairs[0].there)
		log_error("vault: this runner has no key to it (MILLRACE_VAULT_KEY), but the "
			  "database has secrets for one: they cannot be opened here",
		    "key", key.text, "made", created.p);
	else
		log_error("vault: MILLRACE_VAULT_KEY does not fit the database: it is not the "
			  "private half "
			  "of the key in force. Secrets cannot be opened here until this runner is "
			  "given the right one and restarted",
		    "key", key.text, "made", created.p);
}

/* The key in force, and whether we hold it (*found 1). False where the database is away. */
static bool
find_key(struct db *db, struct arena *a, struct uuid *key, int *found)
{
	PGresult *res = NULL;
	int now = -1;

	if (db_runner_vault_keys(db, a, &res) != ERR_OK)
		return false;
	*key = (struct uuid){ "" };
	if (PQntuples(res) > 0 && sql_bool(res, 0, 3) && uuid_parse(sql_get(res, 0, 0), key))
		now = opens_canary(a, sql_get(res, 0, 1));
	log_state(*key, now < 0 ? S("") : sql_get(res, 0, 2), now);
	atomic_store(&fits, now);
	*found = now;
	return true;
}

/*
 * What lies sealed in one table: its name, and the rows under another key (id, two columns that the
 * label is made of, sealed, was).
 */
struct sealed_kind {
	const char *table;
	enum err (*old)(struct db *db, struct arena *a, PGresult **out, struct uuid key_id,
	    struct uuid after, int64_t rows);
	struct str (*label)(struct arena *a, const PGresult *rows, int i);
};

static struct str
secret_label(struct arena *a, const PGresult *rows, int i)
{
	struct uuid owner = { "" };

	(void)!uuid_parse(sql_get(rows, i, 1), &owner);
	return seal_label(a, &owner, sql_get(rows, i, 2));
}

static struct str
oauth_label(struct arena *a, const PGresult *rows, int i)
{
	return seal_oauth_label(a, sql_get(rows, i, 1), sql_get(rows, i, 2));
}

static struct str
payment_label(struct arena *a, const PGresult *rows, int i)
{
	return seal_payment_label(a, sql_get(rows, i, 1), sql_get(rows, i, 2));
}

static const struct sealed_kind kinds[] = {
	{ "secret", db_runner_vault_old, secret_label },
	{ "oauth_token", db_runner_oauth_old, oauth_label },
	{ "slack_bot", db_runner_slack_old, secret_label },
	{ "chain_account", db_runner_chain_old, payment_label },
};
#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

static struct str
base64(struct arena *a, struct str bytes)
{
	size_t room = sodium_base64_encoded_len(bytes.n, sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(a, room);

	sodium_bin2base64(
	    text, room, (const unsigned char *)bytes.p, bytes.n, sodium_base64_VARIANT_ORIGINAL);
	return str_from(text);
}

/*
 * Puts the rows of a batch that we can open under the key in force. How many could not be opened;
 * -1: the database is away.
 */
static int
reseal_rows(struct db *db, struct arena *a, const struct sealed_kind *kind, struct uuid key,
    const PGresult *rows)
{
	size_t n = 0, most = (size_t)PQntuples(rows);
	struct str *ids = arena_alloc(a, most * sizeof(*ids)),
		   *was = arena_alloc(a, most * sizeof(*was)),
		   *sealed = arena_alloc(a, most * sizeof(*sealed)), value;
	PGresult *res = NULL;
	int64_t done = 0;

	for (int i = 0; i < PQntuples(rows); i++) {
		struct str label = kind->label(a, rows, i);

		if (!open_with_any(a, label, sql_get(rows, i, 3), &value))
			continue;
		ids[n] = sql_get(rows, i, 0);
		was[n] = sql_get(rows, i, 4);
		sealed[n++] = base64(a, seal(a, pairs[0].public_key, label, value));
	}
	if (n == 0)
		return (int)most;
	if (db_runner_sealed_change(db, a, &res, str_from(kind->table), (struct str_list){ ids, n },
		(struct str_list){ was, n }, (struct str_list){ sealed, n }, key) != ERR_OK)
		return -1;
	if (str_int(sql_get(res, 0, 0), &done))
		atomic_fetch_add(&resealed, done);
	return (int)(most - n);
}

/*
 * One pass over all of a kind under older keys. Each batch is one statement: whenever it is
 * interrupted, every secret opens. How many could not be opened; -1: not known.
 */
static int
reseal_kind(struct db *db, struct stop *stop, const struct sealed_kind *kind, struct uuid key)
{
	struct uuid after = { "" };
	int left = 0, n = BATCH;

	while (n == BATCH && left >= 0 && stop_why(stop) == STOP_NOT) {
		struct arena *a = arena_new();
		PGresult *res = NULL;
		int failed = -1;

		n = 0;
		if (kind->old(db, a, &res, key, after, BATCH) == ERR_OK) {
			n = PQntuples(res);
			failed = n > 0 ? reseal_rows(db, a, kind, key, res) : 0;
			if (n > 0 && !uuid_parse(sql_get(res, n - 1, 0), &after))
				failed = -1;
		}
		left = failed < 0 ? -1 : left + failed;
		arena_free(a);
	}
	return left;
}

/* Everything that lies under older keys. */
static void
reseal(struct db *db, struct stop *stop, struct uuid key)
{
	long long before = vault_resealed();
	int left = 0;
	char text[24];

	for (size_t i = 0; i < N_KINDS && left >= 0; i++) {
		int of_kind = reseal_kind(db, stop, &kinds[i], key);

		left = of_kind < 0 ? -1 : left + of_kind;
	}
	snprintf(text, sizeof(text), "%lld", vault_resealed() - before);
	if (vault_resealed() > before)
		log_info(
		    "vault: secrets were put under the key in force", "key", key.text, "n", text);
	snprintf(text, sizeof(text), "%d", left);
	if (left > 0 && !logged_left)
		log_error("vault: some secrets are under a key that this runner does not hold "
			  "(give it as "
			  "MILLRACE_VAULT_KEY_OLD), or are damaged",
		    "n", text);
	logged_left = left > 0;
}

int64_t
vault_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct uuid key;
	int found = -1;

	if (!find_key(db, a, &key, &found))
		return RETRY_MS;
	if (found == 1)
		reseal(db, stop, key);
	return PERIODIC_AS_TABLED;
}

static void
read_key(const char *name, const char *text, struct key_pair *pair)
{
	if (!key_pair_from(str_from(text), pair))
		log_error("vault: the private key is not 32 bytes in base64, as millracectl vault "
			  "init writes them; it is not used",
		    "setting", name);
}

void
vault_init(void)
{
	if (sodium_init() < 0)
		die("libsodium cannot be set up.");
	read_key("MILLRACE_VAULT_KEY", config()->vault_key, &pairs[0]);
	read_key("MILLRACE_VAULT_KEY_OLD", config()->vault_key_old, &pairs[1]);
}

void
vault_end(void)
{
	sodium_memzero(pairs, sizeof(pairs));
}

enum err
vault_open(struct db *db, struct arena *a, struct uuid owner, struct str key, const char *purpose,
    struct str *value)
{
	PGresult *res = NULL;
	enum err e = db_runner_vault_use(db, a, &res, owner, key, str_from(purpose));

	if (e != ERR_OK)
		return e;
	if (PQntuples(res) == 0)
		return ERR_NOT_FOUND;
	if (open_with_any(a, seal_label(a, &owner, key), sql_get(res, 0, 0), value))
		return ERR_OK;
	log_error("vault: a secret could not be opened with this runner's keys", "under",
	    sql_get(res, 0, 1).p);
	return ERR_OVERLOADED;
}

bool
vault_seal(struct arena *a, const PGresult *keys, struct str label, struct str value,
    struct uuid *key, struct str *sealed)
{
	if (PQntuples(keys) == 0 || !sql_bool(keys, 0, 3) ||
	    !uuid_parse(sql_get(keys, 0, 0), key) || !opens_canary(a, sql_get(keys, 0, 1)))
		return false;
	*sealed = base64(a, seal(a, pairs[0].public_key, label, value));
	return true;
}

bool
vault_unseal(struct arena *a, struct str label, struct str sealed_hex, struct str *value)
{
	return open_with_any(a, label, sealed_hex, value);
}
