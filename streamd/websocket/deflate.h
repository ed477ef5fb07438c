/*
 * permessage-deflate (RFC 7692) without context takeover, over zlib: each message is compressed by
 * itself, so that one frame serves everybody with the same window, and a connection holds no
 * memory. Not for several threads: the compressors and their output are the module's own.
 */
#ifndef STREAMD_WEBSOCKET_DEFLATE_H
#define STREAMD_WEBSOCKET_DEFLATE_H

#include <millrace/arena.h>

/* Accepts the first offer of Sec-WebSocket-Extensions that can be met, and adds the response's
   line to `reply`. Returns the window's bits for what is sent (9 to 15), or 0, with nothing added,
   where no offer can be met. */
uint8_t deflate_negotiate(struct buf *reply, struct str offers);

/* Compresses a message into *out (this module's, until its next call). False where it is too short
   to gain, or did not shrink. */
bool deflate_message(struct str message, uint8_t bits, struct str *out);

enum inflate_result { INFLATE_GOOD, INFLATE_BAD, INFLATE_TOO_LARGE };
/* Inflates a message, at most `max` bytes, into *out (this module's, until its next call). */
enum inflate_result inflate_message(struct str message, size_t max, struct str *out);

#endif
