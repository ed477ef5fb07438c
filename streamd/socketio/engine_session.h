/*
 * Sessions of Engine.IO 4: what stays while polls come and go, and while a session is upgraded
 * from polling to a WebSocket. A session queues packets until a poll takes them, or sends them
 * over its WebSocket at once; it pings its peer, and ends where the peer does not answer. What its
 * messages mean is the engine's application's.
 *
 * A session without queued packets is this struct and what the application keeps. An ended session
 * stays in memory until nobody on the stack can use it (engine_defer_free): any call that can end
 * it leaves `ended` to be checked. One thread; nothing blocks.
 */
#ifndef STREAMD_SOCKETIO_ENGINE_SESSION_H
#define STREAMD_SOCKETIO_ENGINE_SESSION_H

#include <millrace/json.h>

#include <uthash.h>

#include "streamd/events/principal.h"
#include "streamd/server.h"
#include "streamd/socketio/packet.h"
#include "streamd/websocket/ws.h"

#define SID_BYTES 15
#define SID_LEN 20 /* in base64url */

struct session;

/* What sessions carry. Each callback may end its session, and use it afterwards. */
struct engine_app {
	/* The session is new; may set `own`. */
	void (*open)(struct session *s);
	/* A message, valid during the call. False: it is not expected, and the session ends. */
	bool (*message)(struct session *s, bool binary, struct str bytes);
	/* All output has been sent. Optional. */
	void (*drained)(struct session *s);
	/* When `due` is to be called, on loop_now's clock; 0: never. Both optional. */
	int64_t (*due_ms)(const struct session *s);
	void (*due)(struct session *s);
	/* The session ends, by either side; the last call, once. Frees `own`, by
	   engine_defer_free. */
	void (*closed)(struct session *s);
	/* For a handover: writes the application's state as members of a JSON object, each
	   followed by a comma (false: it cannot be handed over now), and restores it. Optional. */
	bool (*save)(const struct session *s, struct buf *out);
	bool (*restore)(struct session *s, json_object *from);
};

/* All sessions of one application. */
struct engine {
	struct server *server;
	const struct engine_app *app;
	const void *upper; /* the application's own application, or NULL */
	struct session *sessions;
	struct session *anonymous; /* sessions without a principal, the oldest first */
	struct arena *in; /* for the length of one message */
	struct arena *out; /* for the length of making one packet */
	struct loop_timer deferred_timer;
	void **deferred; /* freed once nobody on the stack uses them */
	size_t n_deferred, room;
};

struct session {
	UT_hash_handle hh;
	struct session *prev, *next; /* in engine->anonymous */
	struct engine *engine;
	void *own; /* the application's */
	struct loop_timer timer;
	char sid[SID_LEN + 1];
	uint8_t refused; /* how many tokens were not valid */
	/* The user whom the worker identified when it was opened; without a user: nobody. */
	struct principal who;
	int64_t who_ends_ms; /* when that ends, on loop_now's clock; 0: never */
	struct ws *ws; /* NULL: it polls */
	struct ws *probe; /* a WebSocket to which it may be upgraded */
	struct conn *poll; /* a waiting poll */
	struct buffer **queue; /* packets in text form, while it polls */
	uint16_t n, room;
	uint32_t queued; /* their bytes */
	int64_t heartbeat_ms; /* when a ping is due, or its pong overdue */
	int64_t probe_ms; /* when an upgrade is given up */
	int64_t end_ms; /* ending: how long it waits for the polls that take what is left */
	bool polls; /* it has not been upgraded */
	bool is_anonymous; /* in engine->anonymous */
	bool pinged; /* without a pong yet */
	bool extended; /* other input has renewed the pong's deadline */
	bool probed; /* polls are answered at once, so that the client can leave them */
	bool corked; /* output waits until all of a POST is handled */
	bool ending, ended;
};

/* Opens a session; it polls, or gets its WebSocket next. Never NULL. */
struct session *session_new(struct engine *e, bool polls);
/* For a handover, as save_fn and restore_fn (conn.h); NULL where the state is malformed. */
bool session_save(const struct session *s, struct buf *out);
struct session *session_restore(struct engine *e, json_object *from, bool polls);
/* NULL where there is none of that sid. */
struct session *session_find(struct engine *e, struct str sid);
/* Handles a packet from the session's transport. False: it takes no more. */
bool session_receive(struct session *s, enum packet_type type, bool binary, struct str data);
/* Responds to the waiting poll where there is output, or a close is due, which ends the session. */
void session_flush(struct session *s);
/* The session's transport is w from now on. */
void session_upgrade(struct session *s, struct ws *w);
/* The application's due_ms has changed. */
void session_rearm(struct session *s);

/* The body of a poll's response: all queued packets, or else the packet `otherwise`; engine->out's.
   Empties the queue. */
struct str session_payload(struct session *s, const char *otherwise);

enum session_end {
	END_LOST, /* the transport is closed */
	END_BY_PEER,
	END_BY_US /* a waiting poll gets a close packet */
};
/* Ends it at once. Idempotent. `code` and `reason` are for a WebSocket. */
void session_end(struct session *s, enum session_end how, unsigned code, const char *reason);
/* The same for applications, after the queued output has been sent; where it polls, with the poll
   after that one. */
void session_close(struct session *s, unsigned code, const char *reason);

/* The form of packets on the session's transport, below 16. Packets of one shape are shared. */
unsigned session_shape(const struct session *s);
/* A message as a packet of that shape; one reference, the caller's. */
struct buffer *session_packet(struct engine *e, unsigned shape, bool binary, struct str message);
/* Queues a packet of the session's shape. Ends the session where far too much is unread. */
void session_send_packet(struct session *s, struct buffer *packet);
/* The same with a message. */
void session_send(struct session *s, bool binary, struct str message);
/* Is there room for `len` more bytes of output that could wait? May end the session. */
bool session_has_room(struct session *s, size_t len);
/* Is all output sent? */
bool session_is_idle(const struct session *s);

/* A session costs its peer next to nothing, and may be anonymous: such sessions are evicted, the
   oldest first, where there is no room for another stream. The application marks it; idempotent. */
void session_mark_anonymous(struct session *s);
void session_mark_identified(struct session *s);
/* Ends the oldest anonymous session at once; false where there is none. */
bool engine_evict(struct engine *e);

/* Frees p from the loop, once nobody on the stack can use it. NULL is ignored. */
void engine_defer_free(struct engine *e, void *p);
/* Frees all of it now: nobody is on the stack. */
void engine_free_deferred(struct engine *e);

#endif
