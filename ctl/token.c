/* millracectl token: opens a session for a user. */
#include "ctl.h"

#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/token.h>

#include <sql_admin.h>

#define DAY_SECONDS 86400

int
token_mint_run(struct ctl *c)
{
	int64_t seconds = ctl_number(c, OPT_DAYS, 0) * DAY_SECONDS;
	struct claims claims = { 0 };
	PGresult *res;
	struct str token, login;
	enum err e;

	if (seconds == 0)
		seconds = config()->session_seconds;
	(void)address_login(c->a, str_from(c->operands[0]), &login);
	e = db_admin_session_open(
	    c->db, c->a, &res, login, arena_printf(c->a, "%lld seconds", (long long)seconds));
	if (e != ERR_OK)
		return ctl_fail_db(e, "the session was not opened");
	if (PQntuples(res) == 0)
		return ctl_fail("there is no active user %s.", c->operands[0]);
	if (!uuid_parse(sql_get(res, 0, 0), &claims.user) ||
	    !uuid_parse(sql_get(res, 0, 1), &claims.session) ||
	    !str_int(sql_get(res, 0, 2), &claims.issued_at) ||
	    !str_int(sql_get(res, 0, 3), &claims.expires_at))
		return ctl_fail("the database gave a session that cannot be read.");
	token = token_mint(c->a, &claims);
	(void)printf("%.*s\n", S_ARG(token));
	(void)fprintf(
	    stderr, "Good until %s; session %s.\n", PQgetvalue(res, 0, 4), claims.session.text);
	return CTL_OK;
}
