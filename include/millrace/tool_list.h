/*
 * The tools that models may call, and clients of the Model Context Protocol: their names and what
 * is said about them. What a tool does is the runner's (runner/models/tools.h). Constant; any
 * thread.
 */
#ifndef MILLRACE_TOOL_LIST_H
#define MILLRACE_TOOL_LIST_H

#include <millrace/str.h>

enum tool {
	TOOL_SEARCH_DOCUMENTS = 1,
	TOOL_WRITE_FILE = 2,
	TOOL_READ_FILE = 4,
	TOOL_FETCH_URL = 8,
	TOOL_SEARCH_LEADS = 16,
	TOOL_RANK_LEADS = 32,
	TOOL_RATE_LEAD = 64,
	TOOL_RUN_COMMAND = 128 /* where there is a container engine */
};

enum tool_use {
	TOOL_READS = 1, /* what is the user's */
	TOOL_READS_OUTSIDE, /* what anybody may have written */
	TOOL_WRITES,
	TOOL_RUNS, /* whatever it is given, in the user's container */
	TOOL_REPORTS /* takes what an agent's run has found, and is of no use outside of one */
};

struct tool_info {
	const char *name;
	const char *title;
	const char *says; /* to a model */
	const char *parameters; /* a JSON Schema of its arguments, an object */
	enum tool_use use;
};

#define N_TOOLS 8
/* In the order of enum tool's bits. */
extern const struct tool_info tool_list[N_TOOLS];

/* NULL: there is none of this name. */
const struct tool_info *tool_find(struct str name);

#endif
