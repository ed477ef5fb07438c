/*
 * Where a socket stands in the topics that it listens to, as text that its client keeps and brings back ("offset" in Socket.IO's connection
 * state recovery): "a<agent>.<seq>~u<user>.<seq>", "~" for none. It is not secret and not believed: each topic is asked for again.
 */
#ifndef STREAMD_SOCKETIO_OFFSET_H
#define STREAMD_SOCKETIO_OFFSET_H

#include <millrace/arena.h>

#define OFFSETS_MAX 50

struct offset {
	char kind; /* 'a': an agent, 'u': a user */
	struct uuid id;
	int64_t seq; /* the last event that was given */
};

/* Takes "agent_<id>" or "user_<id>"; `seq` is left alone. */
bool offset_of_room(struct str room, struct offset *out);
/* "agent_<id>", "agent:<id>"; the arena's. */
struct str offset_room(struct arena *a, const struct offset *p);
struct str offset_topic(struct arena *a, const struct offset *p);
/* Adds the place to an offset that is being written: "a<id>.<seq>", after "~" where others stand before it. */
void offset_put(struct buf *b, const struct offset *p);
/* The offset as places; -1 where it is none, names a topic twice, or has more than OFFSETS_MAX. */
int offsets_read(struct str offset, struct offset *out);
bool offset_same_topic(const struct offset *a, const struct offset *b);

#endif
