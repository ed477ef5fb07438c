/*
 * Server-sent events (HTML standard, 9.2; millrace/sse.h) of one topic, over chunked encoding,
 * which tells a cut stream from one that ended. A stream ends cleanly with its topic's terminal
 * event, at the grant's time limit, with its principal's session and at shutdown; one that is
 * closed for being slow is cut. Either way the client goes on by Last-Event-ID.
 */
#ifndef STREAMD_HTTP_SSE_H
#define STREAMD_HTTP_SSE_H

#include <millrace/err.h>
#include <millrace/grant.h>

#include "streamd/conn.h"

struct http_head;

/* For the table of targets: makes the connection a stream of g->topic; frees h. */
void sse_start(struct conn *c, struct http_head *h, const struct grant *g);
/* For the table of targets: refuses for a time within the stream, which ends, and keeps the
   connection's head; false, with nothing sent, where the client sent another method than GET, and
   so understands the status. */
bool sse_refuse(
    struct conn *c, const struct grant *g, enum err e, const char *text, int64_t wait_s);
restore_fn sse_restore;

#endif
