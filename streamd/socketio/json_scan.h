/*
 * JSON text (RFC 8259) that is checked and cut without being built: what a socket says may be a megabyte, and a tree of it many times
 * that. At most JSON_DEPTH_MAX deep; UTF-8 is the caller's to have checked. Escapes of NUL and of half characters pass, which json_parse
 * refuses: they are for whoever reads the string.
 */
#ifndef STREAMD_SOCKETIO_JSON_SCAN_H
#define STREAMD_SOCKETIO_JSON_SCAN_H

#include <millrace/json.h>

/* Is it one JSON value, with nothing but white space around it? `attachments`: objects {"_placeholder":true,"num":n} stand for that
   many pieces of binary data (Socket.IO), so their n must be smaller. */
bool scan_whole(struct str json, unsigned attachments);
/* The next element of an array that scan_whole has taken: *rest begins as the array, byte for byte with its brackets, and is
   moved on. False at its end. */
bool scan_element(struct str *rest, struct str *element);
/* The text of a JSON string that scan_whole has taken, without escapes; false where it is no string or has over `max` bytes as it
   stands. */
bool scan_text(struct arena *a, struct str json, size_t max, struct str *text);

#endif
