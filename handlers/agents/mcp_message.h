/*
 * A message of the Model Context Protocol as it is posted: JSON-RPC 2.0 in the revision that it
 * says it speaks (2026-07-28, "Streamable HTTP" and "Versioning"; 2025-11-25, "Transports").
 */
#ifndef HANDLERS_AGENTS_MCP_MESSAGE_H
#define HANDLERS_AGENTS_MCP_MESSAGE_H

#include <millrace/mcp.h>

#include <millrace/json.h>

#include "fcgi/request.h"

struct mcp_message {
	enum { MCP_REQUEST = 1, MCP_NOTIFICATION, MCP_RESPONSE } kind;
	bool is_modern;
	struct str id; /* of a request: JSON */
	struct str method; /* absent: of a response */
	json_object *params; /* NULL: none */
};

/*
 * Reads r->body, and compares the headers with it. False: something is wrong, and the error has
 * been replied.
 */
MUST_CHECK bool mcp_read(struct req *r, struct mcp_message *m);

/* Replies to a request with a result of these members, which may be none; always ERR_OK. */
enum err mcp_reply(struct req *r, const struct mcp_message *m, struct str members);
/* Replies with a JSON-RPC error; always ERR_OK. */
enum err mcp_refuse(
    struct req *r, const struct mcp_message *m, int status, enum mcp_code code, struct str text);

#endif
