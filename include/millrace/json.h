/*
 * JSON text from outside (RFC 8259), checked more strictly than json-c does by itself, and the small encodings beside it. Nothing
 * here blocks; any thread.
 */
#ifndef MILLRACE_JSON_H
#define MILLRACE_JSON_H

#include <json-c/json.h>

#include <millrace/arena.h>
#include <millrace/err.h>

#define JSON_DEPTH_MAX 32

/*
 * Parses UTF-8 JSON text (RFC 8259): strict, at most JSON_DEPTH_MAX deep, no NUL in any string or name, finite numbers only.
 * *out is freed with the arena. On ERR_BAD_REQUEST *why (a literal) says what is wrong.
 */
MUST_CHECK enum err json_parse(
    struct arena *a, struct str text, json_object **out, const char **why);

/* Percent-decoding (RFC 3986); false on broken escapes, NUL, or what is not UTF-8 afterwards. */
MUST_CHECK bool url_decode(struct arena *a, struct str s, bool plus_is_space, struct str *out);

/* Unix milliseconds as RFC 3339 in UTC, with its quotes. */
void buf_time(struct buf *b, int64_t unix_ms);

/* A member of an object, and its text; NULL or absent where it is not there or of another type. For documents from outside that
   are not requests (a provider's chunks). */
json_object *json_at(json_object *o, const char *name);
struct str json_text(json_object *o, const char *name);
int64_t json_int(json_object *o, const char *name, int64_t otherwise);

#endif
