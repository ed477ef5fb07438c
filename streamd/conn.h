/*
 * One connection from nginx, which carries one request: its head is read, it becomes an event
 * stream (sse.h), a deferred reply (deferred.h), a WebSocket (ws.h) or a poll of Engine.IO
 * (poll.h), and it ends. Output is queued as references to shared buffers and written once a turn.
 *
 * A closed connection stays in memory until the turn's end, so callers further up the stack may
 * still look at it: any call that can close it leaves `dead` to be checked. One thread.
 */
#ifndef STREAMD_CONN_H
#define STREAMD_CONN_H

#include <millrace/json.h>
#include <millrace/loop.h>

#include "streamd/events/event.h"
#include "streamd/events/hub.h"
#include "streamd/server.h"

struct conn;
struct deferred;
struct poll;
struct sse;
struct ws;

/* For a handover: writes a connection's state as members of a JSON object, each followed by a
   comma, with "kind" among them; false: it cannot be handed over now. */
typedef bool save_fn(const struct conn *c, struct buf *out);
/* Gives an adopted connection that state and its kind; false: the state is malformed. */
typedef bool restore_fn(struct conn *c, json_object *from);

/* What a connection carries. */
struct conn_kind {
	save_fn *save; /* optional */
	/* Input; valid during the call. Optional: input is discarded. */
	void (*bytes)(struct conn *c, struct str bytes);
	/* When `due` is to be called, on loop_now's clock; 0: never. */
	int64_t (*due_ms)(const struct conn *c);
	void (*due)(struct conn *c);
	/* All output has been written. Optional. */
	void (*drained)(struct conn *c);
	/* The peer has read nothing for MILLRACE_STREAM_STALL_SECONDS: drop what is queued and
	   queue a last message. Optional; without it, or the second time, the connection is
	   closed. */
	void (*stalled)(struct conn *c);
	/* The process stops: end the connection so that its client comes back. */
	void (*stop)(struct conn *c);
	/* The connection is closed: frees what is the kind's own. */
	void (*gone)(struct conn *c);
};

#define CONN_INLINE 4

struct conn {
	struct loop_fd io;
	struct loop_timer timer;
	struct server *server;
	const struct conn_kind *kind;
	struct conn *prev, *next; /* in server->conns, or server->dead */
	struct conn *dirty_next;
	struct sub sub;
	struct buffer **queue; /* inline_queue, or a larger array of its own */
	struct buffer *inline_queue[CONN_INLINE];
	uint16_t n, room;
	bool dirty, dead, closing, stalled;
	bool handed_over; /* a successor has it */
	bool draining; /* its kind's `stop` has been called */
	uint32_t queued; /* bytes in the queue, with what is written of its first buffer */
	uint32_t written; /* of the first buffer */
	int64_t progress_ms; /* when the peer last read something, or the queue began */
	int64_t put_ms; /* when something was last queued */
	int64_t ends_ms; /* time limit of the head, the grant or the reply; 0: none */
	union {
		struct http_head *head;
		struct sse *sse;
		struct deferred *deferred;
		struct ws *ws;
		struct poll *poll;
	};
};

/* The connection that embeds s. */
struct conn *conn_of_sub(const struct sub *s);

/* A new connection on `fd`, which it takes over; server->accepted sets its kind. */
void conn_open(struct server *s, int fd);
/* The same for a handover: it has no kind until a restore_fn sets it. */
struct conn *conn_adopt(struct server *s, int fd);
/* Writes what all kinds have in common as members of a JSON object, without a last comma. */
void conn_save(const struct conn *c, struct buf *out);
/* Reads it back; call it before the kind's restore_fn, so that unsent output comes first. */
void conn_restore(struct conn *c, json_object *from);
/* May `len` more bytes be queued? An empty queue takes any number. */
bool conn_has_room(const struct conn *c, size_t len);
/* Queues a reference to b, written at the turn's end; nothing where it is closing or dead. */
void conn_put(struct conn *c, struct buffer *b);
/* Writes what can be written now. May close the connection. */
void conn_flush(struct conn *c);
/* Drops queued buffers of which nothing is written yet. */
void conn_drop_unsent(struct conn *c);
/* Takes no more output, and closes once the queue is written. */
void conn_finish(struct conn *c);
/* Closes at once, with unsent output lost. Idempotent. */
void conn_close(struct conn *c);
/* The kind's due_ms has changed. */
void conn_rearm(struct conn *c);
/* Changes what the connection carries; the caller has freed what was the former kind's own. */
void conn_set_kind(struct conn *c, const struct conn_kind *kind);

#endif
