/* millracectl stripe: is here what is at Stripe? The runner alone asks Stripe; this waits for it.
 */
#include "ctl.h"

#include <poll.h>

#include <sql_admin.h>

#define LOOK_MS 200
#define PATIENCE_MS (30 * 60 * 1000)

static int
print_outcome(const PGresult *res)
{
	if (!PQgetisnull(res, 0, 1))
		return ctl_fail("the comparison failed: %s", PQgetvalue(res, 0, 1));
	if (PQgetisnull(res, 0, 2)) {
		(void)puts("Nothing differs from what Stripe has.");
		return CTL_OK;
	}
	for (int i = 0; i < PQntuples(res); i++)
		(void)puts(PQgetvalue(res, i, 2));
	return CTL_FAILED;
}

int
stripe_reconcile_run(struct ctl *c)
{
	PGresult *res;
	struct uuid run;
	enum err e;

	if ((e = db_admin_stripe_reconcile(c->db, c->a, &res)) != ERR_OK)
		return ctl_fail_db(e, "the comparison cannot be enqueued");
	if (!uuid_parse(sql_get(res, 0, 0), &run))
		return ctl_fail("the comparison cannot be enqueued.");
	for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
		if ((e = db_admin_stripe_outcome(c->db, c->a, &res, run)) != ERR_OK)
			return ctl_fail_db(e, "the comparison's outcome cannot be read");
		if (PQntuples(res) > 0 && sql_bool(res, 0, 0))
			return print_outcome(res);
		(void)poll(NULL, 0, LOOK_MS);
	}
	return ctl_fail("the comparison, run %s, has not ended; is a runner there?", run.text);
}
