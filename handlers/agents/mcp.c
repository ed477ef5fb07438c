/*
 * Our own tools for clients of the Model Context Protocol, in its revisions with a handshake and
 * without. Nothing is kept between requests: what a handshake agrees on each request says again.
 */
#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/tool_list.h>

#include "fcgi/caller.h"
#include "handlers/agents/agents.h"
#include "handlers/agents/mcp_message.h"
#include "sql_api.h"

#define LIST_TTL_MS 3600000
#define CAPABILITIES "\"capabilities\":{\"tools\":{}}"
#define SESSION_PARAM "HTTP_MCP_SESSION_ID"

/* -- what is answered at once; the row says whether the caller may have what writes, and what runs
 * -- */

/*
 * The revision that the client asks for, where that is known. The session is a name alone, by which
 * a client's later notifications are told from other clients' with the same credential.
 */
static enum err
initialize(struct req *r, const struct mcp_message *m)
{
	struct uuid session = random_uuid();
	struct str asked = json_text(m->params, "protocolVersion");

	reply_header(r, "Mcp-Session-Id", uuid_str(&session));
	return mcp_reply(r, m,
	    arena_printf(r->a, "\"protocolVersion\":\"%s\"," CAPABILITIES ",\"serverInfo\":%s",
		str_eq(asked, S(MCP_OLDER)) ? MCP_OLDER : MCP_LEGACY, mcp_implementation));
}

static enum err
ping(struct req *r, const struct mcp_message *m)
{
	return mcp_reply(r, m, S(""));
}

static enum err
discover(struct req *r, const struct mcp_message *m)
{
	return mcp_reply(r, m,
	    arena_printf(r->a,
		"\"supportedVersions\":[\"" MCP_MODERN "\"]," CAPABILITIES
		",\"ttlMs\":%d,\"cacheScope\":\"public\"",
		LIST_TTL_MS));
}

static bool
may_change(const struct tool_info *t)
{
	return t->use == TOOL_WRITES || t->use == TOOL_RUNS;
}

static void
put_tool(struct buf *b, const struct tool_info *t)
{
	buf_printf(b, "%s{\"name\":\"%s\",\"title\":\"%s\",\"description\":", b->n > 0 ? "," : "",
	    t->name, t->title);
	buf_json(b, str_from(t->says));
	buf_printf(b,
	    ",\"inputSchema\":%s,\"annotations\":{\"readOnlyHint\":%s,\"destructiveHint\":%s,"
	    "\"openWorldHint\":%s}}",
	    t->parameters, may_change(t) ? "false" : "true", t->use == TOOL_RUNS ? "true" : "false",
	    t->use == TOOL_READS_OUTSIDE ? "true" : "false");
}

/* One page: there are clients that read only the first. */
static enum err
list_tools(struct req *r, const struct mcp_message *m)
{
	struct buf b = { .a = r->a };

	if (json_has(m->params, "cursor"))
		return mcp_refuse(r, m, 200, MCP_INVALID_PARAMS, S("There is no such cursor."));
	for (size_t i = 0; i < N_TOOLS; i++)
		if (tool_list[i].use != TOOL_REPORTS &&
		    (!may_change(&tool_list[i]) || row_bool(r, 0, 0)) &&
		    (tool_list[i].use != TOOL_RUNS || row_bool(r, 0, 1)))
			put_tool(&b, &tool_list[i]);
	return mcp_reply(r, m,
	    arena_printf(r->a, "\"tools\":[%.*s]%s", S_ARG(buf_str(&b)),
		m->is_modern ? ",\"ttlMs\":300000,\"cacheScope\":\"private\"" : ""));
}

/* In which revisions there is a method. */
enum { LEGACY = 1, MODERN = 2 };

static const struct {
	const char *name;
	int in;
	enum err (*answer)(struct req *r, const struct mcp_message *m);
} methods[] = {
	{ "initialize", LEGACY, initialize },
	{ "ping", LEGACY, ping },
	{ "server/discover", MODERN, discover },
	{ "tools/list", LEGACY | MODERN, list_tools },
};

static enum err
caller_known(struct req *r)
{
	const struct mcp_message *m = r->state;

	if (m->kind != MCP_REQUEST)
		return reply_json(r, 202, (struct str){ NULL, 0 });
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (methods[i].in & (m->is_modern ? MODERN : LEGACY) &&
		    str_eq(m->method, str_from(methods[i].name)))
			return methods[i].answer(r, m);
	return mcp_refuse(r, m, m->is_modern ? 404 : 200, MCP_METHOD_NOT_FOUND,
	    arena_printf(r->a, "There is no method %.*s.", S_ARG(m->method)));
}

/* -- calls -- */

/* Where the client of a modern request goes away, the call is cancelled. */
static enum err
call_waits(struct req *r)
{
	const struct mcp_message *m = r->state;
	struct grant g = { .timeout_status = 200, .cancels = m->is_modern };
	struct buf b = { .a = r->a };
	struct str run;

	if (row_count(r) == 0)
		return refuse(r, ERR_FORBIDDEN, "The API key lacks the scope write.");
	run = row_text(r, 0, 0);
	mcp_put_result(&b, m->id, m->is_modern,
	    mcp_tool_result(r->a,
		arena_printf(r->a,
		    "The tool takes longer than is waited for; its run %.*s goes on.", S_ARG(run)),
		true));
	g.timeout_body = buf_str(&b);
	g.topic = arena_printf(r->a, "run:%.*s", S_ARG(run));
	g.headers[g.n_headers++] = (struct grant_header){ S("X-Run-Id"), run };
	return res_deferred(r, &g);
}

static enum err
call_tool(struct req *r, const struct mcp_message *m)
{
	struct str name = json_text(m->params, "name");
	json_object *arguments = json_at(m->params, "arguments");
	const struct tool_info *t = tool_find(name);
	struct buf input = { .a = r->a };

	if (!t || t->use == TOOL_REPORTS)
		return mcp_refuse(r, m, 200, MCP_INVALID_PARAMS,
		    arena_printf(r->a, "Unknown tool: %.*s", S_ARG(name)));
	if (arguments && !json_object_is_type(arguments, json_type_object))
		return mcp_refuse(r, m, 200, MCP_INVALID_PARAMS, S("arguments must be an object."));
	buf_printf(&input, "{\"tool\":\"%s\",\"arguments\":%.*s,\"id\":", t->name,
	    S_ARG(arguments ? json_serialised(arguments) : S("{}")));
	buf_json(&input, m->id);
	buf_put(&input, S(",\"session\":"));
	buf_json(&input, req_param(r, SESSION_PARAM));
	buf_printf(&input, ",\"is_modern\":%s,\"reply\":\"mcp\"}", m->is_modern ? "true" : "false");
	return sql_mcp_call(
	    r, call_waits, r->caller.key_hash, may_change(t), buf_str(&input), config()->queue_max);
}

/* notifications/cancelled, which clients of the modern revision do not send. */
static enum err
cancel(struct req *r, const struct mcp_message *m)
{
	json_object *id = json_at(m->params, "requestId");

	return sql_mcp_cancel(
	    r, caller_known, req_param(r, SESSION_PARAM), id ? json_serialised(id) : S(""));
}

/* POST /api/mcp */
enum err
mcp_post(struct req *r)
{
	struct mcp_message *m = arena_alloc(r->a, sizeof(*m));
	enum err e;

	if ((e = caller_check_origin(r)) != ERR_OK)
		return e;
	r->state = m;
	if (!mcp_read(r, m))
		return ERR_OK;
	if (m->kind == MCP_REQUEST && str_eq(m->method, S("tools/call")))
		return call_tool(r, m);
	if (m->kind == MCP_NOTIFICATION && str_eq(m->method, S("notifications/cancelled")))
		return cancel(r, m);
	return sql_mcp_caller(r, caller_known, r->caller.key_hash);
}
