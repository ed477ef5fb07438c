/*
 * WebSockets (RFC 6455) with permessage-deflate (RFC 7692, without context takeover, so that one
 * compressed frame serves everybody). Input is ws_read's, which exists only while a message is
 * arriving: an idle connection holds no more than the struct below. Output is framed once and
 * shared, see ws_frame.
 *
 * The application (a channel, Engine.IO) gets whole messages, and owns `own`. One thread; nothing
 * blocks.
 */
#ifndef STREAMD_WEBSOCKET_WS_H
#define STREAMD_WEBSOCKET_WS_H

#include <millrace/json.h>

#include "streamd/conn.h"

struct ws;
struct ws_read;

/* Close codes (RFC 6455, 7.4.1, and its IANA registry). */
enum {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_POLICY = 1008,
	WS_TOO_BIG = 1009,
	WS_RESTART = 1012,
	WS_TRY_AGAIN = 1013
};

/* What a WebSocket carries. Each callback may close it, and use it afterwards. */
struct ws_app {
	/* A whole message, valid during the call. Text is well-formed UTF-8. */
	void (*message)(struct ws *w, bool binary, struct str bytes);
	/* All output has been written. Optional. */
	void (*drained)(struct ws *w);
	/* When `due` is to be called, on loop_now's clock; 0: never. Both optional. */
	int64_t (*due_ms)(const struct ws *w);
	void (*due)(struct ws *w);
	/* The process stops: send a last message, and ws_close. */
	void (*stop)(struct ws *w);
	/* It is closing, by either side; the last call, once. Frees `own`. */
	void (*gone)(struct ws *w);
	/* The application's part of a handover, as save_fn (conn.h). Optional. */
	bool (*save)(const struct ws *w, struct buf *out);
	size_t message_max; /* bytes after inflating */
	/* The application pings its peer itself. Otherwise pings are sent here, and a peer that
	   does not answer is closed. */
	bool app_pings;
};

struct ws {
	struct conn *conn;
	const struct ws_app *app;
	void *own;
	struct ws_read *read; /* NULL between messages */
	int64_t read_ms; /* when the peer last sent anything */
	int64_t close_by_ms; /* while closing: when the peer's close is no longer waited for */
	uint8_t deflate_bits; /* the window of compressed frames; 0: none are sent */
	bool pinged; /* since read_ms */
	bool close_sent;
	bool detached; /* app->gone has been called */
	bool failed; /* input is discarded */
	bool feeding; /* ws_read_feed is on the stack */
};

/* Answers the handshake (RFC 6455, 4.2.2) and makes the connection a WebSocket; `headers` are lines
   for the response, or empty. NULL where the handshake is refused: h stays the connection's then,
   and `own` the caller's. */
struct ws *ws_accept(
    struct conn *c, struct http_head *h, struct str headers, const struct ws_app *app, void *own);
/* Reads what came with the handshake and frees h. Call it last after ws_accept: it may close w. */
void ws_begin(struct ws *w, struct http_head *h);

/* For a handover: makes the connection the WebSocket that it was; NULL where `from` is malformed.
   Call ws_resume, which reads the message under way, once `own` is complete. */
struct ws *ws_restore(struct conn *c, json_object *from, const struct ws_app *app, void *own);
void ws_resume(struct ws *w, json_object *from);

/* A finished frame of a whole message; one reference, the caller's. A frame compressed with
   `deflate_bits` may only go to WebSockets with the same. Short and incompressible messages are
   not compressed. */
struct buffer *ws_frame(bool binary, struct str payload, uint8_t deflate_bits);
/* Frames a message and queues it. */
void ws_send(struct ws *w, bool binary, struct str payload);
/* Queues a finished frame, which may be shared. */
void ws_send_frame(struct ws *w, struct buffer *frame);
/* May `len` more bytes be queued now? Writes to make room, and may find the connection closed by
   that: check conn->dead. */
bool ws_has_room(struct ws *w, size_t len);
/* Sends a close with `reason` (123 bytes at most). The application is detached at once; the
   connection closes when the peer has answered, or after 3 s. Idempotent. */
void ws_close(struct ws *w, unsigned code, const char *reason);
/* The application's due_ms has changed. */
void ws_rearm(struct ws *w);

#endif
