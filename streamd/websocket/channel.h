/*
 * The three WebSocket channels: analytics, notifications, workflows. A connection begins with the topic that its grant
 * names, whose events come in the short form ({"type","data","topic","seq"}); topics that it subscribes to by message give the long one
 * ({"type":"event","channel","topic","event","data","ts","seq"}). Each event comes once, in order; `params.since` goes on after a seq.
 */
#ifndef STREAMD_WEBSOCKET_CHANNEL_H
#define STREAMD_WEBSOCKET_CHANNEL_H

#include <millrace/grant.h>

#include "streamd/conn.h"

struct http_head;

enum channel_kind { CHANNEL_ANALYTICS, CHANNEL_NOTIFICATIONS, CHANNEL_WORKFLOWS, CHANNEL_KINDS };

/* "analytics" …; CHANNEL_KINDS where there is none of that name. */
enum channel_kind channel_named(struct str name);
restore_fn channel_restore;
/* Makes the connection a channel's WebSocket, or refuses; takes `h` over as sse_start does. A grant without a user is closed with 1008
   after the handshake. */
void channel_start(
    struct conn *c, struct http_head *h, const struct grant *g, enum channel_kind kind);

#endif
