/*
 * A chat run's state, shared by its parts: chat.c (the turn), chat_replay.c (what earlier attempts
 * did).
 */
#ifndef RUNNER_JOBS_CHAT_H
#define RUNNER_JOBS_CHAT_H

#include "runner/jobs/agent.h"
#include "runner/jobs/chatbot.h"

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
};

/* Adds a message to those that the model is given. Its texts are the job's arena's. */
void chat_add(struct chat *c, struct message m);
/* A round whose calls now have outputs, as messages; it counts. */
void chat_add_round(struct chat *c, const struct round *r);
/* Runs the calls without output, and publishes each. */
MUST_CHECK enum err chat_run_tools(struct chat *c, struct tool_call *calls, size_t n);

/* What a later attempt needs of a round and its events do not have, as JSON; the arena's. */
struct str chat_round_json(struct arena *a, const struct round *r);
/* Goes through the run's events: rebuilds answer, messages and what is unfinished. */
MUST_CHECK enum err chat_replay(struct chat *c);

#endif
