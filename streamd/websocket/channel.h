/*
 * The three WebSocket channels: analytics, notifications, workflows. A connection begins with the
 * topic that its grant names, whose events come in the short form
 * ({"type","data","topic","seq"}). Topics that it subscribes to by message come in the long form
 * ({"type":"event","channel","topic","event","data","ts","seq"}). Each event comes once, in order;
 * `params.since` goes on after a seq.
 */
#ifndef STREAMD_WEBSOCKET_CHANNEL_H
#define STREAMD_WEBSOCKET_CHANNEL_H

#include <millrace/grant.h>

#include "streamd/conn.h"

struct http_head;

enum channel_kind { CHANNEL_ANALYTICS, CHANNEL_NOTIFICATIONS, CHANNEL_WORKFLOWS, CHANNEL_KINDS };

/* The kind of that name ("analytics"), or CHANNEL_KINDS. */
enum channel_kind channel_named(struct str name);
/* Makes the connection a channel's WebSocket and frees h, or refuses the handshake and leaves h to
   the connection. A grant without a user is closed with 1008 after the handshake. */
void channel_start(
    struct conn *c, struct http_head *h, const struct grant *g, enum channel_kind kind);
restore_fn channel_restore;

#endif
