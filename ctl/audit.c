/* millracectl audit: the chain of who did what. */
#include "ctl.h"

#include <sql_admin.h>

int
audit_verify_run(struct ctl *c)
{
	PGresult *res;
	enum err e;

	if ((e = db_admin_audit_verify(c->db, c->a, &res)) != ERR_OK)
		return ctl_fail_db(e, "the audit log cannot be read");
	if (PQntuples(res) != 1)
		return ctl_fail("the audit log cannot be read.");
	if (!PQgetisnull(res, 0, 1))
		return ctl_fail("the audit log is broken at row %s: %s.", PQgetvalue(res, 0, 1),
		    PQgetvalue(res, 0, 2));
	(void)printf("The audit log holds: %s rows.\n", PQgetvalue(res, 0, 0));
	return CTL_OK;
}
