/*
 * A reply of a model's server, read as it comes: an event stream of chunks, or a whole answer where
 * a stream was asked for; what a chunk says is its wire's to tell (wire.h). Servers differ in
 * nearly every member; what is meant is told by all signs together, not by one: which piece belongs
 * to which tool call, whether it has ended, what is an error. A function of the bytes alone,
 * wherever they are cut; it calls c->on_text. One thread.
 */
#ifndef RUNNER_MODELS_REPLY_H
#define RUNNER_MODELS_REPLY_H

#include "runner/models/echo.h"
#include "runner/models/kept.h"
#include "runner/models/provider.h"
#include "runner/outside/refusal.h"
#include "runner/outside/sse.h"

struct wire;

/* A tool call as its pieces come. */
struct pending_call {
	int64_t index; /* the server's; -1: none */
	struct buf id, name, arguments;
	size_t seen; /* bytes of the arguments that `at` and `depth` are behind */
	int depth;
	bool is_whole; /* they came as an object */
	bool is_doubtful; /* a name like that of the call before is all that began it */
	enum { ARGS_BEFORE, ARGS_INSIDE, ARGS_STRING, ARGS_ESCAPE, ARGS_CLOSED, ARGS_MORE } at;
	struct kept kept, function_kept;
};

struct reply {
	/* What came of it so far. */
	bool spoke; /* something was said or called: the host is well */
	bool done; /* the stream says that it has ended, or all of a whole answer is there */
	bool garbage; /* what came is not the protocol */
	bool too_many_calls; /* more than TOOL_CALLS_MAX; those beyond are dropped */
	bool repeats; /* a continuation only says again what was said: asking for more is no use */
	bool is_error; /* `error` is there */
	struct refusal error;
	size_t n_events; /* chunks, or whole answers */
	const char *finish; /* as of struct call; NULL: the server has given no reason */

	/* reply.c's and the wires' own */
	struct call *c;
	const struct wire *wire;
	struct arena *scratch; /* of one chunk, while it is read */
	bool is_answer; /* a document was one of the protocol's */
	struct buf thinking, signature; /* Anthropic's: of a block that has not ended */
	struct buf citations; /* likewise, a list's elements */
	enum { BLOCK_OTHER, BLOCK_TEXT, BLOCK_CALL, BLOCK_THINKING } block;
	int64_t uncached; /* Anthropic's: input tokens beside the cached ones */
	enum { BODY_UNKNOWN, BODY_STREAM, BODY_WHOLE } kind;
	struct buf body; /* of BODY_WHOLE */
	struct sse sse;
	bool is_ending; /* what is cut now is so because the bytes have ended */
	bool is_whole; /* they came to their proper end */
	/* The beginning of a character at the end of the last text, and of the last thought */
	struct buf held, held_thought;
	size_t n_said; /* bytes of c->text that were there before */
	struct echo echo; /* of a continuation */
	struct pending_call *calls; /* room for TOOL_CALLS_MAX, from the first one on */
	size_t n_calls;
	const struct pending_call *beside; /* of the element before, in the same list */
	struct kept kept;
	size_t kept_len;
};

/* A piece of a tool call, as it came. */
struct call_piece {
	int64_t index; /* -1: none */
	struct str id, name, arguments; /* empty: none */
	bool is_whole; /* the arguments came as an object, which is all of them */
};

/* `c` gives its arena, its text so far (which is continued) and `on_text`, and outlives it. */
void reply_init(struct reply *r, struct call *c, const struct wire *wire);
void reply_free(struct reply *r);
/* False where nothing more is to be read. */
bool reply_feed(struct reply *r, struct str bytes);
/* No more bytes will come; `whole`: they came to their proper end. */
void reply_end(struct reply *r, bool whole);
/*
 * After reply_end: is it an answer that has ended? A server that gives no reason and no [DONE] has
 * ended by the proper end of its bytes, unless that is inside a tool call.
 */
bool reply_is_complete(const struct reply *r);
/* Fills c->calls and c->extra with what came. */
void reply_calls(struct reply *r);

/* -- for wires -- */

/* Says text, as it came. False where the reply is to be read no further. */
bool reply_text(struct reply *r, struct str text);
/* The model has thought so much more; within ANSWER_MAX. */
void reply_thought(struct reply *r, struct str text);
/* The call that a piece goes to; NULL: none. r->garbage where that is longer than may be. */
struct pending_call *reply_piece(struct reply *r, const struct call_piece *piece);
/* A call's arguments: JSON in a text, or, of some, the JSON itself. Lives as long as `o`. */
struct str reply_arguments(struct reply *r, json_object *o);
/* Keeps the members of `o` that are not in `known` (kept.h), within EXTRA_MAX. */
void reply_keep(struct reply *r, struct kept *k, json_object *o, const char *const known[]);
/* The server has ended for a reason that is none: the answer is broken off. */
void reply_fail(struct reply *r, struct str reason);

#endif
