/*
 * One member of a JSON object as it stands in the text, byte for byte: what only passes through is not parsed and printed
 * anew, so numbers keep their digits.
 */
#ifndef STREAMD_SOCKETIO_MEMBER_H
#define STREAMD_SOCKETIO_MEMBER_H

#include <millrace/str.h>

/* The value of the first member `name` (written without escapes) of the object `json`, which the database has found well-formed;
   absent where it is not there. Never reads outside the text, whatever it is. */
struct str member(struct str json, struct str name);

#endif
