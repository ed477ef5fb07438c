/* Servers whose tools the caller's agents may call, by the Model Context Protocol. */
#include <millrace/config.h>
#include <millrace/guard.h>

#include "handlers/agents/agents.h"
#include "sql_api.h"

struct mcp_server_in {
	struct str name;
	struct str url;
	struct str secret;
	struct str headers; /* {name: the vault's key of its value} */
};

static bool
is_server_name(struct str s)
{
	return agents_is_word(s, "_-.");
}

static const struct field create_fields[] = {
	F_CHECKED(struct mcp_server_in, name, 1, 40, REQUIRED, is_server_name,
	    "must be letters, digits, _, - and ."),
	F_CHECKED(struct mcp_server_in, url, 1, 2048, REQUIRED, guard_is_url,
	    "must be an http or https address that is not a private one"),
	F_STR(struct mcp_server_in, secret, 1, 200, OPTIONAL),
	F_JSON(struct mcp_server_in, headers, AGENTS_HEADERS_MAX, OPTIONAL),
};
FIELD_TABLE(mcp_server_create_body, struct mcp_server_in, create_fields, mcp_server_create);

/* POST /api/mcp-servers */
enum err
mcp_server_create(struct req *r)
{
	struct mcp_server_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, mcp_server_create_body, &in)) != ERR_OK)
		return e;
	return sql_mcp_server_create(
	    r, res_created, in.name, in.url, in.secret, in.headers, config()->queue_max);
}

/* GET /api/mcp-servers */
enum err
mcp_server_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_mcp_server_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* DELETE /api/mcp-servers/{id} */
enum err
mcp_server_delete(struct req *r)
{
	return sql_mcp_server_delete(r, res_empty, path_uuid(r, 0));
}
