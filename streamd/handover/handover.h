/*
 * A streamd that is replaced gives its successor everything that it holds: the listening socket and each open connection as
 * descriptors (SCM_RIGHTS, unix(7)), each with its small state, so that nobody's stream ends. The successor asks for it at its
 * start, over a socket in $MILLRACE_RUNTIME_DIR/streamd that only its own user and root may use; or it is started by the old
 * process itself, when `millracectl streamd handover` asks for that. Until the successor has said that it serves, the old one gives up
 * nothing: where that word does not come, it goes on.
 *
 * On the wire: frames of a 32-bit length in host order and so many bytes of JSON; a descriptor goes with its frame's first byte.
 */
#ifndef STREAMD_HANDOVER_HANDOVER_H
#define STREAMD_HANDOVER_HANDOVER_H

#include <millrace/json.h>

#include "streamd/server.h"

/* Takes over from a predecessor where there is one: *listener becomes its listening socket where it was -1. What was held is restored
   into s, which has begun to serve nothing yet. False where there is nobody to take over from. */
bool takeover(struct server *s, int *listener);
/* Listens for a successor and for millracectl. Where it cannot, a restart tells the clients to come back, and the log says so. */
void handover_open(struct server *s);
void handover_close(struct server *s);

/* A connection's state as members of a JSON object, each with its comma behind it, and `kind` among them, by which takeover.c finds who
   makes it again; false: it cannot be moved now. */
typedef bool save_fn(const struct conn *c, struct buf *out);
/* Makes the connection what it was; false: what is said of it makes no sense. */
typedef bool restore_fn(struct conn *c, json_object *from);

#endif
