/*
 * Socket.IO 5 over sessions of Engine.IO: namespaces, events, acknowledgements and the binary data that comes after an event. What
 * sockets are for is the application's (rooms.h): who may connect, and what is done with events.
 *
 * A session has one socket for each namespace that it is in.
 */
#ifndef STREAMD_SOCKETIO_SOCKETIO_H
#define STREAMD_SOCKETIO_SOCKETIO_H

#include <millrace/json.h>

#include "streamd/socketio/packet.h"
#include "streamd/socketio/engine_session.h"

/* Namespaces, with "/", the first; a shape's (session.h) and a namespace's number make the key of an event's form. */
#define SIO_NAMESPACES_MAX 16

struct sio_client;

struct sio_socket {
	struct sio_socket *prev, *next;
	struct sio_client *client;
	void *own; /* the application's */
	char id[SID_LEN + 1];
	uint8_t nsp; /* its namespace's number */
	bool connected; /* and not only asking to be */
	bool gone;
};

/* An event, or an acknowledgement, with its binary data; its bytes stay as long as the call. */
struct sio_event {
	struct str args; /* a JSON array: the event's name first */
	int64_t id; /* SIO_NO_ID: no acknowledgement is asked for */
	unsigned attachments;
	const struct str *attached;
};

struct sio_app {
	/* A socket asks to connect; `payload` is a JSON object, or absent. Now or later it is accepted or refused. */
	void (*connect)(struct sio_socket *s, struct str payload);
	void (*event)(struct sio_socket *s, const struct sio_event *e);
	/* There is room again; optional, as the next two. */
	void (*drained)(struct sio_socket *s);
	int64_t (*due_ms)(const struct sio_socket *s);
	void (*due)(struct sio_socket *s);
	/* The socket is no more: called once, and nothing after it. */
	void (*gone)(struct sio_socket *s);
	/* A handover, as in struct engine_app; both optional. */
	bool (*save)(const struct sio_socket *s, struct buf *out);
	bool (*restore)(struct sio_socket *s, json_object *from);
};

/* For engine_new, whose `upper` is a struct sio_app. */
extern const struct engine_app socketio_app;

/* Whose it is; never NULL while the socket is there. */
struct session *sio_session(const struct sio_socket *s);
/* "/admin". */
struct str sio_namespace(const struct sio_socket *s);
/* A fresh id for a socket that connects. */
void sio_new_id(struct sio_socket *s);

/* Connects the socket; `pid` is what it may be recovered by, or absent. */
void sio_accept(struct sio_socket *s, struct str pid);
/* CONNECT_ERROR with that JSON; the socket is gone. */
void sio_refuse(struct sio_socket *s, struct str why);
/* An event: `args` is a JSON array. */
void sio_emit(struct sio_socket *s, const struct sio_event *e);
/* Acknowledges the event `id` with a JSON array. */
void sio_ack(struct sio_socket *s, const struct sio_event *e);
/* The namespace is closed for the client, and then the session. */
void sio_end(struct sio_socket *s, const char *reason);
/* The application's due_ms has changed. */
void sio_rearm(struct sio_socket *s);

#endif
