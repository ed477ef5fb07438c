/* millracectl payments: the accounts that pay in USDC, and their keys. */
#include "ctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/payments.h>
#include <millrace/seal.h>

#include <sql_admin.h>

#include "table.h"

#define LINE_LEN 80 /* more than a key and its line end have */

/* Reads a private key, 64 hexadecimal digits, from standard input. False: it has said why not. */
static bool
read_key(struct ctl *c, uint8_t key[EVM_KEY_BYTES])
{
	char line[LINE_LEN] = "";
	struct str text, bytes = { NULL, 0 };
	bool good;

	if (isatty(STDIN_FILENO)) {
		(void)ctl_usage(c->command,
		    "the key comes from standard input, not from a terminal, where it would be "
		    "seen.");
		return false;
	}
	if (!fgets(line, sizeof(line), stdin) && ferror(stdin)) {
		(void)ctl_fail("the key cannot be read: %s", strerror(errno));
		return false;
	}
	line[strcspn(line, "\r\n")] = '\0';
	text = str_trim(str_from(line));
	if (!str_starts(text, S("0x")))
		text = arena_printf(c->a, "0x%.*s", S_ARG(text));
	good = evm_hex_decode(c->a, text, &bytes) && bytes.n == EVM_KEY_BYTES;
	if (good)
		memcpy(key, bytes.p, EVM_KEY_BYTES);
	else
		(void)ctl_fail("a private key has 64 hexadecimal digits, on one line.");
	explicit_bzero(line, sizeof(line));
	return good;
}

/* Seals the key to the vault's, and puts it into force. */
static int
put_key(struct ctl *c, const struct payment_network *n, const uint8_t key[EVM_KEY_BYTES],
    struct str address)
{
	struct uuid vault_key;
	struct str public_key, sealed;
	PGresult *res;
	enum err e = db_admin_vault_key_in_force(c->db, c->a, &res);

	if (e != ERR_OK)
		return ctl_fail_db(e, "the vault's key cannot be read");
	if (PQntuples(res) == 0 || !uuid_parse(sql_get(res, 0, 0), &vault_key) ||
	    !hex_decode(c->a, sql_get(res, 0, 1), &public_key) || public_key.n != SEAL_KEY_BYTES)
		return ctl_fail(
		    "the vault has no key yet, to which this one would be sealed: run `millracectl "
		    "vault init` first.");
	sealed = seal(c->a, public_key.p, seal_payment_label(c->a, n->name, address),
	    (struct str){ (const char *)key, EVM_KEY_BYTES });
	e = db_admin_chain_account_put(
	    c->db, c->a, &res, n->name, (int64_t)n->chain_id, address, sealed, vault_key);
	if (e != ERR_OK)
		return ctl_fail_db(e, "the key may not have been stored");
	if (!sql_bool(res, 0, 0))
		return ctl_fail("the vault's key was rotated meanwhile; do it again.");
	(void)printf("%.*s\n", S_ARG(address));
	(void)fprintf(stderr,
	    "Payments on %.*s are made from this address from now on. Keep the key elsewhere, too: "
	    "it does not come out of the vault again.\n",
	    S_ARG(n->name));
	return CTL_OK;
}

int
payments_key_run(struct ctl *c)
{
	struct payment_network n;
	struct evm_address address;
	uint8_t key[EVM_KEY_BYTES];
	int status;

	if (!payment_network_find(config()->payment_networks, str_from(c->operands[0]), &n))
		return ctl_fail("MILLRACE_PAYMENT_NETWORKS has no network %s.", c->operands[0]);
	if (sodium_init() < 0)
		return ctl_fail("libsodium cannot be set up.");
	if (!read_key(c, key))
		return CTL_FAILED;
	status = evm_key_address(key, &address)
		     ? put_key(c, &n, key, evm_address_text(c->a, &address))
		     : ctl_fail("this is no private key of secp256k1.");
	explicit_bzero(key, sizeof(key));
	return status;
}

int
payments_accounts_run(struct ctl *c)
{
	struct table t = { .a = c->a,
		.n = 6,
		.heads = { "NETWORK", "ADDRESS", "STATE", "USDC", "SEEN", "PENDING" },
		.right = { [3] = true, [5] = true } };
	PGresult *res;
	enum err e = db_admin_chain_accounts(c->db, c->a, &res);

	if (e != ERR_OK)
		return ctl_fail_db(e, "the accounts cannot be read");
	if (c->options[OPT_JSON] != NULL) {
		(void)fputs("[", stdout);
		for (int i = 0; i < PQntuples(res); i++)
			(void)printf("%s%s", i > 0 ? ",\n " : "", PQgetvalue(res, i, 6));
		(void)puts("]");
		return CTL_OK;
	}
	for (int i = 0; i < PQntuples(res); i++)
		table_row(&t, sql_get(res, i, 0), sql_get(res, i, 1), sql_get(res, i, 2),
		    sql_get(res, i, 3), sql_get(res, i, 4), sql_get(res, i, 5));
	if (t.n_cells > 0)
		table_print(&t, stdout);
	else
		(void)puts("No account pays; `millracectl payments key` puts one's key.");
	return CTL_OK;
}
