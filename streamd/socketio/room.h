/*
 * A socket's rooms: topics of the event log that it is subscribed to, or queries about. A member
 * is the socket's part that holds them. For rooms.c, which gives Socket.IO's events their meaning.
 *
 * Anything that sends may end the member's session: check socket->gone afterwards.
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
	ROOM_JOINING, /* a join without a reply */
	ROOM_RECOVERING, /* the same, as part of a recovery */
	ROOM_JOINED
};

struct room {
	struct sub sub;
	struct room *prev, *next;
	struct member *member;
	struct topic_query query;
	struct offset offset; /* its seq is where a recovery goes on; once joined, sub.sent is */
	int64_t ack; /* the join's acknowledgement id, or SIO_NO_ID */
	enum room_state state;
};

struct member {
	struct sio_socket *socket;
	struct principal principal;
	struct token_check token;
	struct room *rooms;
	struct recovery *recovery; /* until it is connected */
	int64_t ends_ms; /* when the token expires, on loop_now's clock; 0: never */
	uint8_t n_rooms, n_joined;
	uint8_t n_pending; /* a recovery's queries without a reply */
	bool unfit; /* the recovery is refused, */
	bool overloaded; /* or has no reply */
};

static inline struct server *
member_server(const struct member *m)
{
	return sio_session(m->socket)->engine->server;
}

/* The text of its offsets (offset.h); the arena's. */
struct str member_offset(struct arena *a, const struct member *m);
/* Acknowledges with {"ok":true,"room":…}; nothing where ack is SIO_NO_ID. */
void member_ok(struct member *m, int64_t ack, const struct offset *offset);
/* Acknowledges with {"ok":false,"error":…,"code":…,"room":…}, or sends
   {"message":…,"code":…,"room":…} as an `error` event where ack is SIO_NO_ID. `text` NULL: e's
   own; `room` may be absent. */
void member_error(struct member *m, int64_t ack, enum err e, const char *text, struct str room);
/* Ends the session for want of a reply from the database; the client comes back. */
void member_retry_later(struct member *m);
/* In rooms.c: all queries of a recovery have their reply. */
void member_recovered(struct member *m);
/* Sends `joined` or `left` with the member's offset, which has changed. */
void member_notify_rooms(struct member *m, const char *event, const struct offset *offset);

/* A new room of the member, not subscribed yet. */
struct room *room_new(
    struct member *m, const struct offset *offset, enum room_state state, int64_t ack);
/* Queries whether it may be joined, or once it is, may stay. May end it, and the session. */
void room_query(struct room *r);
/* Subscribes to events after seq `after`. */
void room_join(struct room *r, int64_t after);
/* Unsubscribes and cancels; its memory is freed by engine_defer_free. */
void room_end(struct room *r);
/* member_error about the room, for the join that it is from. */
void room_error(struct room *r, enum err e, const char *text);
/* The member's room of that topic that is joined, or is not yet; NULL where there is none. */
struct room *room_find(struct member *m, const struct offset *offset, bool joined);

#endif
