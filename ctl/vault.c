/* millracectl vault: the key pairs that secrets are sealed to. */
#include "ctl.h"

#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include <millrace/seal.h>

#include <sql_admin.h>

#include "keyfile.h"
#include "table.h"

static int
not_added(bool first)
{
	return first ? ctl_fail("the vault has a key in force already; `millracectl vault rotate` "
				"brings a new one.")
		     : ctl_fail(
			   "the vault has no key yet; `millracectl vault init` makes the first.");
}

/*
 * Is there a key in force, and how many secrets are sealed to others? This is checked before the
 * file is written; the INSERT checks again, against a race.
 */
static bool
read_state(struct ctl *c, bool *has, int64_t *n_old)
{
	PGresult *res;
	enum err e = db_admin_vault_keys(c->db, c->a, &res);
	int64_t n;

	if (e != ERR_OK) {
		(void)ctl_fail_db(e, "the vault's keys cannot be read");
		return false;
	}
	*has = PQntuples(res) > 0 && str_eq(sql_get(res, 0, 1), S("in force"));
	*n_old = 0;
	for (int i = *has ? 1 : 0; i < PQntuples(res); i++)
		if (str_int(sql_get(res, i, 4), &n))
			*n_old += n;
	return true;
}

static int
add_key(struct ctl *c, bool first)
{
	const char *path = c->options[OPT_KEY_FILE];
	unsigned char public_key[SEAL_KEY_BYTES], private_key[KEYFILE_BYTES];
	struct str canary;
	PGresult *res;
	enum err e;
	int64_t n_old;
	bool has, ok;

	if (!keyfile_is_hidden(path))
		return ctl_usage(c->command, KEYFILE_ON_TERMINAL);
	if (!read_state(c, &has, &n_old))
		return CTL_FAILED;
	if (has == first)
		return not_added(first);
	if (n_old > 0 && c->options[OPT_FORCE] == NULL)
		return ctl_fail("some secrets (%lld) are under an older key still, and would be "
				"lost with it. Wait until `millracectl vault status` shows none "
				"there; a runner moves them that has both keys.",
		    (long long)n_old);
	if (sodium_init() < 0 || crypto_box_keypair(public_key, private_key) != 0)
		return ctl_fail("libsodium cannot make a key pair.");
	canary = seal(c->a, public_key, seal_canary_label(c->a), SEAL_CANARY);
	ok = keyfile_write(private_key, path);
	explicit_bzero(private_key, sizeof(private_key));
	if (!ok)
		return CTL_FAILED;
	e = db_admin_vault_key_add(c->db, c->a, &res,
	    (struct str){ (const char *)public_key, SEAL_KEY_BYTES }, canary, first);
	if (e != ERR_OK) {
		/* It may have been stored nevertheless: the private half must stay. */
		return ctl_fail_db(e,
		    "the public key may not have been stored; see `millracectl vault "
		    "status`");
	}
	if (PQgetisnull(res, 0, 0)) {
		keyfile_undo(path);
		return not_added(first);
	}
	(void)fprintf(stderr, "Key %s is in force.%s\n", PQgetvalue(res, 0, 0),
	    first
		? " Give its private half to the runners as MILLRACE_VAULT_KEY."
		: " Give its private half to the runners as MILLRACE_VAULT_KEY, the one before as "
		  "MILLRACE_VAULT_KEY_OLD, and restart them.");
	return CTL_OK;
}

int
vault_init_run(struct ctl *c)
{
	return add_key(c, true);
}

int
vault_rotate_run(struct ctl *c)
{
	return add_key(c, false);
}

static const char *
fit_of(struct str fits)
{
	if (fits.p == NULL)
		return "not known yet";
	return str_eq(fits, S("1"))   ? "its key fits"
	       : str_eq(fits, S("0")) ? "its key is missing or DOES NOT FIT; its log says more"
				      : "has not seen a key yet";
}

static void
status_json(const PGresult *keys, const PGresult *runners)
{
	int i;

	(void)fputs("{\"keys\":[", stdout);
	for (i = 0; i < PQntuples(keys); i++)
		(void)printf("%s%s", i > 0 ? ",\n " : "", PQgetvalue(keys, i, 5));
	(void)fputs("],\n \"runners\":[", stdout);
	for (i = 0; i < PQntuples(runners); i++)
		(void)printf("%s%s", i > 0 ? ",\n " : "", PQgetvalue(runners, i, 3));
	(void)puts("]}");
}

int
vault_status_run(struct ctl *c)
{
	struct table t = { .a = c->a,
		.n = 5,
		.heads = { "KEY", "STATE", "CREATED", "RETIRED", "SECRETS" },
		.right = { [4] = true } };
	PGresult *keys, *runners;
	enum err e;
	int i;

	if ((e = db_admin_vault_keys(c->db, c->a, &keys)) != ERR_OK ||
	    (e = db_admin_vault_runners(c->db, c->a, &runners)) != ERR_OK)
		return ctl_fail_db(e, "the vault's state cannot be read");
	if (c->options[OPT_JSON] != NULL) {
		status_json(keys, runners);
		return CTL_OK;
	}
	for (i = 0; i < PQntuples(keys); i++)
		table_row(&t, sql_get(keys, i, 0), sql_get(keys, i, 1), sql_get(keys, i, 2),
		    sql_get(keys, i, 3), sql_get(keys, i, 4));
	if (t.n_cells > 0)
		table_print(&t, stdout);
	else
		(void)puts("The vault has no key yet; `millracectl vault init` makes one.");
	for (i = 0; i < PQntuples(runners); i++)
		(void)printf("Runner %.*s on %.*s: %s.\n", S_ARG(sql_get(runners, i, 1)),
		    S_ARG(printable(c->a, sql_get(runners, i, 0))), fit_of(sql_get(runners, i, 2)));
	if (PQntuples(runners) == 0)
		(void)puts("No runner is there.");
	return CTL_OK;
}
