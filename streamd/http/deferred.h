/*
 * A deferred reply: the request waits for its run's `result` event and is answered with it as an ordinary JSON reply, or, after
 * the route's time limit, with what the grant says.
 */
#ifndef STREAMD_HTTP_DEFERRED_H
#define STREAMD_HTTP_DEFERRED_H

#include <millrace/grant.h>

#include "streamd/conn.h"

struct http_head;

restore_fn reply_restore;
/* Makes the connection wait; frees `h` with all that g points to. */
void reply_start(struct conn *c, struct http_head *h, const struct grant *g);

#endif
