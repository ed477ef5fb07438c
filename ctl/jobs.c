/* millracectl jobs: those that are queued, running, waiting for something else, or dead. */
#include "ctl.h"

#include <sql_admin.h>

#include "table.h"

#define JOB_ROWS 100 /* the default of --limit */
#define RETRY_ROWS 500 /* retried in one statement */
#define ERROR_CHARS 100 /* of a job's last error in the table */

/* At most the first ERROR_CHARS code points of s, with "..." where it is cut. */
static struct str
shortened(struct arena *a, struct str s)
{
	size_t i, n = 0;

	for (i = 0; i < s.n; i++) {
		if (((unsigned char)s.p[i] & 0xC0) != 0x80 && n++ == ERROR_CHARS)
			return arena_printf(a, "%.*s...", (int)i, s.p);
	}
	return s;
}

static void
job_rows(struct ctl *c, const PGresult *res, int n)
{
	struct table t = { .a = c->a,
		.n = 7,
		.heads = { "RUN", "KIND", "STATE", "USER", "TRIES", "AGE", "LAST ERROR" },
		.right = { [4] = true, [5] = true } };
	int64_t age;
	int i;

	for (i = 0; i < n; i++) {
		if (!str_int(sql_get(res, i, 5), &age))
			age = 0;
		table_row(&t, sql_get(res, i, 0), sql_get(res, i, 1), sql_get(res, i, 2),
		    sql_get(res, i, 3), sql_get(res, i, 4), ctl_age(c->a, age),
		    shortened(c->a, sql_get(res, i, 7)));
	}
	table_print(&t, stdout);
}

int
jobs_list_run(struct ctl *c)
{
	int64_t limit = ctl_number(c, OPT_LIMIT, JOB_ROWS);
	int i, n;
	PGresult *res;
	enum err e;

	e = db_admin_job_list(c->db, c->a, &res, str_from(c->options[OPT_STATE]), limit + 1);
	if (e != ERR_OK)
		return ctl_fail_db(e, "the jobs cannot be listed");
	n = PQntuples(res) > limit ? (int)limit : PQntuples(res);
	if (c->options[OPT_JSON] != NULL) {
		for (i = 0; i < n; i++)
			(void)printf("%s%s", i > 0 ? ",\n " : "[", PQgetvalue(res, i, 8));
		(void)puts(n > 0 ? "]" : "[]");
	} else if (n == 0) {
		(void)printf("No job %s.\n",
		    c->options[OPT_STATE] == NULL ? "waits, runs or is dead" : "is in this state");
	} else {
		job_rows(c, res, n);
	}
	if (PQntuples(res) > limit)
		(void)fprintf(stderr, "There are more than these %d; --limit N shows them.\n", n);
	return CTL_OK;
}

static int
retry_all(struct ctl *c)
{
	int64_t n, total = 0;
	PGresult *res;
	enum err e;

	do {
		if ((e = db_admin_job_retry_dead(c->db, c->a, &res, RETRY_ROWS)) != ERR_OK)
			return ctl_fail_db(e, "not every dead job was put back");
		if (!str_int(sql_get(res, 0, 0), &n))
			n = 0;
		total += n;
	} while (n > 0);
	if (total == 0)
		(void)puts("There are no dead jobs.");
	else
		(void)printf("%lld job%s put back into the queue, each as a new run.\n",
		    (long long)total, total == 1 ? "" : "s");
	return CTL_OK;
}

int
jobs_retry_run(struct ctl *c)
{
	bool all = c->options[OPT_ALL_DEAD] != NULL;
	struct uuid id;
	PGresult *res;
	enum err e;

	if (all == (c->n_operands == 1))
		return ctl_usage(c->command, "give the id of one dead job, or --all-dead.");
	if (all)
		return retry_all(c);
	if (!uuid_parse(str_from(c->operands[0]), &id))
		return ctl_usage(c->command,
		    "`%s` is not an id; `millracectl jobs list` shows them.", c->operands[0]);
	e = db_admin_job_retry(c->db, c->a, &res, id);
	if (e == ERR_NOT_FOUND)
		return ctl_fail("there is no dead job with the id %s.", id.text);
	if (e != ERR_OK)
		return ctl_fail_db(e, "the job was not put back");
	(void)printf("%s is done again as run %s\n", id.text, PQgetvalue(res, 0, 0));
	return CTL_OK;
}
