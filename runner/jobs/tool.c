/* A tool that a client of the Model Context Protocol calls, by POST /api/mcp. */
#include <millrace/json.h>
#include <millrace/mcp.h>

#include "runner/jobs/kinds.h"
#include "runner/models/tools.h"
#include "sql_job.h"

struct tool_in {
	struct str tool;
	struct str arguments; /* an object */
	struct str id; /* the request's, as JSON */
	bool is_modern;
};

static const struct field tool_fields[] = {
	F_STR(struct tool_in, tool, 1, INT32_MAX, REQUIRED),
	F_JSON(struct tool_in, arguments, INT32_MAX, REQUIRED),
	F_STR(struct tool_in, id, 1, INT32_MAX, REQUIRED),
	F_BOOL(struct tool_in, is_modern, REQUIRED),
};

/* The name of an argument that the tool's schema does not have; NULL: all are known. */
static const char *
unknown_argument(struct arena *a, struct str arguments, const struct tool_info *t)
{
	json_object *given, *schema, *known;
	const char *why;

	if (json_parse(a, arguments, &given, &why) != ERR_OK ||
	    json_parse(a, str_from(t->parameters), &schema, &why) != ERR_OK)
		return "";
	known = json_at(schema, "properties");
	json_object_object_foreach (given, name, value) {
		(void)value;
		if (!json_has(known, name))
			return name;
	}
	return NULL;
}

static enum err
call_tool(struct job *j, const struct tool_in *in, struct tool_call *call, bool *failed)
{
	struct passages *found = arena_alloc(j->a, sizeof(*found));
	const struct tool_info *t = tool_find(in->tool);
	const char *odd = t ? unknown_argument(j->a, in->arguments, t) : NULL;

	*call = (struct tool_call){
		.id = uuid_str(&j->run), .name = in->tool, .arguments = in->arguments
	};
	if (!(*failed = odd != NULL))
		return tool_run(
		    j, tools_named((struct str_list){ &call->name, 1 }), call, found, failed);
	call->output = arena_printf(j->a, "The arguments are wrong: there is no argument %s.", odd);
	return ERR_OK;
}

struct outcome
tool_call_run(struct job *j)
{
	struct tool_in in = { 0 };
	struct tool_call call;
	struct buf reply = { .a = j->a };
	struct outcome o;
	bool failed;
	enum err e;

	if (!job_input(j, tool_fields, sizeof(tool_fields) / sizeof(*tool_fields), &in, &o))
		return o;
	e = call_tool(j, &in, &call, &failed);
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	if (e != ERR_OK)
		return job_db_error(j, e, "a tool could not do its work");
	buf_put(&reply, S("{\"status\":200,\"headers\":{},\"body\":"));
	mcp_put_result(&reply, in.id, in.is_modern, mcp_tool_result(j->a, call.output, failed));
	buf_put(&reply, S("}"));
	return job_end_runner_job_end_done(j,
	    arena_printf(j->a, "{\"tool\":\"%.*s\",\"failed\":%s}", S_ARG(in.tool),
		failed ? "true" : "false"),
	    buf_str(&reply));
}
