/*
 * One connection from nginx, which carries one request: its head is read, it becomes an event stream (sse.h), a waiting reply
 * (reply.h), a WebSocket (ws.h) or a poll of Engine.IO (poll.h), and it ends. What it says is queued as references to shared
 * buffers and written once a turn.
 *
 * A closed connection stays in memory until the turn's end, so callers further up the stack may still look at it.
 */
#ifndef STREAMD_CONN_H
#define STREAMD_CONN_H

#include <millrace/loop.h>
#include <millrace/json.h>

#include "streamd/events/event.h"
#include "streamd/handover/handover.h"
#include "streamd/events/hub.h"
#include "streamd/server.h"

struct conn;
struct http_head;
struct reply;
struct sse;
struct ws;
struct poll;

/* What a connection is, beyond bytes. Those that are optional may be NULL. */
struct conn_kind {
	/* The state that another process can go on from (handover.h); optional. */
	save_fn *save;
	/* What the other side says; optional. */
	void (*bytes)(struct conn *c, struct str bytes);
	/* When something is due: loop_now's clock, 0 for never. */
	int64_t (*due_ms)(const struct conn *c);
	/* It is due. */
	void (*due)(struct conn *c);
	/* Everything queued has been written; optional. */
	void (*drained)(struct conn *c);
	/* The reader has taken nothing for too long; what is queued and was not begun may be given up for a last word. Optional;
	   where it is not there, or at the second time, the connection is closed. */
	void (*stalled)(struct conn *c);
	/* The process stops. */
	void (*stop)(struct conn *c);
	/* The connection is gone; frees what is the kind's own. */
	void (*gone)(struct conn *c);
};

#define CONN_FEW 4

struct conn {
	struct loop_fd io; /* first: the loop gives it back */
	struct loop_timer timer;
	struct server *server;
	const struct conn_kind *kind;
	struct conn *prev, *next; /* of the server's list, or the dead */
	struct conn *dirty_next;
	struct sub sub;
	struct buffer **queue; /* few, or a larger array of its own */
	struct buffer *few[CONN_FEW];
	uint16_t n, room;
	bool dirty, dead, closing, stalled;
	bool moving; /* a successor has it */
	bool told; /* that the process stops */
	uint32_t
	    queued; /* bytes in the queue, with the part of its first that is written already */
	uint32_t written; /* of its first */
	int64_t moved_ms; /* when the reader last took something, or the queue began */
	int64_t spoke_ms; /* when something was last queued */
	int64_t ends_ms; /* the head's, the grant's or the reply's time limit; 0: none */
	union {
		struct http_head *head;
		struct sse *sse;
		struct reply *reply;
		struct ws *ws;
		struct poll *poll;
	};
};

/* The connection that a subscriber or a timer is part of. */
struct conn *conn_of_sub(const struct sub *s);

/* Takes over `fd`. */
void conn_open(struct server *s, int fd);
/* The same for one that was somebody's before: it is nothing yet, and a restore_fn makes it what it was. */
struct conn *conn_adopt(struct server *s, int fd);
/* What is the same for all kinds, for a handover: members of a JSON object, the first without a comma before it. */
void conn_save(const struct conn *c, struct buf *out);
/* What was left to be written comes before anything that its restore_fn, which is called next, may say. */
void conn_restore(struct conn *c, json_object *from);
/* May so many more bytes be queued? An empty queue takes anything. */
bool conn_has_room(const struct conn *c, size_t len);
/* Queues a reference to b; it is written at the turn's end. */
void conn_put(struct conn *c, struct buffer *b);
/* Writes what can be written. May close the connection. */
void conn_flush(struct conn *c);
/* Gives up what is queued and not begun: for a last word to a reader that does not keep up. */
void conn_forget(struct conn *c);
/* Nothing more will be queued: closes once everything is written. */
void conn_finish(struct conn *c);
/* At once, with whatever is queued unsent. Idempotent. */
void conn_close(struct conn *c);
/* Something about what is due has changed. */
void conn_rearm(struct conn *c);
/* Changes what the connection is. The kind before is not told; its own must be given away or freed. */
void conn_become(struct conn *c, const struct conn_kind *kind);

#endif
