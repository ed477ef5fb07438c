/*
 * The server: the listening socket, all connections, and what happens once a loop turn. What
 * arrives during a turn queues its output; at the turn's end each connection with output is
 * written to once.
 *
 * streamd's parts, bottom up. Each includes only itself and parts above it in this list:
 *
 *	metrics, json_scan	no other part
 *	events/			the database: feed, hub, topics, principals, tokens
 *	server, conn		connections, whatever they carry
 *	http/			requests and replies, event streams, deferred replies
 *	websocket/		WebSockets and their channels
 *	socketio/		Engine.IO, Socket.IO and rooms
 *	handover/		everything to another process; wire.h includes no other part
 *	targets, main		what can be requested, and the wiring of all parts
 *
 * What a lower part calls in a higher one, main sets as a callback. One thread; nothing blocks.
 */
#ifndef STREAMD_SERVER_H
#define STREAMD_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include <millrace/loop.h>

struct conn;
struct countdown;
struct engine;
struct feed;
struct http_head;
struct hub;
struct principals;
struct target;
struct tokens;
struct topics;
struct usage;

struct server {
	/* Set before server_open, and the caller's. The events' parts may be NULL where no request
	   needs them (tests). */
	struct loop *loop;
	struct feed *feed;
	struct hub *hub;
	struct countdown *countdown;
	struct principals *principals;
	struct topics *topics;
	struct tokens *tokens;
	struct usage *usage;
	struct engine *engine; /* Socket.IO's; set before server_start */
	/* A connection was accepted: sets its kind. */
	void (*accepted)(struct conn *c);
	/* A whole request, which h is; the connection keeps h until its kind is set. */
	void (*request)(struct conn *c, struct http_head *h);
	/* Ends something anonymous to make room; false where there is nothing. Optional. */
	bool (*evict)(struct server *s);
	/* Draining begins. What sets `leaving` is waited for, as connections are. Optional. */
	void (*stops)(struct server *s);
	const struct target *targets; /* what can be requested (http/dispatch.h) */
	size_t n_targets;

	struct arena *scratch; /* for the length of one callback */
	struct loop_fd listener;
	struct loop_timer accept_pause; /* armed: nothing is accepted until it fires */
	struct loop_timer drain_deadline; /* armed: draining; what is left then is cut off */
	struct loop_timer drain_timer; /* armed: draining; the next batch is due when it fires */
	size_t drain_batch; /* connections */
	size_t streams_max; /* the setting, or what the limit of open files allows */
	size_t connections_max; /* streams_max and those that are open to be refused */
	struct conn *conns;
	struct conn *dirty; /* have output to write */
	struct conn *dead; /* closed, freed at the turn's end */
	bool stopping;
	bool leaving; /* set, and taken back, by who was told in `stops` */
};

/* Prepares s, of which the first part is set and the rest zero. */
void server_open(struct server *s);
/* Starts accepting on `fd`, a listening, non-blocking socket that stays the caller's. */
void server_start(struct server *s, int fd);
/* Continues a walk over s->conns: `next`, noted before a connection was closed, or the list's
   beginning where the close has closed that one too, which is in another list then. */
struct conn *server_next_conn(const struct server *s, struct conn *next);
/* Writes all output that can be written now. */
void server_flush(struct server *s);
/* Closes all connections at once. */
void server_drop_all(struct server *s);
/* Drains: stops accepting and calls each connection's `stop` in batches over two seconds, so that
   clients do not reconnect all at once. Stops the loop when all are closed and nothing is
   `leaving`, or after 4.5 s. */
void server_stop(struct server *s);
/* Frees what is left; after the loop has stopped. */
void server_end(struct server *s);
/* For loop_each_turn; `server` is a struct server. */
void server_turn(void *server);
/* A connection was closed: accepts again where the limit had been reached. */
void server_resume_accepting(struct server *s);
/* Is there room for one more stream, session or deferred reply? Evicts where there is none. */
bool server_make_room(struct server *s);

#endif
