/*
 * JSON text (RFC 8259) that is checked and cut without building a tree: a message may be a
 * megabyte, and its tree many times that. Slices stay byte for byte, so numbers keep their digits.
 * Nothing reads outside the text, whatever it is. Any thread.
 */
#ifndef STREAMD_JSON_SCAN_H
#define STREAMD_JSON_SCAN_H

#include <millrace/json.h>

/* Is it one JSON value, at most JSON_DEPTH_MAX deep, with nothing but white space around it? UTF-8
   is the caller's to have checked. Escapes of NUL and of single surrogates pass, which json_parse
   refuses. `attachments`: objects {"_placeholder":true,"num":n} stand for that many pieces of
   binary data (Socket.IO 5), so that n must be smaller. */
bool json_scan_is_value(struct str json, unsigned attachments);
/* The next element of an array that json_scan_is_value has accepted: *rest begins as the array,
   with its brackets, and is moved on. False at its end. */
bool json_scan_element(struct str *rest, struct str *element);
/* Decodes a JSON string that json_scan_is_value has accepted; the arena's. False where it is no
   string, or longer than `max` bytes before decoding. */
bool json_scan_text(struct arena *a, struct str json, size_t max, struct str *text);
/* The value of the first member `name` (which has no escapes) of the object `json`, which the
   database has found well-formed; absent where there is none. */
struct str json_scan_at(struct str json, struct str name);

#endif
