/*
 * Sessions of Engine.IO 4: what stays while polls come and go, and while a session moves from polling to a WebSocket. A session
 * queues packets until a poll takes them, or says them over its WebSocket at once; it pings its peer, and ends where the peer is
 * silent. What is spoken over it is its engine's application's.
 *
 * A session without anything to say is this struct and what the application keeps; nothing else.
 */
#ifndef STREAMD_SOCKETIO_ENGINE_SESSION_H
#define STREAMD_SOCKETIO_ENGINE_SESSION_H

#include <millrace/json.h>

#include <uthash.h>

#include "streamd/events/principal.h"
#include "streamd/socketio/packet.h"
#include "streamd/server.h"
#include "streamd/websocket/ws.h"

#define SID_BYTES 15
#define SID_LEN 20 /* in base64url */

struct session;

/* What is spoken over sessions. Each may close its session, and look at it afterwards. */
struct engine_app {
	/* The session is there; may set `own`. */
	void (*open)(struct session *s);
	/* A message; its bytes stay as long as the call. False: it is none of the application's, and the session ends. */
	bool (*message)(struct session *s, bool binary, struct str bytes);
	/* There is room again; optional. */
	void (*drained)(struct session *s);
	/* When something of the application's is due (loop_now's clock, 0: nothing), and that it is; both optional. */
	int64_t (*due_ms)(const struct session *s);
	void (*due)(struct session *s);
	/* It ends, by whichever side: called once, and nothing after it. Frees `own`, with engine_defer_free. */
	void (*closed)(struct session *s);
	/* For a handover: its state as members of a JSON object, each with its comma behind it (false: it cannot be moved now), and the
	   session's, made again, from them; both optional. */
	bool (*save)(const struct session *s, struct buf *out);
	bool (*restore)(struct session *s, json_object *from);
};

/* All sessions of one application. */
struct engine {
	struct server *server;
	const struct engine_app *app;
	const void *upper; /* the application's own application, or NULL */
	struct session *sessions;
	struct session *anonymous; /* whom nobody knows, the oldest first */
	struct arena *in; /* for the length of one message */
	struct arena *out; /* for the making of one packet */
	struct loop_timer deferred_timer;
	void **deferred; /* to be freed once nobody on the stack looks at them */
	size_t n_deferred, room;
};

struct session {
	UT_hash_handle hh;
	struct session *prev, *next; /* of the strangers, while it is one */
	struct engine *engine;
	void *own; /* the application's */
	struct loop_timer timer;
	char sid[SID_LEN + 1];
	/* Who opened it, as the worker has identified them; `user` absent: nobody. */
	struct principal who;
	int64_t who_ends_ms; /* loop_now's clock; 0: never */
	struct ws *ws; /* NULL: it polls */
	struct ws *probe; /* a WebSocket that may become the transport */
	struct conn *poll; /* a poll that waits */
	struct buffer **queue; /* packets in text form, while it polls */
	uint16_t n, room;
	uint32_t queued; /* their bytes */
	int64_t heartbeat_ms; /* the next ping, or the end of the extended after one */
	int64_t probe_ms; /* when a probe is given up */
	int64_t end_ms; /* ending: how long it waits for the poll that takes the last words */
	bool polls; /* it has not moved to a WebSocket */
	bool is_anonymous;
	bool pinged; /* and not answered */
	bool extended; /* has been renewed since the ping */
	bool probed; /* polls are answered at once, so that the client can leave them */
	bool corked; /* a poll waits until all that came together has been dealt with */
	bool ending, ended;
};

/* Opens a session, which polls or is given its WebSocket next. */
struct session *session_new(struct engine *e, bool polls);
/* For a handover: a session's state, as save_fn (handover.h), and the session made again; NULL where what is said makes no sense. */
bool session_save(const struct session *s, struct buf *out);
struct session *session_restore(struct engine *e, json_object *from, bool polls);
/* NULL where there is none. */
struct session *session_find(struct engine *e, struct str sid);
/* Packets that came over the session's transport. False: nothing more is taken from it. */
bool session_receive(struct session *s, enum packet_type type, bool binary, struct str data);
/* Answers the waiting poll where there is something to answer. */
void session_flush(struct session *s);
/* The session now speaks over `w`. */
void session_upgrade(struct session *s, struct ws *w);
/* Something about what is due has changed. */
void session_rearm(struct session *s);

/* The bytes of a poll's answer: all that is queued, or else the packet `otherwise`; engine->out's. Empties the queue. */
struct str session_payload(struct session *s, const char *otherwise);

enum session_end {
	END_LOST, /* the transport is gone */
	END_BY_PEER,
	END_BY_US /* now; what a waiting poll has to be told is a close */
};
/* At once. Idempotent. `code` and `reason` are for a WebSocket. */
void session_end(struct session *s, enum session_end how, unsigned code, const char *reason);
/* For applications: what has been said is still heard. */
void session_close(struct session *s, unsigned code, const char *reason);

/* How packets look on the session's transport: below 16. Packets of one shape are shared. */
unsigned session_shape(const struct session *s);
/* A message as a packet of that shape; one reference, the caller's. */
struct buffer *session_packet(struct engine *e, unsigned shape, bool binary, struct str message);
/* Queues a packet of the session's shape, whoever reads; a reader that leaves far too much unread is closed. */
void session_send_packet(struct session *s, struct buffer *packet);
/* The same with a message. */
void session_send(struct session *s, bool binary, struct str message);
/* Would so many more bytes be read soon? */
bool session_has_room(struct session *s, size_t len);
/* Is nothing waiting to be read? */
bool session_is_idle(const struct session *s);

/*
 * A session costs its peer next to nothing, and nobody may have said whose it is: such a one gives way, the oldest first, where there is no
 * room for somebody else. Its application says which it is; both are idempotent.
 */
void session_mark_anonymous(struct session *s);
void session_mark_identified(struct session *s);
/* Ends the oldest at once; false where there is none. */
bool engine_evict(struct engine *e);

/* free(p), once nobody on the stack may still look at it. */
void engine_defer_free(struct engine *e, void *p);
/* Nobody is on the stack. */
void engine_free_deferred(struct engine *e);

#endif
