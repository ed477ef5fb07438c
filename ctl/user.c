/* millracectl user: create, list, role. */
#include "ctl.h"

#include <string.h>

#include <millrace/address.h>
#include <millrace/crypto.h>

#include <sql_admin.h>

#include "password.h"
#include "table.h"
#include "user.h"

#define NAME_MAX_CHARS 200
#define USER_ROWS 500 /* in one query */

int
user_unknown(const char *login)
{
	return ctl_fail("there is no user %s.", login);
}

int
user_fail(enum err e, const char *what)
{
	if (e == ERR_CONFLICT)
		return ctl_fail("%s: there would be no administrator left. `millracectl user role "
				"USER admin` makes another one.",
		    what);
	return ctl_fail_db(e, what);
}

enum err
user_password_hash(struct ctl *c, struct str *hash)
{
	struct password password;
	bool ok = password_read(&password);

	if (ok)
		*hash = password_hash(c->a, (struct str){ password.bytes, password.n });
	explicit_bzero(&password, sizeof(password));
	return ok ? ERR_OK : ERR_BAD_REQUEST;
}

int
user_create_run(struct ctl *c)
{
	struct str email, name = str_from(c->options[OPT_NAME]), hash;
	const char *role = c->options[OPT_ROLE] != NULL ? c->options[OPT_ROLE] : "user";
	PGresult *res;
	enum err e;

	if (!address_is_email(str_from(c->operands[0])) ||
	    !address_email(c->a, str_from(c->operands[0]), &email))
		return ctl_usage(c->command,
		    "`%s` is not an e-mail address such as ada@example.org.", c->operands[0]);
	if (name.p == NULL)
		name = email;
	if (!str_utf8(name) || str_chars(name) > NAME_MAX_CHARS)
		return ctl_usage(
		    c->command, "--name is UTF-8 text of at most %d characters.", NAME_MAX_CHARS);
	if (user_password_hash(c, &hash) != ERR_OK)
		return CTL_FAILED;
	if ((e = db_admin_user_create(c->db, c->a, &res, email, hash, name, str_from(role))) !=
	    ERR_OK)
		return ctl_fail_db(e, "the user was not created");
	if (PQntuples(res) == 0)
		return ctl_fail("an account with the address %s exists already.", c->operands[0]);
	(void)printf("Created %s as %s, id %s\n", c->operands[0], role, PQgetvalue(res, 0, 0));
	return CTL_OK;
}

/* Adds the rows of one page to the table, or prints them as JSON. */
static void
user_rows(struct ctl *c, const PGresult *res, struct table *t, bool first)
{
	int i;

	for (i = 0; i < PQntuples(res); i++) {
		if (c->options[OPT_JSON] != NULL)
			(void)printf("%s%s", first && i == 0 ? "" : ",\n ", PQgetvalue(res, i, 6));
		else
			table_row(t, sql_get(res, i, 1), sql_get(res, i, 2), sql_get(res, i, 3),
			    sql_get(res, i, 4), sql_bool(res, i, 5) ? S("disabled") : S("active"),
			    sql_get(res, i, 0));
	}
}

int
user_list_run(struct ctl *c)
{
	struct table t = {
		.a = c->a, .n = 6, .heads = { "USER", "NAME", "ROLE", "CREATED", "STATE", "ID" }
	};
	struct uuid after = { "" };
	bool json = c->options[OPT_JSON] != NULL, first = true;
	PGresult *res;
	enum err e;

	do {
		if ((e = db_admin_user_list(c->db, c->a, &res, after, USER_ROWS)) != ERR_OK)
			return ctl_fail_db(e, "the users cannot be listed");
		if (json && first)
			(void)fputs("[", stdout);
		user_rows(c, res, &t, first);
		first = false;
		if (PQntuples(res) > 0 && !uuid_parse(sql_get(res, PQntuples(res) - 1, 0), &after))
			return ctl_fail("the database gave an id that is none.");
	} while (PQntuples(res) == USER_ROWS);
	if (json)
		(void)fputs("]\n", stdout);
	else if (t.n_cells > 0)
		table_print(&t, stdout);
	else
		(void)puts("There are no users yet; `millracectl user create EMAIL` makes one.");
	return CTL_OK;
}

int
user_role_run(struct ctl *c)
{
	const char *const *names = option_infos[OPT_ROLE].names;
	const char *user = c->operands[0], *role = c->operands[1];
	struct str login;
	PGresult *res;
	enum err e;

	(void)address_login(c->a, str_from(user), &login);
	while (*names != NULL && strcmp(*names, role) != 0)
		names++;
	if (*names == NULL)
		return ctl_usage(c->command, "a role is user, admin or service, not `%s`.", role);
	if ((e = db_admin_user_role(c->db, c->a, &res, login, str_from(role))) != ERR_OK)
		return user_fail(e, "the role was not changed");
	if (PQntuples(res) == 0)
		return user_unknown(user);
	login = printable(c->a, sql_get(res, 0, 0));
	if (strcmp(PQgetvalue(res, 0, 1), role) == 0)
		(void)printf("%.*s is %s already.\n", S_ARG(login), role);
	else
		(void)printf(
		    "%.*s is %s now (was %s).\n", S_ARG(login), role, PQgetvalue(res, 0, 1));
	return CTL_OK;
}
