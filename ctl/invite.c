/* millracectl user: invite, invitations, uninvite. */
#include "ctl.h"

#include <string.h>

#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/crypto.h>

#include <sql_admin.h>

#include "table.h"

#define TOKEN_LEN 32 /* bytes */
#define DAYS_DEFAULT 7
#define INVITATION_ROWS 500 /* in one query */

/* The link goes to standard output, alone; what is to be known about it, to standard error. */
static void
show(struct ctl *c, const PGresult *res, struct str token, bool mails)
{
	const char *page = config()->invite_url;
	struct str link = *page ? arena_fill(c->a, page, "{token}", token) : token;

	(void)printf("%.*s\n", S_ARG(link));
	(void)fprintf(stderr,
	    "Invitation %s, good for one account until %s. It is not shown again.\n",
	    PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1));
	if (*page == '\0')
		(void)fputs(
		    "This is the token alone, which registration takes as `invitation`; "
		    "with MILLRACE_INVITE_URL, the\npage that takes it, it would be a link.\n",
		    stderr);
	if (mails)
		(void)fprintf(stderr, "A link of its own is mailed to %s.\n", c->operands[0]);
	else if (c->n_operands > 0)
		(void)fputs("Nothing is mailed: that needs SMTP_URL, SMTP_FROM and "
			    "MILLRACE_INVITE_URL.\n",
		    stderr);
	if (strcmp(config()->registration, "closed") == 0)
		(void)fputs("MILLRACE_REGISTRATION is closed: nobody can use it until that is "
			    "`invited`.\n",
		    stderr);
}

int
user_invite_run(struct ctl *c)
{
	struct str email = { NULL, 0 }, token = random_text(c->a, TOKEN_LEN);
	PGresult *res;
	bool mails;
	enum err e;

	if (c->n_operands > 0 && (!address_is_email(str_from(c->operands[0])) ||
				     !address_email(c->a, str_from(c->operands[0]), &email)))
		return ctl_usage(c->command,
		    "`%s` is not an e-mail address such as ada@example.org.", c->operands[0]);
	mails = email.p != NULL && config_has_mail() && *config()->invite_url != '\0';
	e = db_admin_invitation_create(c->db, c->a, &res, email,
	    ctl_number(c, OPT_DAYS, DAYS_DEFAULT), sha256(c->a, token), mails);
	if (e == ERR_CONFLICT)
		return ctl_fail("an account with the address %s exists already.", c->operands[0]);
	if (e != ERR_OK)
		return ctl_fail_db(e, "nobody was invited");
	show(c, res, token, mails);
	return CTL_OK;
}

/* Adds the rows of one page to the table, or prints them as JSON. */
static void
invitation_rows(struct ctl *c, const PGresult *res, struct table *t, bool first)
{
	int i;

	for (i = 0; i < PQntuples(res); i++) {
		if (c->options[OPT_JSON] != NULL)
			(void)printf("%s%s", first && i == 0 ? "" : ",\n ", PQgetvalue(res, i, 6));
		else
			table_row(t, sql_get(res, i, 0), sql_get(res, i, 1), sql_get(res, i, 2),
			    sql_get(res, i, 3), sql_get(res, i, 4), sql_get(res, i, 5));
	}
}

int
user_invitations_run(struct ctl *c)
{
	struct table t = {
		.a = c->a, .n = 6, .heads = { "ID", "FOR", "STATE", "CREATED", "UNTIL", "USED BY" }
	};
	bool json = c->options[OPT_JSON] != NULL, first = true;
	struct uuid after = { "" };
	PGresult *res;
	enum err e;

	do {
		if ((e = db_admin_invitation_list(c->db, c->a, &res, after, INVITATION_ROWS)) !=
		    ERR_OK)
			return ctl_fail_db(e, "the invitations cannot be listed");
		if (json && first)
			(void)fputs("[", stdout);
		invitation_rows(c, res, &t, first);
		first = false;
		if (PQntuples(res) > 0 && !uuid_parse(sql_get(res, PQntuples(res) - 1, 0), &after))
			return ctl_fail("the database gave an id that is none.");
	} while (PQntuples(res) == INVITATION_ROWS);
	if (json)
		(void)fputs("]\n", stdout);
	else if (t.n_cells > 0)
		table_print(&t, stdout);
	else
		(void)puts("Nobody is invited; `millracectl user invite EMAIL` does that.");
	return CTL_OK;
}

int
user_uninvite_run(struct ctl *c)
{
	struct uuid id;
	PGresult *res;
	enum err e;

	if (!uuid_parse(str_from(c->operands[0]), &id))
		return ctl_usage(c->command,
		    "`%s` is not an id; `millracectl user invitations` shows them.",
		    c->operands[0]);
	if ((e = db_admin_invitation_withdraw(c->db, c->a, &res, id)) != ERR_OK)
		return ctl_fail_db(e, "the invitation was not withdrawn");
	if (PQntuples(res) == 0)
		return ctl_fail("there is no invitation with the id %s.", id.text);
	(void)printf("Invitation %s is withdrawn.\n", id.text);
	return CTL_OK;
}
