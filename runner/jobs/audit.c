/* GET /api/v1/audit/verify: is the audit log as it was written, and signed? */
#include <sodium.h>

#include <millrace/checkpoint.h>

#include "runner/jobs/kinds.h"
#include "sql_job.h"

/* In one statement: another one may want the connection. */
#define STEP_ROWS 2000
#define STEP_CHECKPOINTS 500

struct verdict {
	int64_t rows; /* walked */
	int64_t broken; /* the first row that is not as it was written; 0: none is */
	struct str problem; /* absent: it holds */
	struct checkpoint last; /* the last one that is valid; n 0: none */
};

static enum err
walk_rows(struct job *j, struct verdict *v)
{
	bool ends = false;
	enum err e = ERR_OK;

	while (!ends && !v->problem.p && e == ERR_OK && stop_why(&j->stop) == STOP_NOT) {
		PGresult *res;

		e = job_runner_audit_verify_step(j, &res, v->rows, STEP_ROWS);
		if (e != ERR_OK)
			return e;
		if (!str_int(sql_get(res, 0, 0), &v->rows))
			return ERR_INTERNAL;
		ends = sql_bool(res, 0, 1);
		v->problem = sql_get(res, 0, 3);
		if (v->problem.p && !str_int(sql_get(res, 0, 2), &v->broken))
			return ERR_INTERNAL;
	}
	return e;
}

/* A checkpoint that does not verify only counts where no row before it is broken. */
static bool
take_checkpoint(struct arena *a, struct verdict *v, const PGresult *res, int row)
{
	struct checkpoint c = { .hash = sql_get(res, row, 2) };
	const char *fault;

	if (!str_int(sql_get(res, row, 0), &c.n) || !str_int(sql_get(res, row, 1), &c.seq) ||
	    !str_int(sql_get(res, row, 3), &c.at_us))
		return false;
	fault = checkpoint_fault(
	    a, &v->last, &c, sql_get(res, row, 4), sql_get(res, row, 5), sql_get(res, row, 6));
	if (!fault) {
		v->last = c;
		return true;
	}
	if (!v->problem.p || c.seq < v->broken) {
		v->broken = c.seq;
		v->problem =
		    arena_printf(a, "the checkpoint %lld of this row: %s", (long long)c.n, fault);
	}
	return false;
}

static enum err
walk_checkpoints(struct job *j, struct verdict *v)
{
	int n = STEP_CHECKPOINTS;

	while (n == STEP_CHECKPOINTS && stop_why(&j->stop) == STOP_NOT) {
		PGresult *res;
		enum err e = job_runner_audit_checkpoints(j, &res, v->last.n, STEP_CHECKPOINTS);

		if (e != ERR_OK)
			return e;
		n = PQntuples(res);
		for (int i = 0; i < n; i++)
			if (!take_checkpoint(j->a, v, res, i))
				return ERR_OK;
	}
	return ERR_OK;
}

static struct str
body_of(struct arena *a, const struct verdict *v)
{
	struct buf b = { .a = a };

	buf_printf(&b,
	    "{\"valid\":%s,\"rows\":%lld,\"broken_row\":", v->problem.p ? "false" : "true",
	    (long long)v->rows);
	buf_printf(&b, v->problem.p ? "%lld" : "null", (long long)v->broken);
	buf_put(&b, S(",\"problem\":"));
	if (v->problem.p)
		buf_json(&b, v->problem);
	else
		buf_put(&b, S("null"));
	buf_printf(&b,
	    ",\"checkpoints\":%lld,\"signed_rows\":%lld,\"checkpoint\":", (long long)v->last.n,
	    (long long)v->last.seq);
	if (v->last.n > 0)
		buf_json(&b, checkpoint_name(a, &v->last));
	else
		buf_put(&b, S("null"));
	buf_put(&b, S("}"));
	return buf_str(&b);
}

struct outcome
audit_verify_run(struct job *j)
{
	struct verdict v = { 0 };
	struct str body;
	enum err e;

	if (sodium_init() < 0)
		return job_failed("INTERNAL", "libsodium cannot be set up.");
	if ((e = walk_rows(j, &v)) != ERR_OK || (e = walk_checkpoints(j, &v)) != ERR_OK)
		return job_db_error(j, e, "the audit log could not be read");
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	body = body_of(j->a, &v);
	return job_end_runner_job_end_done(j, body,
	    arena_printf(j->a, "{\"status\":200,\"headers\":{},\"body\":%.*s}", S_ARG(body)));
}
