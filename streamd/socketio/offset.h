/*
 * Where a socket stands in the topics that it listens to, as text that its client keeps and brings back ("offset" in Socket.IO's connection
 * state recovery): "a<agent>.<seq>~u<user>.<seq>", "~" for none. It is not secret and not believed: each topic is asked for again.
 */
#ifndef STREAMD_SOCKETIO_OFFSET_H
#define STREAMD_SOCKETIO_OFFSET_H

#include <millrace/arena.h>

#define PLACES_MAX 50

struct place {
	char kind; /* 'a': an agent, 'u': a user */
	struct uuid id;
	int64_t seq; /* the last event that was given */
};

/* Takes "agent_<id>" or "user_<id>"; `seq` is left alone. */
bool place_of_room(struct str room, struct place *out);
/* "agent_<id>", "agent:<id>"; the arena's. */
struct str place_room(struct arena *a, const struct place *p);
struct str place_topic(struct arena *a, const struct place *p);
/* Adds the place to an offset that is being written: "a<id>.<seq>", after "~" where others stand before it. */
void place_put(struct buf *b, const struct place *p);
/* The offset as places; -1 where it is none, names a topic twice, or has more than PLACES_MAX. */
int places_read(struct str offset, struct place *out);
bool place_is_of(const struct place *a, const struct place *b);

#endif
