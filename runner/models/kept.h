/*
 * Members that came with a message or a tool call and are none that we know: what a server wants
 * back with it (Gemini's extra_content, DeepSeek's reasoning_content, OpenRouter's
 * reasoning_details). They come in pieces and are put together as the rest is: texts and lists
 * joined, anything else replaced by the latest. Nothing blocks; a struct kept belongs to one
 * thread.
 */
#ifndef RUNNER_MODELS_KEPT_H
#define RUNNER_MODELS_KEPT_H

#include <json-c/json.h>

#include <millrace/arena.h>

#define KEPT_MEMBERS 8 /* of one message or call; more are dropped */
#define KEPT_NAME_MAX 128 /* bytes; a member with a longer name is dropped */

enum kept_kind { KEPT_TEXT = 1, KEPT_LIST, KEPT_OTHER };

struct kept {
	struct {
		enum kept_kind kind;
		struct str name;
		struct buf value; /* a text's bytes, a list's elements, or JSON */
	} m[KEPT_MEMBERS];
	size_t n;
};

/*
 * Adds the members of o that are not null and whose names are not in `known`, which ends in NULL.
 * The bytes that this has added go to *len.
 */
void kept_add(
    struct kept *k, struct arena *a, json_object *o, const char *const known[], size_t *len);
/* All of it as one JSON object, the arena's; absent where there is nothing. */
struct str kept_json(struct arena *a, const struct kept *k);

#endif
