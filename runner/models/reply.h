/*
 * A reply of an OpenAI-compatible server, read as it comes: an event stream of chunks, or a whole
 * answer where a stream was asked for. Servers differ in nearly every member; what is meant is told
 * by all signs together, not by one: which piece belongs to which tool call, whether it has ended,
 * what is an error. A function of the bytes alone, wherever they are cut; it calls c->on_text. One
 * thread.
 */
#ifndef RUNNER_MODELS_REPLY_H
#define RUNNER_MODELS_REPLY_H

#include "runner/models/echo.h"
#include "runner/models/kept.h"
#include "runner/models/provider.h"
#include "runner/models/refusal.h"
#include "runner/outside/sse.h"

/* A tool call as its pieces come. */
struct pending_call {
	int64_t index; /* the server's; -1: none */
	struct buf id, name, arguments;
	size_t seen; /* bytes of the arguments that `at` and `depth` are behind */
	int depth;
	bool is_whole; /* they came as an object */
	enum { ARGS_BEFORE, ARGS_INSIDE, ARGS_STRING, ARGS_ESCAPE, ARGS_CLOSED, ARGS_MORE } at;
	struct kept kept, function_kept;
};

struct reply {
	/* What came of it so far. */
	bool spoke; /* something was said or called: the host is well */
	bool done; /* [DONE], or all of a whole answer */
	bool garbage; /* what came is not the protocol */
	bool too_many_calls; /* more than TOOL_CALLS_MAX; those beyond are let go */
	bool repeats; /* a continuation only says again what was said: asking for more is no use */
	bool is_error; /* `error` is there */
	struct refusal error;
	size_t n_events; /* chunks, or whole answers */
	const char *finish; /* as of struct call; NULL: the server has given no reason */

	/* reply.c's own */
	struct call *c;
	struct arena *scratch; /* of one chunk */
	enum { BODY_UNKNOWN, BODY_STREAM, BODY_WHOLE } kind;
	struct buf body; /* of BODY_WHOLE */
	struct sse sse;
	bool is_ending; /* what is cut now is so because the bytes have ended */
	bool is_whole; /* they came to their proper end */
	struct buf held; /* the beginning of a character at the last text's end */
	size_t n_said; /* bytes of c->text that were there before */
	struct echo echo; /* of a continuation */
	struct pending_call *calls; /* room for TOOL_CALLS_MAX, from the first one on */
	size_t n_calls;
	const struct pending_call *beside; /* of the element before, in the same list */
	struct kept kept;
	size_t kept_len;
};

/* `c` gives its arena, its text so far (which is continued) and `on_text`, and outlives it. */
void reply_init(struct reply *r, struct call *c);
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

#endif
