/*
 * Offsets: up to which event a socket has been sent each of its topics, as text that its client
 * keeps and brings back ("offset" in Socket.IO's connection state recovery):
 * "a<agent>.<seq>~u<user>.<seq>", "~" for none. It is not secret and not trusted: each topic is
 * queried again. No state; any thread.
 */
#ifndef STREAMD_SOCKETIO_OFFSET_H
#define STREAMD_SOCKETIO_OFFSET_H

#include <millrace/arena.h>

#define OFFSETS_MAX 50

/* The offset in one topic. */
struct offset {
	char kind; /* 'a': an agent's topic, 'u': a user's */
	struct uuid id;
	int64_t seq; /* of the last event sent */
};

/* The topic of the room "agent_<id>" or "user_<id>", with `seq` unchanged; false, with *out
   undefined, where the name is neither. */
bool offset_of_room(struct str room, struct offset *out);
/* "agent_<id>", "agent:<id>"; the arena's. */
struct str offset_room(struct arena *a, const struct offset *o);
struct str offset_topic(struct arena *a, const struct offset *o);
/* Appends it to a text of offsets. */
void offset_put(struct buf *b, const struct offset *o);
/* Reads a text of offsets into `out`, which has room for OFFSETS_MAX. Returns their number, or -1
   where it is malformed, names a topic twice, or has too many. */
int offsets_read(struct str text, struct offset *out);
bool offset_same_topic(const struct offset *a, const struct offset *b);

#endif
