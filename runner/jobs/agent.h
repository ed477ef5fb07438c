/*
 * An agent's part in a chat run: who it is, by the run's input, what it is told, which tools it
 * has, and what comes of it. Leads are rated by rules first; a model that is there rates them
 * anew, and where it does not say how, the rules' rating stays. Everything is the job's arena's.
 */
#ifndef RUNNER_JOBS_AGENT_H
#define RUNNER_JOBS_AGENT_H

#include "runner/models/provider.h"

struct chat;

struct agent {
	struct str type;
	struct str name;
	struct str prompt;
	struct str model; /* absent: the server's */
	struct str_list tools;
	unsigned given; /* those tools, as bits */

	/* Of leads, by rules. */
	struct str shown; /* JSON, a line a lead */
	struct str found; /* as tool_report's */
	struct str by_rules; /* what is said without a model; absent: the agent needs one */
};

#define AGENT_FIELDS 5
extern const struct field agent_fields[AGENT_FIELDS];

/* Looks at the leads that it is about: those that fit the question, or the one that is given. */
MUST_CHECK enum err agent_load(struct chat *c, struct uuid lead);
/* What the model is told. */
void agent_prompt(struct chat *c, struct buf *b, struct str today);
/* Tells who listens what it thinks or does; once more where the runner dies just then. */
void agent_act(struct chat *c, struct str id, const char *type, struct str content);
/* Ends the run. */
struct outcome agent_end(struct chat *c, struct str sources, const char *reason);

#endif
