/* Runs of workflows: begun, looked at, cancelled, and told what they wait for. */
#include <millrace/config.h>

#include "handlers/agents/agents.h"
#include "sql_api.h"

#define INPUTS_MAX 100000 /* bytes */

struct execute_in {
	struct uuid workflow_id;
	struct str inputs; /* an object */
	struct str user_id;
	bool async;
};

static const struct field execute_fields[] = {
	F_UUID(struct execute_in, workflow_id, REQUIRED),
	F_JSON(struct execute_in, inputs, INPUTS_MAX, OPTIONAL),
	F_STR(struct execute_in, user_id, 1, 200, OPTIONAL),
	F_BOOL(struct execute_in, async, OPTIONAL),
};
FIELD_TABLE(workflow_execute_body, struct execute_in, execute_fields, workflow_execute);

struct runs_in {
	int64_t limit;
	struct uuid before;
	struct uuid workflow_id;
	struct str status;
};

static const char *const statuses[] = { "queued", "running", "completed", "failed", NULL };

static const struct field list_fields[] = {
	F_PAGE(struct runs_in),
	F_UUID(struct runs_in, workflow_id, OPTIONAL),
	F_ENUM(struct runs_in, status, statuses, OPTIONAL),
};
FIELD_TABLE(workflow_run_list_query, struct runs_in, list_fields, workflow_run_list);

struct approve_in {
	struct str step;
	bool approved;
};

static const struct field approve_fields[] = {
	F_STR(struct approve_in, step, 1, 64, OPTIONAL),
	F_BOOL(struct approve_in, approved, OPTIONAL),
};
FIELD_TABLE(workflow_run_approve_body, struct approve_in, approve_fields, workflow_run_approve);

/* POST /api/agents/workflows/execute */
enum err
workflow_execute(struct req *r)
{
	struct execute_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, workflow_execute_body, &in)) != ERR_OK)
		return e;
	return sql_workflow_execute(r, in.async ? agents_queued : agents_waits, in.workflow_id,
	    in.inputs, in.user_id, !in.async, config()->queue_max);
}

/* GET /api/workflow-runs: all, or those of ?workflow_id= or ?status=. */
enum err
workflow_run_list(struct req *r)
{
	struct runs_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, workflow_run_list_query, &in)) != ERR_OK)
		return e;
	return sql_workflow_run_list(
	    r, res_list, list_rows(r, in.limit), in.before, in.workflow_id, in.status);
}

/* GET /api/workflow-runs/{id}: with its steps. */
enum err
workflow_run_show(struct req *r)
{
	return sql_workflow_run_show(r, res_one, path_uuid(r, 0));
}

/* POST /api/workflow-runs/{id}/cancel */
enum err
workflow_run_cancel(struct req *r)
{
	return sql_workflow_run_cancel(r, res_one, path_uuid(r, 0));
}

/* POST /api/workflow-runs/{id}/approve: the step that is named, or the one that waits longest. */
enum err
workflow_run_approve(struct req *r)
{
	struct approve_in in = { .approved = true };
	enum err e;

	if ((e = body_bind(r, workflow_run_approve_body, &in)) != ERR_OK)
		return e;
	return sql_workflow_run_approve(r, res_one, path_uuid(r, 0), in.step, in.approved);
}
