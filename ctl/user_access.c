/* millracectl user: password, disable, enable, delete, sessions. */
#include "ctl.h"

#include <string.h>
#include <unistd.h>

#include <millrace/address.h>

#include <sql_admin.h>

#include "table.h"
#include "user.h"

#define SESSION_ROWS 500 /* in one query */

static const char *
plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* The user that the command names; any error: it has said why. *login is fit to be shown. */
static enum err
find(struct ctl *c, struct uuid *user, struct str *login)
{
	struct str given;
	PGresult *res;
	enum err e;

	(void)address_login(c->a, str_from(c->operands[0]), &given);
	if ((e = db_admin_user_find(c->db, c->a, &res, given)) != ERR_OK) {
		(void)ctl_fail_db(e, "the user cannot be found");
		return e;
	}
	if (PQntuples(res) == 0 || !uuid_parse(sql_get(res, 0, 0), user)) {
		(void)user_unknown(c->operands[0]);
		return ERR_NOT_FOUND;
	}
	*login = printable(c->a, sql_get(res, 0, 1));
	return ERR_OK;
}

int
user_password_run(struct ctl *c)
{
	struct str hash, login;
	struct uuid id;
	int64_t sessions;
	PGresult *res;
	enum err e;

	if (find(c, &id, &login) != ERR_OK || user_password_hash(c, &hash) != ERR_OK)
		return CTL_FAILED;
	if ((e = db_admin_user_password(c->db, c->a, &res, id, hash)) != ERR_OK)
		return ctl_fail_db(e, "the password was not set");
	if (PQntuples(res) == 0 || !str_int(sql_get(res, 0, 0), &sessions))
		return user_unknown(c->operands[0]);
	(void)printf("%.*s has another password; %lld session%s ended. API keys go on.\n",
	    S_ARG(login), (long long)sessions, plural(sessions));
	if (sql_bool(res, 0, 1))
		(void)fputs(
		    "The account is disabled still; `millracectl user enable` opens it.\n", stderr);
	return CTL_OK;
}

/* Prints the outcome: `done`, or that it was so before. */
static int
set_disabled(struct ctl *c, bool disable, const char *done)
{
	struct uuid user;
	struct str login;
	PGresult *res;
	enum err e;

	if (find(c, &user, &login) != ERR_OK)
		return CTL_FAILED;
	if ((e = db_admin_user_disable(c->db, c->a, &res, user, disable)) != ERR_OK)
		return user_fail(e, "the user was not changed");
	if (PQntuples(res) == 0)
		return user_unknown(c->operands[0]);
	(void)printf(
	    "%.*s %s%s.\n", S_ARG(login), done, sql_bool(res, 0, 0) == disable ? " already" : "");
	return CTL_OK;
}

int
user_disable_run(struct ctl *c)
{
	return set_disabled(c, true, "is disabled");
}

int
user_enable_run(struct ctl *c)
{
	return set_disabled(c, false, "is enabled");
}

/* Does whoever sits at the terminal mean it? They type the login once more. */
static bool
is_meant(struct str login)
{
	char line[512] = "";

	(void)fprintf(
	    stderr, "This erases %.*s for good. Type that once more to go on: ", S_ARG(login));
	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	return str_eq(str_from(line), login);
}

int
user_delete_run(struct ctl *c)
{
	struct uuid user;
	struct str login;
	PGresult *res;
	enum err e;

	if ((e = find(c, &user, &login)) != ERR_OK)
		return CTL_FAILED;
	if (c->options[OPT_YES] == NULL && !isatty(STDIN_FILENO))
		return ctl_usage(
		    c->command, "to erase %.*s without being asked takes --yes.", S_ARG(login));
	if (c->options[OPT_YES] == NULL && !is_meant(login))
		return ctl_fail("nothing was erased.");
	if ((e = db_admin_user_erase(c->db, c->a, &res, user)) != ERR_OK)
		return user_fail(e, "nothing was erased");
	if (PQntuples(res) == 0 || !sql_bool(res, 0, 0))
		return user_unknown(c->operands[0]);
	(void)printf("%.*s is erased.\n", S_ARG(login));
	return CTL_OK;
}

static int
end_sessions(struct ctl *c, struct uuid user, struct str login)
{
	int64_t n;
	PGresult *res;
	enum err e;

	if ((e = db_admin_session_end(c->db, c->a, &res, user)) != ERR_OK)
		return ctl_fail_db(e, "the sessions were not ended");
	if (!str_int(sql_get(res, 0, 0), &n))
		n = 0;
	(void)printf("%lld session%s of %.*s ended.\n", (long long)n, plural(n), S_ARG(login));
	return CTL_OK;
}

/* Adds the rows of one page to the table, or prints them as JSON. */
static void
session_rows(struct ctl *c, const PGresult *res, struct table *t, bool first)
{
	int i;

	for (i = 0; i < PQntuples(res); i++) {
		if (c->options[OPT_JSON] != NULL)
			(void)printf("%s%s", first && i == 0 ? "" : ",\n ", PQgetvalue(res, i, 3));
		else
			table_row(t, sql_get(res, i, 0), sql_get(res, i, 1), sql_get(res, i, 2));
	}
}

static int
list_sessions(struct ctl *c, struct uuid user, struct str login)
{
	struct table t = { .a = c->a, .n = 3, .heads = { "ID", "CREATED", "UNTIL" } };
	bool json = c->options[OPT_JSON] != NULL, first = true;
	struct uuid after = { "" };
	PGresult *res;
	enum err e;

	do {
		if ((e = db_admin_session_list(c->db, c->a, &res, user, after, SESSION_ROWS)) !=
		    ERR_OK)
			return ctl_fail_db(e, "the sessions cannot be listed");
		if (json && first)
			(void)fputs("[", stdout);
		session_rows(c, res, &t, first);
		first = false;
		if (PQntuples(res) > 0 && !uuid_parse(sql_get(res, PQntuples(res) - 1, 0), &after))
			return ctl_fail("the database gave an id that is none.");
	} while (PQntuples(res) == SESSION_ROWS);
	if (json)
		(void)fputs("]\n", stdout);
	else if (t.n_cells > 0)
		table_print(&t, stdout);
	else
		(void)printf("%.*s has no open session.\n", S_ARG(login));
	return CTL_OK;
}

int
user_sessions_run(struct ctl *c)
{
	struct uuid user;
	struct str login;

	if (find(c, &user, &login) != ERR_OK)
		return CTL_FAILED;
	return c->options[OPT_END] != NULL ? end_sessions(c, user, login)
					   : list_sessions(c, user, login);
}
