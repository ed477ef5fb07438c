/*
 * The faces: paths below /v1, which speak the wire formats of OpenAI and Anthropic, so that their
 * clients work here. Functions of the bytes alone: nothing blocks, any thread.
 */
#ifndef MILLRACE_FACE_H
#define MILLRACE_FACE_H

#include <millrace/arena.h>
#include <millrace/err.h>

struct json_object;

/* Which format errors have, and whether events of its streams have names. */
enum face { FACE_NONE, FACE_PLAIN, FACE_NAMED };

/* Is it /v1, or below it? */
bool face_is_path(struct str path);
/*
 * The body of an error as the clients of both vendors read it: OpenAI's members (API reference,
 * "Errors") and Anthropic's ("Errors") in one object. `text` absent: e's own.
 */
struct str face_error(struct arena *a, enum err e, struct str text, struct str request_id);
/* The event that ends a stream with an error. */
struct str face_error_event(struct arena *a, enum face face, enum err e, struct str text);
/*
 * Has a body in Anthropic's format a cache_control ("Prompt caching") that keeps for longer than
 * five minutes? That costs more than a model's price of what is written to a cache.
 */
bool face_asks_long_cache(struct json_object *body);

#endif
