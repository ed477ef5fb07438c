/*
 * Agents that users define, processes (their instances) with schedules, what these read, workflows,
 * and servers of tools. A handler answers its own route or returns the err of the error reply
 * (fcgi/request.h).
 */
#ifndef HANDLERS_AGENTS_H
#define HANDLERS_AGENTS_H

#include "fcgi/request.h"

/* agents.c */
extern const struct field_table agent_create_body, agent_change_body;
enum err agent_create(struct req *r);
enum err agent_list(struct req *r);
enum err agent_show(struct req *r);
enum err agent_change(struct req *r);
enum err agent_delete(struct req *r);
/* Letters, digits and, behind the first of these, `marks`. */
bool agents_is_word(struct str s, const char *marks);

/* invoke.c */
extern const struct field_table agent_invoke_body, agent_invoke_query;
enum err agent_invoke(struct req *r);
enum err agent_request_show(struct req *r);
/* Does the client ask for events, not for one reply? (Accept, RFC 9110) */
bool agents_wants_events(const struct req *r);
/*
 * The second halves of what begins a run, of a row {run, body}: for such a client its events; for
 * one that does not wait the body; for others the run's reply, or the body where that takes too
 * long.
 */
enum err agents_stream(struct req *r);
enum err agents_queued(struct req *r);
enum err agents_waits(struct req *r);

/* processes.c */
extern const struct field_table process_create_body, process_change_body;
enum err process_create(struct req *r);
enum err process_list(struct req *r);
enum err process_show(struct req *r);
enum err process_change(struct req *r);
enum err process_delete(struct req *r);

/* control.c: of one process, named by agent_id, or else of the caller's first. */
extern const struct field_table agent_id_query, agent_control_body, agent_model_body,
    config_change_body, emails_change_body;
enum err agent_status(struct req *r);
enum err agent_control(struct req *r);
enum err agent_set_model(struct req *r);
enum err config_show(struct req *r);
enum err config_change(struct req *r);
enum err emails_show(struct req *r);
enum err emails_change(struct req *r);

/* tasks.c */
extern const struct field_table task_create_body, match_list_query;
enum err task_create(struct req *r);
enum err task_show(struct req *r);
enum err match_list(struct req *r);

/* datasources.c */
#define DATASOURCES_AT_ONCE 100
#define AGENTS_HEADERS_MAX 4096 /* bytes of the headers of a data source or a server of tools */
extern const struct field_table datasource_create_body, datasource_change_body,
    datasource_list_query, datasource_ids_body;
enum err datasource_create(struct req *r);
enum err datasource_list(struct req *r);
enum err datasource_show(struct req *r);
enum err datasource_change(struct req *r);
enum err datasource_delete(struct req *r);
enum err datasources_delete(struct req *r);

/* workflows.c */
extern const struct field_table workflow_create_body, workflow_change_body;
enum err workflow_create(struct req *r);
enum err workflow_list(struct req *r);
enum err workflow_show(struct req *r);
enum err workflow_change(struct req *r);
enum err workflow_delete(struct req *r);

/* workflow_runs.c */
extern const struct field_table workflow_execute_body, workflow_run_list_query,
    workflow_run_approve_body;
enum err workflow_execute(struct req *r);
enum err workflow_run_list(struct req *r);
enum err workflow_run_show(struct req *r);
enum err workflow_run_cancel(struct req *r);
enum err workflow_run_approve(struct req *r);

/* mcp.c */
enum err mcp_post(struct req *r);

/* mcp_servers.c */
extern const struct field_table mcp_server_create_body;
enum err mcp_server_create(struct req *r);
enum err mcp_server_list(struct req *r);
enum err mcp_server_delete(struct req *r);

/* When a process or a workflow runs: either of the first two. */
struct schedule_in {
	int64_t interval_s; /* 0: not given */
	struct str cron;
	struct str timezone;
};

#define INTERVAL_MIN_S 60
#define INTERVAL_MAX_S (366 * 86400)

#define SCHEDULE_FIELDS                                                                    \
	F_INT(struct schedule_in, interval_s, INTERVAL_MIN_S, INTERVAL_MAX_S, OPTIONAL),   \
	    F_CHECKED(struct schedule_in, cron, 1, 200, OPTIONAL, process_is_cron,         \
		"must have five fields as in crontab(5), or be @hourly, @daily, @weekly, " \
		"@monthly or @yearly"),                                                    \
	    F_TIMEZONE(struct schedule_in, timezone, OPTIONAL)

/* Has it the form, as far as characters go? The database reads it. */
bool process_is_cron(struct str s);
extern const char *const execution_modes[];
/* For a statement: NULL where none is given. */
int64_t process_interval(const struct schedule_in *s);

#define EMAILS_MAX 20

#endif
