/* Invoking an agent: a run, whose reply comes when it ends, at once, or as events. */
#include <string.h>

#include <millrace/config.h>

#include "handlers/agents/agents.h"
#include "sql_api.h"

#define INPUT_MAX 100000 /* bytes */
#define METADATA_MAX 16384

struct invoke_in {
	struct str agent_type;
	struct str input; /* an object */
	struct str user_id;
	struct str metadata; /* an object */
};

struct invoke_query_in {
	bool async;
};

static const struct field invoke_fields[] = {
	F_STR(struct invoke_in, agent_type, 1, 64, REQUIRED),
	F_JSON(struct invoke_in, input, INPUT_MAX, REQUIRED),
	F_STR(struct invoke_in, user_id, 1, 200, OPTIONAL),
	F_JSON(struct invoke_in, metadata, METADATA_MAX, OPTIONAL),
};
FIELD_TABLE(agent_invoke_body, struct invoke_in, invoke_fields, agent_invoke);

static const struct field invoke_query_fields[] = {
	F_BOOL(struct invoke_query_in, async, OPTIONAL),
};
FIELD_TABLE(agent_invoke_query, struct invoke_query_in, invoke_query_fields, agent_invoke);

bool
agents_wants_events(const struct req *r)
{
	struct str accept = req_param(r, "HTTP_ACCEPT");

	return accept.p && memmem(accept.p, accept.n, "text/event-stream", 17) != NULL;
}

enum err
agents_queued(struct req *r)
{
	return reply_json(r, 200, row_text(r, 0, 1));
}

enum err
agents_waits(struct req *r)
{
	return res_run_reply_or(r, 0, 200, row_text(r, 0, 1));
}

enum err
agents_stream(struct req *r)
{
	struct str run = row_text(r, 0, 0);
	struct grant g = { .topic = arena_printf(r->a, "run:%.*s", S_ARG(run)) };

	g.headers[g.n_headers++] = (struct grant_header){ S("X-Run-Id"), run };
	return res_stream(r, &g);
}

/* POST /api/agents/invoke */
enum err
agent_invoke(struct req *r)
{
	bool streams = agents_wants_events(r);
	struct invoke_in in = { 0 };
	struct invoke_query_in query = { 0 };
	enum err e;

	if ((e = query_bind(r, agent_invoke_query, &query)) != ERR_OK ||
	    (e = body_bind(r, agent_invoke_body, &in)) != ERR_OK)
		return e;
	return sql_agent_invoke(r,
	    query.async ? agents_queued
	    : streams	? agents_stream
			: agents_waits,
	    in.agent_type, in.input, in.metadata, in.user_id, !query.async && !streams,
	    config()->queue_max, strcmp(config()->credits, "required") == 0);
}

/* GET /api/agents/requests/{request_id} */
enum err
agent_request_show(struct req *r)
{
	return sql_agent_request_show(r, res_one, path_uuid(r, 0));
}
