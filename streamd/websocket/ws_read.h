/*
 * What a WebSocket's peer says, from bytes to messages (RFC 6455, RFC 7692). libwslay is known to ws_in.c alone. One of these is there
 * from a message's first byte to its last, with what has come of it so far, so that another process could start it anew.
 */
#ifndef STREAMD_WEBSOCKET_WS_READ_H
#define STREAMD_WEBSOCKET_WS_READ_H

#include <stdbool.h>
#include <stdint.h>

#include <millrace/str.h>

struct ws_in;

struct ws_in_rules {
	size_t message_max; /* bytes, also after inflating; more is closed with 1009 */
	bool deflate; /* may messages be compressed? */
	/* Finished frames that the protocol asks for: pongs, and a close, after which there is nothing to say. */
	void (*answer)(void *arg, struct str frames, bool is_close);
	/* A whole message; text is well-formed UTF-8. */
	void (*message)(void *arg, bool binary, struct str bytes);
};

/* IDLE: between messages, it may be freed. MORE: in the middle of one. OVER: both sides have closed. FAILED: the peer has broken the
   protocol, and a close says so. After the last two nothing more is fed. */
enum ws_in_state { WS_IN_IDLE, WS_IN_MORE, WS_IN_OVER, WS_IN_FAILED };

/* `arg` is the callbacks'. The caller frees it with ws_in_free; NULL is ignored there. */
struct ws_in *ws_in_new(void *arg);
void ws_in_free(struct ws_in *in);
enum ws_in_state ws_in_feed(
    struct ws_in *in, const struct ws_in_rules *rules, struct str bytes, int64_t now_ms);
/* When what has begun must have ended; on the clock of `now_ms`. */
int64_t ws_in_due_ms(const struct ws_in *in);
/* What has come since the last message's end; absent where that is more than is kept. */
struct str ws_in_begun(const struct ws_in *in);

#endif
