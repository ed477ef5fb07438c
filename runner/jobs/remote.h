/*
 * Tools of other servers, which a user has added (POST /api/mcp-servers): what they say they have
 * is checked, kept in the database and asked for again after a while; a call goes out by
 * runner/outside/mcp.h. What a server says is never believed further than its form: a tool that is
 * not in order is left out, and a result is text. Blocks the job's thread; everything is the job's
 * arena's.
 */
#ifndef RUNNER_JOBS_REMOTE_H
#define RUNNER_JOBS_REMOTE_H

#include "runner/models/provider.h"
#include "runner/outside/mcp.h"

#define REMOTE_TOOLS_MAX 64 /* of a server, and that a model is told of */

struct remote_server {
	struct uuid id;
	struct str name;
	struct mcp_peer peer;
};

struct remote_tool {
	struct str called; /* by a model: the server's name and its own */
	struct str name;
	struct str says;
	struct str parameters; /* a JSON Schema */
	bool reads; /* it says that it changes nothing */
	struct remote_server *server;
};

struct remote_tools {
	struct remote_tool *p;
	size_t n;
};

/*
 * Those that the job's owner has, of all servers, or of those that `names` name: mcp:SERVER is all
 * of a server, mcp:SERVER/TOOL one. Servers that have not been asked for a while are. One that does
 * not answer has the tools that it had.
 */
MUST_CHECK enum err remote_load(
    struct job *j, bool all, struct str_list names, struct remote_tools *out);
/* Asks one server, by its name, what it has. */
MUST_CHECK enum err remote_list(struct job *j, struct str name);

/* NULL: there is none of this name. */
const struct remote_tool *remote_find(const struct remote_tools *tools, struct str called);
/* Adds them to `own`, an array in OpenAI's "tools" format; the arena's. */
const char *remote_schema(struct arena *a, const char *own, const struct remote_tools *tools);
/* Does what a call asks, as tool_run. */
MUST_CHECK enum err remote_run(
    struct job *j, const struct remote_tool *t, struct tool_call *call, bool *failed);

/* -- the check, a function of the bytes -- */

/*
 * A server's tool as it is kept: {name, description, inputSchema, reads}, appended to b. False, and
 * nothing appended: its name or its schema is not what models and their servers take.
 */
bool remote_check(struct buf *b, json_object *tool);

#endif
