/*
 * The server: the listening socket, all connections, and what happens once a turn. Everything that came in during a turn is
 * queued first; then each connection that has something is written to once.
 */
#ifndef STREAMD_SERVER_H
#define STREAMD_SERVER_H

#include <millrace/loop.h>

#include "streamd/events/hub.h"

struct access;
struct conn;
struct engine;
struct http_head;
struct reader;

struct server {
	struct loop_fd listener; /* first: the loop gives it back */
	struct loop_timer pause; /* armed: nothing is accepted until it fires */
	struct loop_timer last_call; /* armed: stopping; what is left then is cut off */
	struct loop_timer farewell; /* armed: stopping; the next are told when it fires */
	size_t farewells; /* how many at a time */
	struct loop *loop;
	struct hub *hub;
	struct reader *reader;
	struct access *access;
	struct engine *engine; /* Socket.IO's */
	struct arena *scratch; /* for the length of one callback */
	size_t streams_max; /* held at once: the setting, or what the limit of open files lets us */
	size_t connections_max; /* with those that are open to be refused in words */
	struct conn *conns;
	struct conn *dirty; /* have something to write */
	struct conn *dead; /* to be freed at the turn's end */
	/* Takes every whole request in the place of request.c's routes; NULL but in tests. */
	void (*request)(struct conn *c, struct http_head *h);
	bool stopping;
};

/* Gets ready; s is zero-initialised but for loop, hub, reader and access. */
void server_open(struct server *s);
/* Starts accepting on `fd`. */
void server_start(struct server *s, int fd);
/* Where to go on in s->conns with `next`, which was noted before a connection was closed: closing one may close others of its session,
   and those are in another list then. */
struct conn *server_go_on(const struct server *s, struct conn *next);
/* Writes what can be written now. */
void server_flush(struct server *s);
/* Closes all connections at once. */
void server_drop_all(struct server *s);
/* Stops accepting, says goodbye to everyone, to many of them over two seconds, so that they do not all come back at once, and stops the
   loop when all are gone or 5 s have passed. */
void server_stop(struct server *s);
/* Frees what is left; after the loop has stopped. */
void server_end(struct server *s);
/* For loop_each_turn. */
void server_turn(void *server);
/* A connection has gone: there is room again. */
void server_has_room(struct server *s);
/* Is there room for one more stream, session or waiting reply? Where there is none, a stranger (session.h) gives way. */
bool server_make_room(struct server *s);

#endif
