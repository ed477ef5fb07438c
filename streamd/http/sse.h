/*
 * Server-sent events (HTML standard, 9.2) of one topic, over chunked encoding, so that a cut is told from an end. A stream that
 * ends with its topic's terminal event, at the grant's time limit, with its caller's session or at shutdown ends cleanly; one that is cut
 * off for being slow does not. Either way the client goes on by Last-Event-ID.
 */
#ifndef STREAMD_HTTP_SSE_H
#define STREAMD_HTTP_SSE_H

#include <millrace/grant.h>

#include "streamd/conn.h"

struct http_head;

restore_fn sse_restore;
/* Turns the connection into a stream; frees `h` with all that g points to. */
void sse_start(struct conn *c, struct http_head *h, const struct grant *g);

#endif
