/*
 * Socket.IO 5 over sessions of Engine.IO: namespaces, events, acknowledgements, and the binary data
 * that follows an event. What sockets are for is the application's (rooms.h): who may connect, and
 * what events mean.
 *
 * A session has one socket for each namespace that it is connected to. A socket that is gone stays
 * in memory until nobody on the stack can use it: anything that sends leaves `gone` to be checked.
 * One thread; nothing blocks.
 */
#ifndef STREAMD_SOCKETIO_SOCKETIO_H
#define STREAMD_SOCKETIO_SOCKETIO_H

#include <millrace/json.h>

#include "streamd/socketio/engine_session.h"
#include "streamd/socketio/packet.h"

/* Namespaces, with "/" as number 0. A packet's shape (engine_session.h) and a namespace's number,
   below 16 each, make the key of an event's form. */
#define SIO_NAMESPACES_MAX 16

struct sio_client;

struct sio_socket {
	struct sio_socket *prev, *next;
	struct sio_client *client;
	void *own; /* the application's */
	char id[SID_LEN + 1];
	uint8_t nsp; /* its namespace's number */
	bool connected; /* accepted by the application */
	bool gone;
};

/* An event or an acknowledgement, with its binary data; valid during the call. */
struct sio_event {
	struct str args; /* a JSON array; an event's begins with its name */
	int64_t id; /* SIO_NO_ID: no acknowledgement is requested */
	unsigned attachments;
	const struct str *attached;
};

struct sio_app {
	/* A socket requests to connect; `payload` is a JSON object, or absent. Call sio_accept or
	   sio_refuse, now or later. */
	void (*connect)(struct sio_socket *s, struct str payload);
	void (*event)(struct sio_socket *s, const struct sio_event *e);
	/* All output has been sent. Optional. */
	void (*drained)(struct sio_socket *s);
	/* When `due` is to be called, on loop_now's clock; 0: never. Both optional. */
	int64_t (*due_ms)(const struct sio_socket *s);
	void (*due)(struct sio_socket *s);
	/* The socket is closed; the last call, once. Frees `own`, by engine_defer_free where a
	   callback may be on the stack. */
	void (*gone)(struct sio_socket *s);
	/* For a handover, as in struct engine_app. Optional. */
	bool (*save)(const struct sio_socket *s, struct buf *out);
	bool (*restore)(struct sio_socket *s, json_object *from);
};

/* For engine_new, whose `upper` is a struct sio_app. */
extern const struct engine_app socketio_app;

/* Its session; never NULL while the socket exists. */
struct session *sio_session(const struct sio_socket *s);
/* Its namespace's name ("/admin"). */
struct str sio_namespace(const struct sio_socket *s);
/* Gives a socket that connects a random id. */
void sio_new_id(struct sio_socket *s);

/* Connects the socket; `pid` is for its recovery, or absent. */
void sio_accept(struct sio_socket *s, struct str pid);
/* Sends CONNECT_ERROR with that JSON; the socket is gone. */
void sio_refuse(struct sio_socket *s, struct str why);
/* Sends an event. */
void sio_emit(struct sio_socket *s, const struct sio_event *e);
/* Acknowledges event e->id, unless it is SIO_NO_ID. */
void sio_ack(struct sio_socket *s, const struct sio_event *e);
/* Sends DISCONNECT and closes the session. */
void sio_end(struct sio_socket *s, const char *reason);
/* The application's due_ms has changed. */
void sio_rearm(struct sio_socket *s);

#endif
