/*
 * WebSockets (RFC 6455) with permessage-deflate (RFC 7692, without context takeover, so that one compressed frame serves everybody).
 * libwslay reads frames: fragmentation, control frames, UTF-8, close codes and limits are its. It is there only while a message is
 * arriving; an idle connection holds no more than the struct below. What goes out is made once and shared: see ws_frame.
 *
 * The application (a channel, Engine.IO) is told of whole messages, and owns `own`.
 */
#ifndef STREAMD_WEBSOCKET_WS_H
#define STREAMD_WEBSOCKET_WS_H

#include <millrace/json.h>

#include "streamd/conn.h"

struct ws;
struct ws_in;

/* Close codes (RFC 6455, 7.4.1). */
enum {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_POLICY = 1008,
	WS_TOO_BIG = 1009,
	WS_RESTART = 1012,
	WS_TRY_AGAIN = 1013
};

/* What a WebSocket is for. Each may close it, and look at it afterwards. */
struct ws_app {
	/* A whole message; its bytes stay as long as the call. Text is well-formed UTF-8. */
	void (*message)(struct ws *w, bool binary, struct str bytes);
	/* Everything queued has been written; optional. */
	void (*drained)(struct ws *w);
	/* When something of the application's is due (loop_now's clock, 0: nothing), and that it is; both optional. */
	int64_t (*due_ms)(const struct ws *w);
	void (*due)(struct ws *w);
	/* The process stops: a last word, and ws_close. */
	void (*stop)(struct ws *w);
	/* It is closing, by whichever side: called once, and nothing after it. Frees `own`. */
	void (*gone)(struct ws *w);
	/* The application's part of a handover, `kind` in it; optional. */
	bool (*save)(const struct ws *w, struct buf *out);
	/* Bytes that a message may have, after inflating. */
	size_t message_max;
	/* Does the application watch over its peer itself? Else pings are sent, and a peer that is silent is closed. */
	bool own_pings;
};

struct ws {
	struct conn *conn;
	const struct ws_app *app;
	void *own;
	struct ws_in *in; /* NULL between messages */
	int64_t heard_ms; /* when the peer last said anything */
	int64_t close_by_ms; /* closing: when the peer's own close is no longer waited for */
	uint8_t deflate_bits; /* the window that compressed frames may use; 0: none are sent */
	bool pinged; /* since heard_ms */
	bool close_sent;
	bool left; /* app->gone has been called */
	bool failed; /* what the peer still says is not read */
	bool feeding; /* on the stack below */
};

/*
 * Answers the handshake (RFC 6455, 4.2.2) and makes the connection a WebSocket of `app`; `headers` are lines for the reply, or empty. A
 * bad handshake is refused, and the result NULL; `h` stays the connection's then, and `own` the caller's.
 */
struct ws *ws_accept(
    struct conn *c, struct http_head *h, struct str headers, const struct ws_app *app, void *own);
/* Hands over what came with the handshake and frees `h`. Last thing after ws_accept: `w` may be closed by it. */
void ws_begin(struct ws *w, struct http_head *h);

/* The same for a connection that was a WebSocket in another process (handover.h); NULL where what is said of it makes no sense. What it
   had begun to say is read by ws_resume, once `own` is whole. */
struct ws *ws_restore(struct conn *c, json_object *from, const struct ws_app *app, void *own);
void ws_resume(struct ws *w, json_object *from);

/* A finished frame of a whole message; one reference, the caller's. `deflate_bits` as in struct ws: what is compressed by it goes only to
   those with the same. Short or incompressible messages are left as they are. */
struct buffer *ws_frame(bool binary, struct str payload, uint8_t deflate_bits);
/* Frames and queues a message for this one. */
void ws_say(struct ws *w, bool binary, struct str payload);
/* Queues a finished frame that others may share. */
void ws_put(struct ws *w, struct buffer *frame);
/* May so many more bytes be queued now? Makes room where it can, and may find the connection gone by that: look at conn->dead. */
bool ws_has_room(struct ws *w, size_t len);
/* Says why and closes: the application is gone at once, the connection when the peer has answered or 3 s have passed. Idempotent. */
void ws_close(struct ws *w, unsigned code, const char *reason);
/* Something about the application's due_ms has changed. */
void ws_rearm(struct ws *w);

#endif
