/*
 * A client of the Model Context Protocol over Streamable HTTP, for servers whose addresses users
 * have given: in the revision without a handshake, and with those that do not speak it in the
 * newest that has one. Time and size are bounded. Blocks the calling thread; its stop ends that at
 * once. A struct mcp_peer is one thread's.
 */
#ifndef RUNNER_OUTSIDE_MCP_H
#define RUNNER_OUTSIDE_MCP_H

#include <millrace/json.h>
#include <millrace/mcp.h>

#include "runner/queue/stop.h"

struct mcp_peer {
	/* The caller's, zero for the rest; they live as long as the peer. */
	const char *url;
	/* lines with its secrets, NULL at the end, or NULL; never logged */
	const char *const *headers;
	bool is_legacy; /* known to want a handshake; else tools/list finds that out */

	bool is_open; /* the handshake is done */
	const char *revision; /* that it has chosen */
	char session[128]; /* "": it has given none */
	int64_t n_asked;
};

enum mcp_end {
	MCP_ANSWERED = 1, /* the result is there */
	MCP_REFUSED, /* an error of JSON-RPC: code and why */
	MCP_FAILED, /* it was not reached, or does not speak the protocol: why */
	MCP_STOPPED /* the stop is set */
};

struct mcp_answer {
	json_object *result; /* an object, the arena's */
	int64_t code;
	const char *why; /* for a person; the arena's, or a literal */
};

/* Sends a request whose params are these members, which may be none. It is sent once. */
enum mcp_end mcp_request(struct stop *stop, struct arena *a, struct mcp_peer *p, const char *method,
    struct str params, int64_t within_ms, struct mcp_answer *out);

/* What a server said, its secrets replaced, but for short ones that may be words. */
struct str mcp_without_secrets(struct arena *a, const struct mcp_peer *p, struct str said);

#endif
