/* Processes: instances of agents, with a model, a schedule, and whom to write to. */
#include <ctype.h>
#include <string.h>

#include <millrace/query.h>

#include "handlers/agents/agents.h"
#include "sql_api.h"

struct process_in {
	struct str name;
	struct str description;
	struct str agent_type;
	struct str model;
	struct str execution_mode;
	struct str_list emails;
	struct schedule_in schedule;
};

const char *const execution_modes[] = { "manual", "scheduled", NULL };

static const struct field schedule_fields[] = { SCHEDULE_FIELDS };

#define PROCESS_FIELDS(named)                                                     \
	F_SHOWN(struct process_in, name, 200, named),                             \
	    F_STR(struct process_in, description, 0, 2000, OPTIONAL),             \
	    F_STR(struct process_in, agent_type, 1, 64, OPTIONAL),                \
	    F_STR(struct process_in, model, 1, 200, OPTIONAL),                    \
	    F_ENUM(struct process_in, execution_mode, execution_modes, OPTIONAL), \
	    F_EMAILS(struct process_in, emails, EMAILS_MAX, OPTIONAL),            \
	    F_OBJECT(struct process_in, schedule, schedule_fields, OPTIONAL)

static const struct field create_fields[] = { PROCESS_FIELDS(REQUIRED) };
FIELD_TABLE(process_create_body, struct process_in, create_fields, process_create);

static const struct field change_fields[] = { PROCESS_FIELDS(OPTIONAL) };
FIELD_TABLE(process_change_body, struct process_in, change_fields, process_change);

bool
process_is_cron(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !memchr("*/,-#?+@ \t", s.p[i], 10))
			return false;
	return true;
}

int64_t
process_interval(const struct schedule_in *s)
{
	return s->interval_s ? s->interval_s : SQL_NULL_INT;
}

/* POST /api/v1/admin/processes */
enum err
process_create(struct req *r)
{
	struct process_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, process_create_body, &in)) != ERR_OK)
		return e;
	return sql_process_create(r, res_created, in.name, in.description, in.agent_type, in.model,
	    in.emails, in.execution_mode, process_interval(&in.schedule), in.schedule.cron,
	    in.schedule.timezone, r->body);
}

/* GET /api/v1/admin/processes */
enum err
process_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_process_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* GET /api/v1/admin/processes/{id} */
enum err
process_show(struct req *r)
{
	return sql_process_show(r, res_one, path_uuid(r, 0));
}

/* PUT /api/v1/admin/processes/{id}: any subset; null clears. A schedule is replaced as a whole. */
enum err
process_change(struct req *r)
{
	struct process_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, process_change_body, &in)) != ERR_OK)
		return e;
	return sql_process_change(r, res_one, path_uuid(r, 0), in.name, in.description,
	    in.agent_type, in.model, in.emails, in.execution_mode, process_interval(&in.schedule),
	    in.schedule.cron, in.schedule.timezone, r->body);
}

/* DELETE /api/v1/admin/processes/{id}: with its data sources. */
enum err
process_delete(struct req *r)
{
	return sql_process_delete(r, res_empty, path_uuid(r, 0));
}
