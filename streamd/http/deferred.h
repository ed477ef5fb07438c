/*
 * A deferred reply: the request waits for its run's `result` event, which becomes an ordinary JSON
 * response; at the route's time limit it gets what the grant says.
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
