/*
 * A deferred reply: the request waits for its run's `result` event, which becomes an ordinary JSON
 * response; at the route's time limit it gets what the grant says. Where the grant says that the
 * run's text is the body (calls of models, millrace/face.h), its first piece makes the response an
 * event stream, which is in the client's own format and is passed on as it is.
 */
#ifndef STREAMD_HTTP_DEFERRED_H
#define STREAMD_HTTP_DEFERRED_H

#include <millrace/grant.h>

#include "streamd/conn.h"

struct http_head;

/* For the table of targets: makes the connection wait on g->topic; frees h. */
void deferred_start(struct conn *c, struct http_head *h, const struct grant *g);
restore_fn deferred_restore;

#endif
