/*
 * A chatbot's part in a chat run: its settings, what it is told, and the turns that a preview
 * brings along. Everything is the job's arena's.
 */
#ifndef RUNNER_JOBS_CHATBOT_H
#define RUNNER_JOBS_CHATBOT_H

#include "runner/models/provider.h"

struct chatbot {
	struct str name;
	struct str model; /* absent: the server's */
	struct str provider; /* the same */
	struct str temperature; /* decimal digits; absent: the provider's */
	int64_t max_tokens; /* 0: the provider's */
	int64_t top_k;
	struct str system_prompt;
	struct str_list languages;
	struct message *history; /* of a preview, oldest first */
	size_t n_history;
	bool has_documents;
	int64_t last_call; /* the number of the last model call that is stored */
};

/* Reads what the job's run answers as. ERR_NOT_FOUND: the chatbot is gone. */
MUST_CHECK enum err chatbot_load(struct job *j, struct chatbot *out);
/* Its provider with its model, or the server's; the arena's. */
const struct provider *chatbot_provider(struct arena *a, const struct chatbot *b);
/* What the model is told before the passages. */
void chatbot_prompt(struct buf *b, const struct chatbot *bot, struct str today);

/*
 * The sentence of a passage that supports what the answer says before its citation [n]; where the
 * answer quotes one, that one. Word for word.
 */
struct str passage_support(
    struct arena *a, struct str passage, struct str answer, struct str question, size_t n);

#endif
