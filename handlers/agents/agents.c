/* Agents that users define: what `type` names is invoked with this prompt, model and tools. */
#include <ctype.h>
#include <string.h>

#include "handlers/agents/agents.h"
#include "sql_api.h"

#define PROMPT_MAX 20000
#define TOOLS_MAX 64

struct agent_in {
	struct str type;
	struct str name;
	struct str prompt;
	struct str model;
	struct str_list tools;
};

bool
agents_is_word(struct str s, const char *marks)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (i == 0 || !strchr(marks, s.p[i])))
			return false;
	return s.n > 0 && memchr(s.p, '\0', s.n) == NULL;
}

static bool
is_type(struct str s)
{
	return agents_is_word(s, "_-.");
}

static bool
is_tool(struct arena *a, struct str given, struct str *out)
{
	(void)a;
	*out = given;
	return agents_is_word(given, "_-.:/");
}

#define AGENT_FIELDS(named)                                                                       \
	F_CHECKED(                                                                                \
	    struct agent_in, type, 1, 64, named, is_type, "must be letters, digits, _, - and ."), \
	    F_SHOWN(struct agent_in, name, 200, named),                                           \
	    F_STR(struct agent_in, prompt, 0, PROMPT_MAX, OPTIONAL),                              \
	    F_STR(struct agent_in, model, 1, 200, OPTIONAL),                                      \
	    F_ENTRIES(struct agent_in, tools, TOOLS_MAX, OPTIONAL, is_tool,                       \
		"must be names of tools: letters, digits, _, -, ., : and /")

static const struct field create_fields[] = { AGENT_FIELDS(REQUIRED) };
FIELD_TABLE(agent_create_body, struct agent_in, create_fields, agent_create);

static const struct field change_fields[] = { AGENT_FIELDS(OPTIONAL) };
FIELD_TABLE(agent_change_body, struct agent_in, change_fields, agent_change);

/* POST /api/agents */
enum err
agent_create(struct req *r)
{
	struct agent_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, agent_create_body, &in)) != ERR_OK)
		return e;
	return sql_agent_create(r, res_created, in.type, in.name, in.prompt, in.model, in.tools);
}

/* GET /api/agents */
enum err
agent_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_agent_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* GET /api/agents/{id} */
enum err
agent_show(struct req *r)
{
	return sql_agent_show(r, res_one, path_uuid(r, 0));
}

/* PUT /api/agents/{id}: any subset; null clears, so the database gets the body as it came, too. */
enum err
agent_change(struct req *r)
{
	struct agent_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, agent_change_body, &in)) != ERR_OK)
		return e;
	return sql_agent_change(
	    r, res_one, path_uuid(r, 0), in.type, in.name, in.prompt, in.model, in.tools, r->body);
}

/* DELETE /api/agents/{id} */
enum err
agent_delete(struct req *r)
{
	return sql_agent_delete(r, res_empty, path_uuid(r, 0));
}
