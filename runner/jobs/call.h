/*
 * A call of a model for a client of one of the faces: what it asks is read from its vendor's format
 * into a struct call, whichever provider answers, and the answer is written in that format again
 * (call_chat.c and its neighbours; call.c does what they have in common). Or it is passed on to its
 * provider as it is (call_pass.c). One thread, the job's.
 */
#ifndef RUNNER_JOBS_CALL_H
#define RUNNER_JOBS_CALL_H

#include <json-c/json.h>

#include "runner/models/provider.h"

#define CALL_MESSAGES_MAX 10000
#define LOGPROBS_MAX ((size_t)2 << 20) /* bytes, of a whole answer; beyond it, none are given */

struct face_format;

/* The job's input (SQL: call_begin). */
struct call_in {
	struct str face; /* whose format; "pass": the payload goes on as it is (call_pass.c) */
	struct str provider, model, payload;
	struct uuid blob; /* or the client's whole body, which is too long for the input */
	bool stream;
	bool wrapped; /* the reply is data and cost, as where it is passed on */
	/* Where it is passed on: the provider's endpoint, and what it is charged by. */
	struct str endpoint, meter;
	struct str keys; /* the names of the owner's own in the vault, with blanks between */
};

struct face_call {
	struct call call; /* its `a` is the job's */
	const struct face_format *format;
	const struct provider *asked_of; /* who is asked first */
	json_object *asked; /* what the client has sent */
	struct message *messages; /* call.messages, while it is filled; [0] is the system's */
	size_t room; /* in `messages` */
	struct buf system;
	struct str model; /* as the client named it */
	struct str id; /* of the answer: the run's, without what the format puts before it */
	int64_t created_s;
	bool streams;
	bool wrapped; /* as of call_in */
	bool begun; /* the stream has its first event */
	bool wants_logprobs; /* which only servers of OpenAI's format give */
	struct buf logprobs; /* elements, of a whole answer, or which no event had alone */
	size_t n_thought; /* bytes of call.thoughts that came before the text */
	/* Of a request: the calls of the last message, while they are read; the earlier answer that
	 * an item named last, how long it is, and all of them */
	struct tool_call *calls;
	json_object *earlier;
	struct uuid earlier_run;
	size_t earlier_n, earlier_bytes;
	struct buf seen; /* what tools have shown, that is not said yet: a list's elements */
	/*
	 * The formats' own. Of a request: what the next of the assistant's messages gets back. Of a
	 * stream: text has come, thoughts have; which block is open; those that have ended; the
	 * next event. Of a whole answer: blocks, and the bytes of the text that are in them.
	 */
	json_object *kept;
	bool has_text, has_thoughts;
	enum { OPEN_NONE, OPEN_TEXT, OPEN_THOUGHT } open;
	size_t block;
	int64_t sequence;
	struct buf blocks;
	size_t said, likely; /* the latter: bytes of logprobs that came with a piece of text */
};

struct face_format {
	const char *name; /* as in the job's input */
	/* Reads f->asked into f->call. NULL, or what is wrong with it. */
	const char *(*read)(struct face_call *f);
	/* Events: what begins a stream, once; a piece of text; and all that comes behind the text.
	 */
	void (*begin)(struct face_call *f, struct buf *b);
	void (*text)(struct face_call *f, struct buf *b, struct str text);
	/* Of a stream: a piece of what the model thinks, where it is shown now (NULL: always). */
	bool (*shows)(const struct face_call *f);
	void (*thought)(struct face_call *f, struct buf *b, struct str text);
	/*
	 * Optional: a block of Anthropic's (call.on_block); elements of logprobs, of a stream
	 * (NULL: they go with the text)
	 */
	void (*block)(struct face_call *f, struct buf *b, json_object *block);
	void (*logprobs)(struct face_call *f, struct buf *b, struct str list);
	void (*end)(struct face_call *f, struct buf *b);
	/* The whole answer, of a client that has not asked for a stream. */
	void (*whole)(struct face_call *f, struct buf *b);
	/* Optional: what is kept with the run, since a later call may name it. JSON. */
	void (*output)(struct face_call *f, struct buf *b);
};

extern const struct face_format face_chat, face_messages, face_responses;
const char *messages_read(struct face_call *f);
const char *responses_read(struct face_call *f);
/* Does the client ask for `what`, by `include`? */
bool responses_includes(const struct face_call *f, struct str what);

/* OpenAI's embeddings (call_embeddings.c), which are no conversation. */
struct outcome call_embeddings(struct job *j, const struct call_in *in);

/*
 * Who answers, with the owner's key where they have one; and, where it `falls_back`, who is asked
 * instead as the settings say and the project's policies allow. False: *o is the job's outcome.
 */
MUST_CHECK bool face_provider(struct job *j, struct str name, struct str model, bool falls_back,
    const struct provider **out, struct outcome *o);
/* The same of a call. */
MUST_CHECK bool call_provider(struct job *j, const struct call_in *in, bool falls_back,
    const struct provider **out, struct outcome *o);
/* Which of our errors a provider's refusal is to the client. */
const char *face_code(const struct call *c);

/* -- for calls that are passed on -- */

/* Makes the call by which `in` is passed on to p. */
struct outcome pass_run(struct job *j, const struct call_in *in, const struct provider *p);
/*
 * The payload as a form (RFC 7578) where an endpoint takes files: `file` is a data URL. NULL, or
 * what is wrong with it; *type is the body's Content-Type.
 */
const char *call_form(struct arena *a, json_object *payload, struct str *body, const char **type);

/* -- for formats -- */

/* Adds a message of the system, a user, or what a tool has given. */
void face_add(struct face_call *f, struct message m);
/* Content that is a text, or a list of parts: into the message's content, or its parts. */
const char *face_content(struct face_call *f, json_object *content, struct message *m);
/*
 * Adds what the client asks for that servers of OpenAI's format may know to `more` (call.more).
 * NULL, or what is wrong with it. face_members(): more of it, by name.
 */
const char *face_more(struct face_call *f, struct buf *more);
void face_members(struct face_call *f, struct buf *more, const char *const members[]);
/* How hard the model is to think, or NULL. NULL, or what is wrong with it. */
const char *face_effort(struct face_call *f, json_object *effort);
/*
 * Takes away the tools that a tool_choice of type allowed_tools does not name, and sets its mode.
 * NULL, or what is wrong with it.
 */
const char *face_allowed(struct face_call *f, json_object *allowed);
/* NULL, or that one of the members is not taken, where it is there and neither null nor false. */
const char *face_named(struct face_call *f, const char *const members[]);
/* What the model has thought before it said anything. */
struct str face_thoughts(const struct face_call *f);
/*
 * What servers give with a message or a call and want back with it: these members, of `o` those
 * that are there as a JSON object. All of it of the answer, as one text that the client sends back
 * unread (absent: there is nothing); such a text opened, NULL where it is none; and what there is
 * of that put to a message, and to its last call (NULL: to none).
 */
extern const char *const kept_members[];
struct str face_extra(struct face_call *f, json_object *o);
struct str face_kept_pack(struct face_call *f);
json_object *face_kept_unpack(struct face_call *f, struct str packed);
void face_give_back(
    struct face_call *f, json_object *kept, struct message *m, struct tool_call *call);
/*
 * A format that the answer has to fit: the schema of `of`, or any object where its type is
 * json_object. Told in words, too, since not every provider takes schemas.
 */
void face_schema(struct face_call *f, struct buf *more, json_object *format, json_object *of);
/* A number that is there, as its digits; absent where it is not, or null. */
bool face_number(json_object *o, const char *name, struct str *out);
/* A count that is there, above 0; 0 where it is not. */
bool face_count(json_object *o, const char *name, int64_t *out);
/*
 * The id of the i-th call, which clients take for the only one of its kind: the provider's, where
 * that has given one that no other call of the conversation has.
 */
struct str face_call_id(const struct face_call *f, size_t i);

#endif
