/*
 * A WebSocket's input, from bytes to messages (RFC 6455, RFC 7692). Only ws_read.c knows libwslay.
 * A ws_read exists from a message's first byte to its last, and keeps what has come of it, so that
 * another process can begin anew with it after a handover. One thread; nothing blocks.
 */
#ifndef STREAMD_WEBSOCKET_WS_READ_H
#define STREAMD_WEBSOCKET_WS_READ_H

#include <stdbool.h>
#include <stdint.h>

#include <millrace/str.h>

struct ws_read;

struct ws_read_rules {
	size_t message_max; /* bytes after inflating; a longer message is closed with 1009 */
	bool deflate; /* compressed messages are allowed */
	/* Queues finished frames: pongs, or a close, which is the last. */
	void (*send)(void *arg, struct str frames, bool is_close);
	/* A complete message; text is well-formed UTF-8. */
	void (*message)(void *arg, bool binary, struct str bytes);
};

enum ws_read_state {
	WS_READ_IDLE, /* between messages; it may be freed */
	WS_READ_MORE, /* within a message */
	/* Feed nothing after these. */
	WS_READ_OVER, /* both sides have closed */
	WS_READ_FAILED /* the peer broke the protocol, and a close with the reason is sent */
};

/* `arg` is passed to the rules' callbacks. Never NULL. The caller frees it with ws_read_free, which
   ignores NULL; not from a callback. */
struct ws_read *ws_read_new(void *arg);
void ws_read_free(struct ws_read *r);
/* Reads bytes, with callbacks; `now_ms` is on any monotonic clock. All together hold at most
   64 MiB of incomplete messages: beyond that it fails with 1013. */
enum ws_read_state ws_read_feed(
    struct ws_read *r, const struct ws_read_rules *rules, struct str bytes, int64_t now_ms);
/* When the message under way must be complete, on now_ms's clock. */
int64_t ws_read_due_ms(const struct ws_read *r);
/* The bytes since the last message's end; absent where they are more than is kept (256 KiB). */
struct str ws_read_partial(const struct ws_read *r);

#endif
