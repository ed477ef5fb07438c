/*
 * The Model Context Protocol, as the server of our own tools (POST /api/mcp) and the client of
 * others' have it in common: its revisions, its names, and the form of responses. Nothing blocks;
 * any thread.
 */
#ifndef MILLRACE_MCP_H
#define MILLRACE_MCP_H

#include <millrace/arena.h>

/* Each request says its own revision and capabilities. */
#define MCP_MODERN "2026-07-28"
/* Has a handshake (`initialize`); the newest of those. */
#define MCP_LEGACY "2025-11-25"
/* The other one of that kind that is spoken: it differs in nothing that is done here. */
#define MCP_OLDER "2025-06-18"

/* Members of _meta. */
#define MCP_META "io.modelcontextprotocol/"
#define MCP_META_VERSION MCP_META "protocolVersion"
#define MCP_META_CLIENT MCP_META "clientInfo"
#define MCP_META_CAPABILITIES MCP_META "clientCapabilities"
#define MCP_META_SERVER MCP_META "serverInfo"

/* Codes of errors: JSON-RPC 2.0, 5.1, and the protocol's own (2026-07-28, "Error Codes"). */
enum mcp_code {
	MCP_PARSE_ERROR = -32700,
	MCP_INVALID_REQUEST = -32600,
	MCP_METHOD_NOT_FOUND = -32601,
	MCP_INVALID_PARAMS = -32602,
	MCP_HEADER_MISMATCH = -32020,
	MCP_NO_CAPABILITY = -32021,
	MCP_UNSUPPORTED_VERSION = -32022
};

/* This program, as `serverInfo` and `clientInfo` have it. */
extern const char mcp_implementation[];

/*
 * Appends the response to the request with this id, which is JSON: a result with these members,
 * which may be none, and with what the modern revision adds to every result.
 */
void mcp_put_result(struct buf *b, struct str id, bool is_modern, struct str members);
/* The members of a tool's result: what it has to say, or why it failed. */
struct str mcp_tool_result(struct arena *a, struct str text, bool failed);

#endif
