/*
 * permessage-deflate (RFC 7692) without context takeover, over zlib: each message is compressed by itself, so that one frame is good
 * for all who agreed to the same window, and a connection holds nothing.
 */
#ifndef STREAMD_WEBSOCKET_DEFLATE_H
#define STREAMD_WEBSOCKET_DEFLATE_H

#include <millrace/arena.h>

/*
 * Takes the first offer of Sec-WebSocket-Extensions that can be met, and adds the reply's line to `reply`. Returns the bits of the window
 * that what we send may use (9 to 15), or 0 where nothing was agreed, and nothing added.
 */
uint8_t deflate_negotiate(struct buf *reply, struct str offers);

/* Compresses a message into *out (this module's, until its next call). False where it is too short to gain, or did not. */
bool deflate_message(struct str message, uint8_t bits, struct str *out);

enum inflate_result { INFLATE_GOOD, INFLATE_BAD, INFLATE_TOO_LARGE };
/* The other way round, at most `max` bytes into *out (this module's, until its next call). */
enum inflate_result inflate_message(struct str message, size_t max, struct str *out);

#endif
