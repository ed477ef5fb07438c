/*
 * A deferred reply: the request waits for its run's `result` event and is answered with it as an ordinary JSON reply, or, after
 * the route's time limit, with what the grant says.
 */
#ifndef STREAMD_REPLY_H
#define STREAMD_REPLY_H

#include <millrace/grant.h>

#include "conn.h"

struct http_head;

restore_fn reply_restore;
/* Makes the connection wait; frees `h` with all that g points to. */
void reply_start(struct conn *c, struct http_head *h, const struct grant *g);

#endif
