/* millracectl key: create, list and revoke API keys. */
#include "ctl.h"

#include <string.h>

#include <millrace/address.h>
#include <millrace/caller.h>
#include <millrace/crypto.h>

#include <sql_admin.h>

#include "table.h"

#define NAME_MAX_CHARS 200
#define KEY_ROWS 500 /* in one query */

static enum err
store(struct ctl *c, struct str key, PGresult **res)
{
	static struct str usual[] = { { "read", 4 }, { "write", 5 } };
	bool service = c->options[OPT_SERVICE] != NULL;
	struct str name = str_from(c->options[OPT_NAME]);
	struct str_list scopes = { c->scopes, c->n_scopes };
	struct str login;

	if (scopes.n == 0)
		scopes = (struct str_list){ usual, 2 };
	if (name.p == NULL)
		name = service ? S("service") : S("millracectl");
	(void)address_login(c->a, str_from(c->operands[0]), &login);
	return db_admin_key_create(c->db, c->a, res, login, sha256(c->a, key),
	    api_key_shown(c->a, key), name, scopes, ctl_number(c, OPT_DAYS, SQL_NULL_INT), service);
}

static bool
has_scope(const struct ctl *c, struct str scope)
{
	for (size_t i = 0; i < c->n_scopes; i++)
		if (str_eq(c->scopes[i], scope))
			return true;
	return false;
}

int
key_create_run(struct ctl *c)
{
	struct str name = str_from(c->options[OPT_NAME]), key;
	bool service = c->options[OPT_SERVICE] != NULL;
	PGresult *res;
	enum err e;

	if (name.p != NULL && (!str_utf8(name) || str_chars(name) > NAME_MAX_CHARS))
		return ctl_usage(
		    c->command, "--name is UTF-8 text of at most %d characters.", NAME_MAX_CHARS);
	if (service && !address_is_email(str_from(c->operands[0])))
		return ctl_usage(c->command,
		    "`%s` is not an e-mail address such as backup@example.org.", c->operands[0]);
	key = api_key_new(c->a);
	if ((e = store(c, key, &res)) != ERR_OK)
		return ctl_fail_db(e, "the key was not made");
	if (PQntuples(res) == 0 && service)
		return ctl_fail("the account %s has another role, or is disabled; a service key "
				"needs an account of its own.",
		    c->operands[0]);
	if (PQntuples(res) == 0 && has_scope(c, S("analytics:read")))
		return ctl_fail("there is no active user %s with the role admin or service; keys "
				"of others do not have the scope analytics:read.",
		    c->operands[0]);
	if (PQntuples(res) == 0)
		return ctl_fail("there is no active user %s.", c->operands[0]);
	(void)printf("%.*s\n", S_ARG(key));
	(void)fprintf(stderr, "Key %s of %.*s, good %s%s. It is not shown again.\n",
	    PQgetvalue(res, 0, 0), S_ARG(printable(c->a, sql_get(res, 0, 1))),
	    PQgetisnull(res, 0, 2) ? "without end" : "until ", PQgetvalue(res, 0, 2));
	return CTL_OK;
}

static void
key_rows(struct ctl *c, const PGresult *res, struct table *t, bool first)
{
	int i;

	for (i = 0; i < PQntuples(res); i++) {
		if (c->options[OPT_JSON] != NULL)
			(void)printf("%s%s", first && i == 0 ? "" : ",\n ", PQgetvalue(res, i, 9));
		else
			table_row(t, sql_get(res, i, 0), sql_get(res, i, 1), sql_get(res, i, 2),
			    sql_get(res, i, 3), sql_get(res, i, 4), sql_get(res, i, 5),
			    sql_get(res, i, 6), sql_get(res, i, 7), sql_get(res, i, 8));
	}
}

int
key_list_run(struct ctl *c)
{
	struct table t = { .a = c->a,
		.n = 9,
		.heads = { "ID", "USER", "NAME", "KEY", "SCOPES", "CREATED", "UNTIL", "LAST USED",
		    "STATE" } };
	bool json = c->options[OPT_JSON] != NULL, first = true;
	struct uuid after = { "" };
	PGresult *res;
	enum err e;

	do {
		if ((e = db_admin_key_list(c->db, c->a, &res, after, KEY_ROWS)) != ERR_OK)
			return ctl_fail_db(e, "the keys cannot be listed");
		if (json && first)
			(void)fputs("[", stdout);
		key_rows(c, res, &t, first);
		first = false;
		if (PQntuples(res) > 0 && !uuid_parse(sql_get(res, PQntuples(res) - 1, 0), &after))
			return ctl_fail("the database gave an id that is none.");
	} while (PQntuples(res) == KEY_ROWS);
	if (json)
		(void)fputs("]\n", stdout);
	else if (t.n_cells > 0)
		table_print(&t, stdout);
	else
		(void)puts("There are no API keys; `millracectl key create USER` makes one.");
	return CTL_OK;
}

int
key_revoke_run(struct ctl *c)
{
	struct uuid id;
	PGresult *res;
	enum err e;

	if (!uuid_parse(str_from(c->operands[0]), &id))
		return ctl_usage(c->command,
		    "`%s` is not an id; `millracectl key list` shows them.", c->operands[0]);
	if ((e = db_admin_key_revoke(c->db, c->a, &res, id)) != ERR_OK)
		return ctl_fail_db(e, "the key was not revoked");
	if (PQntuples(res) == 0)
		return ctl_fail("there is no API key with the id %s.", id.text);
	(void)printf("Key %s of %.*s %s.\n", id.text, S_ARG(printable(c->a, sql_get(res, 0, 0))),
	    sql_bool(res, 0, 1) ? "was revoked before" : "is revoked");
	return CTL_OK;
}
