/*
 * JSON text from outside (RFC 8259), checked more strictly than json-c does by itself, and the
 * small encodings beside it. Nothing here blocks; any thread, each with objects of its own.
 */
#ifndef MILLRACE_JSON_H
#define MILLRACE_JSON_H

#include <json-c/json.h>

#include <millrace/arena.h>
#include <millrace/err.h>

#define JSON_DEPTH_MAX 32

/*
 * Parses UTF-8 JSON text (RFC 8259): strict, at most JSON_DEPTH_MAX deep, no NUL in any string or
 * name, numbers only that are finite and no longer than PostgreSQL keeps; a bare `null` is refused.
 * *out is freed with the arena. ERR_BAD_REQUEST: *why (a literal) says what is wrong.
 */
MUST_CHECK enum err json_parse(
    struct arena *a, struct str text, json_object **out, const char **why);

/*
 * Percent-decodes (RFC 3986). False on broken escapes, on NUL, and where the result is not UTF-8.
 */
MUST_CHECK bool url_decode(struct arena *a, struct str s, bool plus_is_space, struct str *out);

/* Appends Unix milliseconds as RFC 3339 in UTC, with quotes. */
void buf_time(struct buf *b, int64_t unix_ms);

/*
 * A member of an object, and its text or number; NULL, absent or `fallback` where it is missing or
 * of another type, or `o` is no object. For documents from outside that are not requests (a
 * provider's replies, claims); the result lives as long as `o`.
 */
json_object *json_at(json_object *o, const char *name);
struct str json_text(json_object *o, const char *name);
int64_t json_int(json_object *o, const char *name, int64_t fallback);
/* How many elements it has; 0 where it is no array (json-c would end the process). */
size_t json_length(json_object *o);
/* Is there such a member, be it null? What must be of one type is refused where it is there. */
bool json_has(json_object *o, const char *name);
/* The value as JSON text, without blanks; lives as long as `o`, and until it is asked for again. */
struct str json_serialised(json_object *o);

#endif
