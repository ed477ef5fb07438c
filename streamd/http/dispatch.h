/*
 * From a connection's first byte to what it becomes: reads the head, checks path and grant, and hands over to sse.h,
 * reply.h or channel.h, or refuses in the API's error shape.
 */
#ifndef STREAMD_HTTP_DISPATCH_H
#define STREAMD_HTTP_DISPATCH_H

#include "streamd/conn.h"

/* Makes the connection wait for a request's head. */
void request_start(struct conn *c);
/* Answers the request, whose head is still the connection's, in the API's error shape, and ends. `text` NULL: e's own. `headers` are lines,
   each with its line break, or empty. */
void request_refuse(struct conn *c, enum err e, const char *text, struct str headers);
/* For a handover: one that had said nothing. */
restore_fn request_restore;

#endif
