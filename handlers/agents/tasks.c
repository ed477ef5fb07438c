/* Tasks of processes, and what they have matched. */
#include <millrace/config.h>

#include "handlers/agents/agents.h"
#include "sql_api.h"

struct task_in {
	struct uuid agent_id;
	struct uuid process_id; /* the same */
};

static const struct field task_fields[] = {
	F_UUID(struct task_in, agent_id, OPTIONAL),
	F_UUID(struct task_in, process_id, OPTIONAL),
};
FIELD_TABLE(task_create_body, struct task_in, task_fields, task_create);

struct matches_in {
	int64_t limit;
	struct uuid before;
	struct uuid process_id;
};

static const struct field match_fields[] = {
	F_PAGE(struct matches_in),
	F_UUID(struct matches_in, process_id, OPTIONAL),
};
FIELD_TABLE(match_list_query, struct matches_in, match_fields, match_list);

/* POST /api/agent/task: of the caller's first process where none is named. */
enum err
task_create(struct req *r)
{
	struct task_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, task_create_body, &in)) != ERR_OK)
		return e;
	return sql_task_create(
	    r, res_created, in.agent_id.text[0] ? in.agent_id : in.process_id, config()->queue_max);
}

/* GET /api/agent/task/{id} */
enum err
task_show(struct req *r)
{
	return sql_task_show(r, res_one, path_uuid(r, 0));
}

/* GET /api/agent/matches: of all processes, or of ?process_id=. */
enum err
match_list(struct req *r)
{
	struct matches_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, match_list_query, &in)) != ERR_OK)
		return e;
	return sql_match_list(r, res_list, list_rows(r, in.limit), in.before, in.process_id);
}
