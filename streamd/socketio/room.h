/*
 * A room of a socket: a topic of the event log that is listened to, or asked for; and the socket's part that holds its rooms. For
 * rooms.c, which is what Socket.IO's events mean here.
 */
#ifndef STREAMD_SOCKETIO_ROOM_H
#define STREAMD_SOCKETIO_ROOM_H

#include <millrace/err.h>

#include "streamd/events/token_check.h"
#include "streamd/events/topics.h"
#include "streamd/socketio/offset.h"
#include "streamd/socketio/socketio.h"

#define MAC_LEN 43 /* 32 bytes in base64url */
#define PID_LEN (SID_LEN + MAC_LEN)

/* What a client that comes back has brought. */
struct recovery {
	char pid[PID_LEN + 1];
	int n;
	struct offset offsets[OFFSETS_MAX];
};

enum room_state {
	ROOM_JOINING, /* a join that is not answered yet */
	ROOM_RECOVERING, /* the same, as part of a recovery */
	ROOM_JOINED
};

struct room {
	struct sub sub; /* first: the hub gives it back */
	struct room *prev, *next;
	struct member *member;
	struct topic_query query;
	struct offset offset; /* where a recovery goes on; once joined, `sub` knows */
	int64_t ack; /* what the join asked for */
	enum room_state state;
};

/* A socket's part here. */
struct member {
	struct sio_socket *socket;
	struct principal principal;
	struct token_check token;
	struct room *rooms;
	struct recovery *recovery; /* until it is connected */
	int64_t ends_ms; /* when the token ends; 0: never */
	uint8_t n_rooms, n_joined;
	uint8_t n_pending; /* of a recovery's topics, those without an answer */
	bool unfit; /* something about the recovery does not fit */
	bool overloaded; /* or could not be asked */
};

/* Its place in each room (place.h). */
struct str member_offset(struct arena *a, const struct member *m);
/* To the acknowledgement that was asked for: {"ok":true,"room":…}. */
void member_ok(struct member *m, int64_t ack, const struct offset *offset);
/* {"ok":false,"error":…,"code":…,"room":…} to the acknowledgement, or {"message":…,"code":…,"room":…} as an `error` event where none was
   asked for. `text` NULL: e's own. */
void member_error(struct member *m, int64_t ack, enum err e, const char *text, struct str room);
/* Nobody can say now what may be listened to: ends the session, so that the client comes back and is told then. */
void member_retry_later(struct member *m);
/* rooms.c's: all that a recovery asks for has been answered. */
void member_recovered(struct member *m);

/* A room that is not joined yet; the member's. */
struct room *room_new(
    struct member *m, const struct offset *offset, enum room_state state, int64_t ack);
/* Asks whether it may be joined, or (once it is) still. May end it, and the session. */
void room_query(struct room *r);
/* Listens to everything after that. */
void room_join(struct room *r, int64_t after);
/* Leaves it, or asks no more. It stays in memory as engine_defer_free leaves it. */
void room_end(struct room *r);
/* `joined` or `left`, as an event with the member's offset, which has changed. */
void member_notify_rooms(struct member *m, const char *event, const struct offset *offset);
/* member_error about the room, for the join that asked. */
void room_error(struct room *r, enum err e, const char *text);
/* The member's room of that place, joined or not yet; or NULL. */
struct room *room_find(struct member *m, const struct offset *offset, bool joined);

#endif
