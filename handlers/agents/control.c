/*
 * One process: its status, starting and stopping it, its configuration. Requests name it by
 * agent_id; without one they mean the caller's first, for clients that know a single agent.
 */
#include "handlers/agents/agents.h"
#include "sql_api.h"

struct agent_id_in {
	struct uuid agent_id;
};

static const struct field id_fields[] = {
	F_UUID(struct agent_id_in, agent_id, OPTIONAL),
};
FIELD_TABLE(agent_id_query, struct agent_id_in, id_fields, NULL);

struct control_in {
	struct str action;
	struct uuid agent_id;
	struct str execution_mode;
};

static const char *const actions[] = { "start", "stop", "pause", NULL };

static const struct field control_fields[] = {
	F_ENUM(struct control_in, action, actions, REQUIRED),
	F_UUID(struct control_in, agent_id, OPTIONAL),
	F_ENUM(struct control_in, execution_mode, execution_modes, OPTIONAL),
};
FIELD_TABLE(agent_control_body, struct control_in, control_fields, agent_control);

struct model_in {
	struct uuid agent_id;
	struct str model;
};

static const struct field model_fields[] = {
	F_UUID(struct model_in, agent_id, OPTIONAL),
	F_STR(struct model_in, model, 1, 200, REQUIRED),
};
FIELD_TABLE(agent_model_body, struct model_in, model_fields, agent_set_model);

struct config_in {
	struct uuid agent_id;
	struct str model;
	struct str execution_mode;
	struct str_list emails;
	struct schedule_in schedule;
};

static const struct field schedule_fields[] = { SCHEDULE_FIELDS };

static const struct field config_fields[] = {
	F_UUID(struct config_in, agent_id, OPTIONAL),
	F_STR(struct config_in, model, 1, 200, OPTIONAL),
	F_ENUM(struct config_in, execution_mode, execution_modes, OPTIONAL),
	F_EMAILS(struct config_in, emails, EMAILS_MAX, OPTIONAL),
	F_OBJECT(struct config_in, schedule, schedule_fields, OPTIONAL),
};
FIELD_TABLE(config_change_body, struct config_in, config_fields, config_change);

struct emails_in {
	struct uuid agent_id;
	struct str_list emails;
};

static const struct field emails_fields[] = {
	F_UUID(struct emails_in, agent_id, OPTIONAL),
	F_EMAILS(struct emails_in, emails, EMAILS_MAX, REQUIRED),
};
FIELD_TABLE(emails_change_body, struct emails_in, emails_fields, emails_change);

/* GET /api/agent/status */
enum err
agent_status(struct req *r)
{
	struct agent_id_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, agent_id_query, &in)) != ERR_OK)
		return e;
	return sql_agent_status(r, res_one, in.agent_id);
}

/* POST /api/agent/control: the row's trigger publishes agent_status. */
enum err
agent_control(struct req *r)
{
	struct control_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, agent_control_body, &in)) != ERR_OK)
		return e;
	return sql_agent_control(r, res_one, in.agent_id, in.action, in.execution_mode);
}

/* POST /api/agent/config: the model. */
enum err
agent_set_model(struct req *r)
{
	struct model_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, agent_model_body, &in)) != ERR_OK)
		return e;
	return sql_config_change(r, res_one, in.agent_id, in.model, (struct str_list){ 0 },
	    (struct str){ NULL, 0 }, SQL_NULL_INT, (struct str){ NULL, 0 }, (struct str){ NULL, 0 },
	    S("{}"));
}

/* GET /api/config/update */
enum err
config_show(struct req *r)
{
	struct agent_id_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, agent_id_query, &in)) != ERR_OK)
		return e;
	return sql_config_show(r, res_one, in.agent_id);
}

/* POST /api/config/update: any subset; null clears. */
enum err
config_change(struct req *r)
{
	struct config_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, config_change_body, &in)) != ERR_OK)
		return e;
	return sql_config_change(r, res_one, in.agent_id, in.model, in.emails, in.execution_mode,
	    process_interval(&in.schedule), in.schedule.cron, in.schedule.timezone, r->body);
}

/* GET /api/config/connection-emails: the configuration's emails, for older clients. */
enum err
emails_show(struct req *r)
{
	struct agent_id_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, agent_id_query, &in)) != ERR_OK)
		return e;
	return sql_emails_show(r, res_one, in.agent_id);
}

/* POST /api/config/connection-emails */
enum err
emails_change(struct req *r)
{
	struct emails_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, emails_change_body, &in)) != ERR_OK)
		return e;
	return sql_emails_change(r, res_one, in.agent_id, in.emails);
}
