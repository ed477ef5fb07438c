/* Workflows: definitions of steps, checked when they are saved. */
#include <millrace/json.h>

#include "handlers/agents/agents.h"
#include "handlers/agents/definition.h"
#include "sql_api.h"

struct workflow_in {
	struct str name;
	struct str description;
	struct str definition; /* an object */
	struct schedule_in schedule;
};

static const struct field schedule_fields[] = { SCHEDULE_FIELDS };

#define WORKFLOW_FIELDS(named)                                             \
	F_SHOWN(struct workflow_in, name, 200, named),                     \
	    F_STR(struct workflow_in, description, 0, 2000, OPTIONAL),     \
	    F_JSON(struct workflow_in, definition, DEFINITION_MAX, named), \
	    F_OBJECT(struct workflow_in, schedule, schedule_fields, OPTIONAL)

static const struct field create_fields[] = { WORKFLOW_FIELDS(REQUIRED) };
FIELD_TABLE(workflow_create_body, struct workflow_in, create_fields, workflow_create);

static const struct field change_fields[] = { WORKFLOW_FIELDS(OPTIONAL) };
FIELD_TABLE(workflow_change_body, struct workflow_in, change_fields, workflow_change);

static enum err
check_definition(struct req *r, struct str definition)
{
	json_object *o;
	const char *why;

	if (!definition.p)
		return ERR_OK;
	if (json_parse(r->a, definition, &o, &why) != ERR_OK)
		return ERR_INTERNAL; /* it comes of a body that was parsed */
	definition_check(r->a, o, &r->problems);
	return r->problems.n == 0 ? ERR_OK
				  : refuse(r, ERR_BAD_REQUEST, "The definition is not valid.");
}

/* POST /api/workflows */
enum err
workflow_create(struct req *r)
{
	struct workflow_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, workflow_create_body, &in)) != ERR_OK ||
	    (e = check_definition(r, in.definition)) != ERR_OK)
		return e;
	return sql_workflow_create(r, res_created, in.name, in.description, in.definition,
	    process_interval(&in.schedule), in.schedule.cron, in.schedule.timezone, r->body);
}

/* GET /api/workflows */
enum err
workflow_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_workflow_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* GET /api/workflows/{id} */
enum err
workflow_show(struct req *r)
{
	return sql_workflow_show(r, res_one, path_uuid(r, 0));
}

/* PUT /api/workflows/{id}: any subset; null clears. A definition or a schedule is replaced as a
 * whole. */
enum err
workflow_change(struct req *r)
{
	struct workflow_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, workflow_change_body, &in)) != ERR_OK ||
	    (e = check_definition(r, in.definition)) != ERR_OK)
		return e;
	return sql_workflow_change(r, res_one, path_uuid(r, 0), in.name, in.description,
	    in.definition, process_interval(&in.schedule), in.schedule.cron, in.schedule.timezone,
	    r->body);
}

/* DELETE /api/workflows/{id} */
enum err
workflow_delete(struct req *r)
{
	return sql_workflow_delete(r, res_empty, path_uuid(r, 0));
}
