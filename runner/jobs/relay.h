/*
 * Brings a run's answer into a chat of another service while it grows (sql/functions/channels.sql
 * has the whole). A job calls relay_step, which does one step and says how the job ends: due again
 * shortly, or done. A chat's own way of showing text is a struct relay_chat.
 */
#ifndef RUNNER_JOBS_RELAY_H
#define RUNNER_JOBS_RELAY_H

#include "runner/queue/job.h"

struct relay {
	struct job *j;
	void *arg; /* the chat's own */
	bool plain; /* the chat takes no drafts; draft may set it */
	size_t n; /* which message is looked for or posted, counted from 0 */
	bool again; /* it may have been sent before */
	bool unsent; /* set by post: it is known not to have been */
};

/* Each returns true, or how the job ends in *o. */
struct relay_chat {
	size_t units_max; /* UTF-16 units of a message */
	int64_t pause_ms; /* between two steps at least */
	/* The text as the chat writes it, or NULL; what begins alike stays alike but for the last
	 * line */
	struct str (*text)(struct arena *a, struct str markdown);
	/*
	 * Looks for a message that may have been sent before; *id stays absent where it was not.
	 * Or NULL: the chat cannot tell.
	 */
	bool (*find)(struct relay *r, struct str *id, struct outcome *o);
	/* Sends a message; *id is the arena's. */
	bool (*post)(struct relay *r, struct str text, struct str *id, struct outcome *o);
	/* Changes one. */
	bool (*change)(struct relay *r, struct str id, struct str text, struct outcome *o);
	/* Shows what is not sent yet, or sets r->plain. "": something is being thought. */
	bool (*draft)(struct relay *r, struct str text, struct outcome *o);
};

/* One step of the job's relay; `arg` is for the chat's functions. Blocks on the database and on the
 * chat. */
struct outcome relay_step(struct job *j, const struct relay_chat *chat, void *arg);

/*
 * The first part of a text that has at most `units` UTF-16 units: it ends at a line's end or a
 * space where there is one in its second half. Some of `text` unless that is empty.
 */
struct str relay_part(struct str text, size_t units);

#endif
