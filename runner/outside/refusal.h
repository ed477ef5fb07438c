/*
 * What another service says when it does not answer, in whichever shape: OpenAI's {"error":{…}},
 * an array of it, FastAPI's `detail`, a bare message, a web page, in an error's body or inside a
 * reply with status 200. Functions of the bytes alone: nothing blocks, any thread.
 */
#ifndef RUNNER_OUTSIDE_REFUSAL_H
#define RUNNER_OUTSIDE_REFUSAL_H

#include <json-c/json.h>

#include <millrace/arena.h>

struct refusal {
	int status; /* as of HTTP, by what the text says; 0: it does not say */
	struct str text; /* the server's words as one line of UTF-8; empty: none */
	int64_t retry_after_ms; /* as the text says; -1: it does not */
};

/*
 * Is there an error in this document, a chunk or a whole reply? `is_error`: it came as one (an
 * event of that type), so that all of it is. Fills *out, whose text is the arena's.
 */
bool refusal_in(struct arena *a, json_object *o, bool is_error, struct refusal *out);
/* The reply to a request that failed, likewise; the text is there however the body looks. */
struct refusal refusal_of_body(struct arena *a, struct str body);
/* Its words alone, no more than a person reads. */
struct str refusal_words(struct arena *a, struct str body);

#endif
