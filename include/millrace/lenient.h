/*
 * JSON and text as other people's servers send them. Our own door is strict (json.h); here what is
 * meant is read as long as it can be told: half a character, NUL, a byte order mark or a member of
 * another type must not cost an answer that a user waits for. Functions of the bytes alone: nothing
 * blocks, any thread.
 */
#ifndef MILLRACE_LENIENT_H
#define MILLRACE_LENIENT_H

#include <json-c/json.h>

#include <millrace/arena.h>
#include <millrace/err.h>

/*
 * Parses JSON text, whatever follows it. An escaped half of a surrogate pair becomes the three
 * bytes that UTF-8 would have for it, so that text_mend can join it with the other half from
 * another document; NUL becomes U+FFFD. False: no JSON. *out is NULL for `null`, else freed with
 * the arena.
 */
MUST_CHECK bool lenient_parse(struct arena *a, struct str text, json_object **out);
/*
 * The text that a value stands for: of a list of content parts (OpenAI's chat reference, "content")
 * those of text, joined; of a number its digits. Absent for null and for what has none. May not be
 * UTF-8 yet: text_mend. Lives as long as `o` and the arena.
 */
struct str lenient_text(struct arena *a, json_object *o);
/* A count, 0 to 2^53, as an integer, a fraction (rounded up) or digits; -1 for anything else. */
int64_t lenient_count(json_object *o);
/*
 * JSON text without what json_parse refuses and a stranger must not lose all of it by: a byte order
 * mark, NUL, half a surrogate pair, bytes that are not UTF-8. text itself where there is nothing of
 * it, else the arena's.
 */
struct str json_mend(struct arena *a, struct str text);
/*
 * Parses a whole reply, or what another service sends here, for who keeps or passes on what is in
 * it: json_parse of json_mend, which *text becomes. False: no JSON. *out is freed with the arena.
 */
MUST_CHECK bool mended_parse(struct arena *a, struct str *text, json_object **out);
/* Is it the text of one JSON object, well-formed by our own rules (json_parse)? */
bool is_json_object(struct str text);

/*
 * How much of s can be said although more may come: all but the beginning of a character at its
 * end, or a high half. At most six bytes are held back.
 */
size_t text_whole(struct str s);
/*
 * s as UTF-8 without NUL: halves that follow each other are joined, U+FFFD stands for whatever is
 * no character. s itself where nothing is to be done, else the arena's.
 */
struct str text_mend(struct arena *a, struct str s);

#endif
