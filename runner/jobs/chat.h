/*
 * A chat run's state, shared by its parts: chat.c (the turn), chat_tools.c (what it may use),
 * chat_authority.c (whose words a call is), chat_replay.c (what earlier attempts did).
 */
#ifndef RUNNER_JOBS_CHAT_H
#define RUNNER_JOBS_CHAT_H

#include "runner/jobs/agent.h"
#include "runner/jobs/chatbot.h"
#include "runner/jobs/remote.h"

/* A model's turn that ended in tool calls. */
struct round {
	struct str text; /* said before them */
	struct tool_call *calls;
	size_t n;
	struct str extra; /* as of struct message */
};

struct chat {
	struct job *j;
	const struct provider *p;
	const struct chatbot *bot; /* that answers; NULL: the user's own assistant */
	struct agent *agent; /* that answers; NULL: none is invoked */
	struct str question;
	struct str user_name, assistant_name, interests;
	bool has_documents;
	bool has_servers; /* of tools */
	struct remote_tools remote; /* the tools of other servers */

	struct message *messages; /* [0] is the system's */
	size_t n_messages, room;
	struct passages found;
	struct buf answer; /* all that was said in this run: what its token events hold */
	bool between_rounds; /* a tool ran after the last word */
	int rounds; /* model turns that ended in tool calls */
	int64_t n_stored; /* the last number of a stored model call */

	/* What earlier attempts left unfinished (chat_replay). */
	bool searched; /* the retrieval was published */
	struct str partial; /* the answer's end, to be continued */
	struct round unfinished; /* calls without output are among its calls */
	bool is_resumed; /* of these, the first may have been done */
};

/* Adds a message to those that the model is given. Its texts are the job's arena's. */
void chat_add(struct chat *c, struct message m);
/* A round whose calls now have outputs, as messages; it counts. */
void chat_add_round(struct chat *c, const struct round *r);
/* A step of the answer, for who listens (AgentStep): `type` is tool_call or tool_result. */
void chat_publish_step(struct chat *c, const char *type, const struct tool_call *call,
    const char *status, struct str started, struct str ended);
/* The time as RFC 3339, the arena's. */
struct str chat_now(struct arena *a);

/* -- chat_tools.c -- */

/* Our tools that the answer may use, as bits. */
unsigned chat_tools(const struct chat *c);
/* Loads other servers' tools: an agent has those that it names, the user's assistant all. */
MUST_CHECK enum err chat_tools_load(struct chat *c);
/* What the model is told of them. */
void chat_tools_prompt(struct chat *c, struct buf *b);
/* All tools' description (struct call); NULL: there are none but ours. The job's arena's. */
const char *chat_tools_schema(struct chat *c);
/* Runs the calls without output, and publishes each. */
MUST_CHECK enum err chat_run_tools(struct chat *c, struct tool_call *calls, size_t n);

/* -- chat_authority.c -- */

/* Does the text have this address, or a site or a directory that it is in? */
bool chat_says_address(struct str text, struct str url);
/*
 * Whether fetch_url may go there: anywhere, as long as the answer has seen nothing but the user's
 * words and the web's; then only where the user's words, or the agent's prompt, say so. `round` are
 * the calls of the model's turn, of which some have outputs.
 */
bool chat_may_fetch(const struct chat *c, const struct tool_call *round, size_t n, struct str url);
/* Does the text have this name, by itself, in letters of any case? */
bool chat_says_name(struct str text, struct str name);
/*
 * Whether a tool that changes something may be used, `t` of another server, or NULL: run_command.
 * As long as the answer has seen nothing but the user's words and that server's, or earlier
 * commands' output; then only where the user's words, or the agent's prompt, name that server, or
 * the tool as the model knows it.
 */
bool chat_may_change(
    const struct chat *c, const struct tool_call *round, size_t n, const struct remote_tool *t);

/* What a later attempt needs of a round and its events do not have, as JSON; the arena's. */
struct str chat_round_json(struct arena *a, const struct round *r);
/* Goes through the run's events: rebuilds answer, messages and what is unfinished. */
MUST_CHECK enum err chat_replay(struct chat *c);

#endif
