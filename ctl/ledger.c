/* millracectl ledger: is every balance the sum of its entries? */
#include "ctl.h"

#include <sql_admin.h>

int
ledger_verify_run(struct ctl *c)
{
	PGresult *res;
	enum err e = db_admin_ledger_verify(c->db, c->a, &res);
	int n;

	if (e != ERR_OK)
		return ctl_fail_db(e, "the ledger cannot be read");
	n = PQntuples(res);
	if (n > 0 && PQgetisnull(res, 0, 1)) {
		(void)printf("The ledger holds: %s entries.\n", PQgetvalue(res, 0, 0));
		return CTL_OK;
	}
	for (int i = 0; i < n; i++)
		(void)ctl_fail("ledger: %s.", PQgetvalue(res, i, 1));
	return CTL_FAILED;
}
