/* millracectl audit: the audit log's hash chain, its signed checkpoints, and the keys of those. */
#include "ctl.h"

#include <ctype.h>
#include <string.h>

#include <sodium.h>

#include <millrace/checkpoint.h>
#include <millrace/seal.h>

#include <sql_admin.h>

#include "keyfile.h"

#define PAGE 500 /* checkpoints in one query */
#define KEYS_MAX 16 /* of --public-key */
#define HASH_DIGITS 64
/* Two hashes that differ in so few digits are one, mistyped: of others some 60 differ. */
#define TYPO_DIGITS 8

/* The state of a walk over the checkpoints, in their order. */
struct walk {
	struct str keys[KEYS_MAX]; /* --public-key: no other key is accepted; none: any is */
	size_t n_keys;
	const char *wanted; /* --checkpoint, as checkpoint_name writes it; NULL: not given */
	bool found;
	char near[128]; /* a checkpoint that `wanted` is but for a typing error */
	int64_t n, seq; /* the last checkpoint that is valid */
	char name[128], at[40];
	int64_t bad_n, bad_seq; /* the first one that is not */
	const char *bad; /* why; NULL: all are valid */
};

/* Decodes --public-key; false where it is not a list of keys. */
static bool
read_keys(struct ctl *c, struct walk *w)
{
	struct str rest = str_from(c->options[OPT_PUBLIC_KEY]), one;
	unsigned char *key;
	size_t len;

	while (rest.p) {
		rest = str_cut(rest, ',', &one);
		key = arena_alloc(c->a, CHECKPOINT_KEY_BYTES);
		if (w->n_keys == KEYS_MAX ||
		    sodium_base642bin(key, CHECKPOINT_KEY_BYTES, one.p, one.n, " ", &len, NULL,
			sodium_base64_VARIANT_ORIGINAL) != 0 ||
		    len != CHECKPOINT_KEY_BYTES)
			return false;
		w->keys[w->n_keys++] = (struct str){ (char *)key, len };
	}
	return true;
}

/* Reads --checkpoint into w->wanted; false where it is of another form. */
static bool
read_wanted(struct ctl *c, struct walk *w)
{
	struct str rest = str_trim(str_from(c->options[OPT_CHECKPOINT])), n, seq;
	struct checkpoint k;
	struct str bytes;
	char *hash;

	if (!c->options[OPT_CHECKPOINT])
		return true;
	rest = str_cut(rest, ':', &n);
	rest = str_cut(rest, ':', &seq);
	hash = arena_cstr(c->a, rest);
	for (char *p = hash; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	k.hash = str_from(hash);
	if (!str_int(n, &k.n) || !str_int(seq, &k.seq) || k.hash.n != HASH_DIGITS ||
	    !hex_decode(c->a, k.hash, &bytes))
		return false;
	w->wanted = checkpoint_name(c->a, &k).p;
	return true;
}

/* Notes whether the checkpoint of this name and hash is the one wanted, or nearly so. */
static void
look_for_wanted(struct walk *w, const char *name, struct str hash)
{
	const char *digits;
	int differ = 0;

	if (!w->wanted)
		return;
	if (strcmp(name, w->wanted) == 0)
		w->found = true;
	digits = strrchr(w->wanted, ':') + 1;
	for (size_t i = 0; i < hash.n && digits[i] != '\0'; i++)
		differ += digits[i] != hash.p[i];
	if (hash.n == HASH_DIGITS && differ <= TYPO_DIGITS)
		(void)snprintf(w->near, sizeof(w->near), "%s", name);
}

static bool
is_accepted(const struct walk *w, struct str key)
{
	for (size_t i = 0; i < w->n_keys; i++)
		if (str_eq(w->keys[i], key))
			return true;
	return w->n_keys == 0;
}

/* What is wrong with a checkpoint; NULL: nothing. */
static const char *
fault_of(
    struct arena *a, const struct walk *w, const struct checkpoint *k, const PGresult *res, int row)
{
	const struct checkpoint last = { .n = w->n, .seq = w->seq };
	const char *fault = checkpoint_fault(
	    a, &last, k, sql_get(res, row, 4), sql_get(res, row, 5), sql_get(res, row, 6));
	struct str key;

	if (!fault && (!hex_decode(a, sql_get(res, row, 4), &key) || !is_accepted(w, key)))
		return "it is signed by another key";
	return fault;
}

static void
check_one(struct arena *a, struct walk *w, const PGresult *res, int row)
{
	struct checkpoint k = { .hash = sql_get(res, row, 2) };

	if (!str_int(sql_get(res, row, 0), &k.n) || !str_int(sql_get(res, row, 1), &k.seq) ||
	    !str_int(sql_get(res, row, 3), &k.at_us))
		return;
	w->bad = fault_of(a, w, &k, res, row);
	if (w->bad) {
		w->bad_n = k.n;
		w->bad_seq = k.seq;
		return;
	}
	w->n = k.n;
	w->seq = k.seq;
	(void)snprintf(w->name, sizeof(w->name), "%s", checkpoint_name(a, &k).p);
	(void)snprintf(w->at, sizeof(w->at), "%s", PQgetvalue(res, row, 7));
	look_for_wanted(w, w->name, k.hash);
}

static enum err
walk(struct ctl *c, struct walk *w)
{
	enum err e = ERR_OK;
	int n = PAGE;

	while (n == PAGE && !w->bad && e == ERR_OK) {
		struct arena *a = arena_new();
		PGresult *res;

		if ((e = db_admin_audit_checkpoints(c->db, a, &res, w->n, PAGE)) == ERR_OK) {
			n = PQntuples(res);
			for (int i = 0; i < n && !w->bad; i++)
				check_one(a, w, res, i);
		}
		arena_free(a);
	}
	return e;
}

static void
print_result(const struct walk *w, const char *rows)
{
	(void)printf("The audit log holds: %s rows.\n", rows);
	if (w->n == 0)
		(void)puts("No checkpoint has been signed; see `millracectl help audit init`.");
	else
		(void)printf("It is signed up to row %lld, by %lld checkpoint%s, the last of %s.\n"
			     "Checkpoint %s\n",
		    (long long)w->seq, (long long)w->n, w->n == 1 ? "" : "s", w->at, w->name);
}

int
audit_verify_run(struct ctl *c)
{
	struct walk w = { 0 };
	PGresult *chain;
	int64_t row = 0;
	enum err e;

	if (sodium_init() < 0)
		return ctl_fail("libsodium cannot be set up.");
	if (!read_keys(c, &w))
		return ctl_usage(
		    c->command, "--public-key takes what `millracectl audit key` prints.");
	if (!read_wanted(c, &w))
		return ctl_usage(c->command,
		    "--checkpoint takes a line that this command or a runner's log has shown, "
		    "N:ROW:HASH with 64 hexadecimal digits: `%s` is none.",
		    c->options[OPT_CHECKPOINT]);
	if ((e = walk(c, &w)) != ERR_OK ||
	    (e = db_admin_audit_verify(c->db, c->a, &chain)) != ERR_OK)
		return ctl_fail_db(e, "the audit log cannot be read");
	if (PQntuples(chain) != 1)
		return ctl_fail("the audit log cannot be read.");
	if (!PQgetisnull(chain, 0, 1) && str_int(sql_get(chain, 0, 1), &row) &&
	    (!w.bad || row <= w.bad_seq))
		return ctl_fail("the audit log is broken at row %lld: %s.", (long long)row,
		    PQgetvalue(chain, 0, 2));
	if (w.bad)
		return ctl_fail("the audit log is broken at checkpoint %lld (row %lld): %s.",
		    (long long)w.bad_n, (long long)w.bad_seq, w.bad);
	if (w.wanted && !w.found && *w.near)
		return ctl_usage(c->command,
		    "--checkpoint is mistyped: the log has the checkpoint\n    %s\nand you gave\n"
		    "    %s",
		    w.near, w.wanted);
	if (w.wanted && !w.found)
		return ctl_fail(
		    "the audit log is broken: the checkpoint %s, which you kept, is not "
		    "there any more.",
		    w.wanted);
	if (w.n_keys > 0 && w.n == 0)
		return ctl_fail("the audit log is not signed by that key: there is no checkpoint.");
	print_result(&w, PQgetvalue(chain, 0, 0));
	return CTL_OK;
}

static int
not_added(bool first)
{
	return first ? ctl_fail("the audit log has a key in force already; `millracectl audit "
				"rotate` brings a new one.")
		     : ctl_fail("the audit log has no key yet; `millracectl audit init` makes "
				"the first.");
}

static int
add_key(struct ctl *c, bool first)
{
	const char *path = c->options[OPT_KEY_FILE];
	unsigned char public_key[crypto_sign_PUBLICKEYBYTES], pair[crypto_sign_SECRETKEYBYTES];
	unsigned char seed[crypto_sign_SEEDBYTES];
	PGresult *res;
	enum err e;
	bool ok;

	if (!keyfile_is_hidden(path))
		return ctl_usage(c->command, KEYFILE_ON_TERMINAL);
	/* Check before the file is written; the INSERT checks again, against a race. */
	if ((e = db_admin_audit_keys(c->db, c->a, &res)) != ERR_OK)
		return ctl_fail_db(e, "the audit log's keys cannot be read");
	if ((PQntuples(res) > 0 && sql_bool(res, 0, 1)) == first)
		return not_added(first);
	if (sodium_init() < 0)
		return ctl_fail("libsodium cannot make a key pair.");
	randombytes_buf(seed, sizeof(seed));
	crypto_sign_seed_keypair(public_key, pair, seed);
	explicit_bzero(pair, sizeof(pair));
	ok = keyfile_write(seed, path);
	explicit_bzero(seed, sizeof(seed));
	if (!ok)
		return CTL_FAILED;
	e = db_admin_audit_key_add(
	    c->db, c->a, &res, (struct str){ (const char *)public_key, sizeof(public_key) }, first);
	/* It may have been stored nevertheless: the private half must stay. */
	if (e != ERR_OK)
		return ctl_fail_db(
		    e, "the public key may not have been stored; see `millracectl audit key`");
	if (PQgetisnull(res, 0, 0)) {
		keyfile_undo(path);
		return not_added(first);
	}
	(void)fputs("The key is in force. Give its private half to the runners as "
		    "MILLRACE_AUDIT_KEY, and restart them.\n",
	    stderr);
	return CTL_OK;
}

int
audit_init_run(struct ctl *c)
{
	return add_key(c, true);
}

int
audit_rotate_run(struct ctl *c)
{
	return add_key(c, false);
}

int
audit_key_run(struct ctl *c)
{
	PGresult *res;
	enum err e = db_admin_audit_keys(c->db, c->a, &res);

	if (e != ERR_OK)
		return ctl_fail_db(e, "the audit log's keys cannot be read");
	if (PQntuples(res) == 0)
		return ctl_fail(
		    "the audit log has no key yet; `millracectl audit init` makes the first.");
	for (int i = 0; i < PQntuples(res); i++)
		(void)puts(PQgetvalue(res, i, 0));
	return CTL_OK;
}
