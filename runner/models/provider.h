/*
 * Providers of models, as the settings name them (<millrace/provider_list.h>): `local` needs no key
 * and no network; the others are servers, spoken to in one of the formats of wire.h. model_call
 * (call.c) is what jobs use: it adds retries, continuations, the next provider where one cannot
 * answer, and the record of what was used. All of it runs in the job's thread, and blocks it.
 */
#ifndef RUNNER_MODELS_PROVIDER_H
#define RUNNER_MODELS_PROVIDER_H

#include <millrace/arena.h>
#include <millrace/db.h>

#include "runner/knowledge/retrieve.h"
#include "runner/queue/job.h"

/* Longest wait that a person is made to bear; a longer Retry-After ends the run */
#define CALL_PATIENCE_MS 20000
#define ANSWER_MAX ((size_t)512 * 1024) /* bytes of one answer; then it ends as "length" */
#define ARGUMENTS_MAX ((size_t)1536 * 1024) /* bytes of one tool call's arguments */
#define TOOL_CALLS_MAX 16 /* in one round; further ones are dropped */
#define EXTRA_MAX ((size_t)256 * 1024) /* bytes that go back with one round; beyond it none do */

struct tool_call {
	/* Ours, of the run, the round and the position: servers repeat theirs, or have none */
	struct str id;
	struct str wire_id; /* what the server is told, and nobody else */
	struct str name;
	struct str arguments; /* a JSON object, or what the model gave instead of one */
	struct str extra, function_extra; /* JSON objects that go back with it; absent: none */
	struct str output; /* absent until it was made */
};

enum role { ROLE_SYSTEM = 1, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct message {
	enum role role;
	struct str content;
	struct str parts; /* ROLE_USER: OpenAI's list of content parts instead; absent: text */
	struct str name; /* who of several speaks, for servers of OpenAI's format; absent: nobody */
	const struct tool_call *calls; /* ROLE_ASSISTANT */
	size_t n_calls;
	struct str extra; /* ROLE_ASSISTANT: a JSON object that goes back with it; absent: none */
	struct str call_id; /* ROLE_TOOL: the call's wire_id */
	bool is_error; /* ROLE_TOOL: it has failed */
};

enum call_end {
	CALL_DONE = 1, /* the model has ended its turn: text, or tool calls */
	CALL_EMPTY, /* it has ended its turn without a word or a call */
	CALL_CUT, /* broken off in mid-answer; what was said counts */
	CALL_BUSY, /* nothing came of it, and it may be tried again (after retry_after_ms) */
	CALL_REFUSED, /* trying again would not help */
	CALL_STOPPED /* the job's stop is set */
};

struct provider;

/* What an answer has used; its tokens are in the call. */
struct call_use {
	int64_t number; /* of the call, in the run; 0: nothing is to be stored */
	int64_t ms;
	bool is_guessed; /* the provider has not counted */
};

/* One model call. The first half is the caller's, the second the provider's. */
struct call {
	struct job *job;
	struct arena *a;
	const struct provider *provider; /* model_call's: who is asked */
	const struct message *messages;
	size_t n_messages;
	/* Those that the model may call: bits of enum tool (tools.h); where there is a schema, 1 */
	unsigned tools;
	const char *schema; /* the tools in OpenAI's "tools" format; NULL: our own (tools.h) */
	/* auto, none, required, or the name of one behind a colon; absent: auto */
	struct str tool_choice;
	struct str stop; /* a JSON array of texts that end the answer; absent: none */
	struct str more; /* members that servers of OpenAI's format get as they are, with commas */
	struct str more_google; /* the same of Google's generationConfig */
	/* What that says of the answer's format (PART_FORMAT); absent: nothing */
	struct str format;
	/* What the client has sent, where that is in Anthropic's format: its servers get it as it
	 * is */
	struct json_object *messages_body;
	/*
	 * How hard the model is to think (OpenAI's and Anthropic's words: none, minimal, low,
	 * medium, high, xhigh, max), and for how many tokens at most; absent, 0: as it does by
	 * itself
	 */
	struct str effort;
	int64_t thinking_tokens;
	bool effort_as_is; /* a server of OpenAI's format gets it, whatever its model takes */
	bool shows_thoughts; /* the client asks for what the model thinks */
	bool one_call; /* the model is to call one tool at a time */
	/* What came is passed on as it is: tools stay, nothing that was used is asked for again */
	bool as_is;
	bool keeps_use; /* what the answer has used is left in `use`: it goes with the run's end */
	int64_t within_ms; /* of the whole call; 0: only its silence is bounded */
	/* decimals, only sent to models that take them; absent: any */
	struct str temperature, top_p, top_k;
	int64_t max_tokens; /* of the answer; 0: as many as the model gives */
	struct str question; /* what `local` answers, */
	const struct passages *found; /* and from what */
	bool has_documents;
	bool is_visitors; /* who reads the answer does not run this server */
	/* called for each delta, from the job's thread */
	void (*on_text)(void *arg, struct str text);
	/*
	 * Optional: the same for what the model thinks; and for a block of Anthropic's that is
	 * whole: of thoughts as its servers want it back, of text without that, for its citations.
	 */
	void (*on_thought)(void *arg, struct str text);
	void (*on_block)(void *arg, struct json_object *block);
	/* Optional: the next elements of OpenAI's logprobs.content, with commas between them */
	void (*on_logprobs)(void *arg, struct str list);
	void *text_arg;

	/*
	 * This turn's text; what stands there at the start was said before and is to be continued
	 */
	struct buf text;
	struct buf thoughts; /* where there is on_thought; of one try */
	const char *thoughts_in; /* the member of OpenAI's message that they came in, or would */
	bool refuses; /* the text is the model's refusal */
	struct str stopped_by; /* which of `stop` has ended it, where the server tells */
	struct tool_call *calls;
	size_t n_calls;
	struct str extra; /* a JSON object that goes back with this message; absent: none */
	const char *finish; /* stop, length, content_filter, tool_calls */
	/*
	 * As the provider counted; -1: it did not say. The second line is of what is in the first:
	 * read from its cache and written there, of the input; thought, of the output.
	 */
	int64_t input_tokens, output_tokens;
	int64_t cached_tokens, cache_write_tokens, reasoning_tokens;
	struct call_use use;
	int64_t retry_after_ms;
	int refused; /* the status that the server has refused with; 0: none */
	bool timed_out;
	bool is_verdict; /* the provider withholds the answer: no other one is asked for it */
	const char *problem; /* for a person; the arena's or a literal */
};

/* A part of the tokens, as it is stored: 0 where the provider did not say. */
static inline int64_t
call_part(int64_t counted)
{
	return counted > 0 ? counted : 0;
}

struct provider {
	const char *name; /* as in the settings, provider_price and usage_event */
	const char *model;
	enum call_end (*call)(struct call *c);
	const struct wire *wire; /* NULL: local */
	const char *base_url;
	const char *key; /* of the settings, or its user's; "": none. For provider_key() alone */
	struct shared_key *shared; /* providers.c's: everybody's of the vault; NULL: local */
	const char *vault_key; /* the name that a user's own has in the vault */
	bool is_own_key; /* `key` is the user's */
	/* The settings that an administrator has to look at, for texts */
	const char *key_setting, *url_setting, *model_setting;
	/* exchange.c's: what the model was found to refuse; NULL: is not kept */
	struct refused *refused;
	const struct provider *next; /* is asked where this one cannot answer; NULL: nobody */
};

extern const struct provider provider_local;
/*
 * The one of this name, among those that are asked and those that may be (some without a model);
 * NULL: none.
 */
const struct provider *provider_find(struct str name);
/* The same with another model; the arena's. */
const struct provider *provider_with_model(
    struct arena *a, const struct provider *p, struct str model);

/*
 * Once, before the first thread: reads the settings. The first provider of MILLRACE_PROVIDER; with
 * `auto` it is another one once there is a key for that.
 */
void provider_init(void);
const struct provider *provider_default(void);
/* Has nobody chosen one, by name or by a key, or is the key of the one chosen missing? */
bool provider_is_unset(void);
/*
 * The row "providers" of the periodic work: reads the keys that are everybody's from the vault, and
 * tells workers which providers there are (SQL: model_find).
 */
int64_t providers_note(struct db *db, struct arena *a, struct stop *stop);
/* What it is asked with, the arena's or `p`'s; "": nothing. Never logged. Any thread. */
const char *provider_key(struct arena *a, const struct provider *p);
/* Could this be a key? It goes into a header's line. */
bool provider_key_is_good(struct str key);
/* May the model call tools, as far as is known? Any thread. */
bool provider_has_tools(const struct provider *p);

/*
 * One turn of the model: tries again what may be tried again, has a cut answer continued, asks the
 * next provider where one cannot answer (c->provider is then who was asked last), and stores what
 * each call used under the next numbers after *n_stored. CALL_DONE, CALL_STOPPED, or, with
 * c->problem, CALL_REFUSED or CALL_EMPTY. Where c->keeps_use, what CALL_DONE has used is not
 * stored.
 */
enum call_end model_call(const struct provider *p, struct call *c, int64_t *n_stored);
/* One try at `p` alone. */
enum call_end model_try(const struct provider *p, struct call *c, int64_t *n_stored);

#endif
