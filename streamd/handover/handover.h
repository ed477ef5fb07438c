/*
 * A streamd that is replaced hands everything that it holds to its successor: the listening socket
 * and each open connection as descriptors (SCM_RIGHTS, unix(7)), each with its state, so that no
 * stream ends. The successor requests it at its start, over a socket in
 * $MILLRACE_RUNTIME_DIR/streamd that only the same user and root may use; or the old process
 * starts it, when `millracectl streamd handover` requests that. Until the successor confirms, the
 * old process keeps everything: without the confirmation it goes on.
 *
 * One handover at a time; it blocks the process for up to 5 s a step.
 */
#ifndef STREAMD_HANDOVER_HANDOVER_H
#define STREAMD_HANDOVER_HANDOVER_H

#include "streamd/server.h"

/* Takes over from a predecessor where there is one: *listener becomes its listening socket where it
   was -1, and connections and sessions are restored into s, which has not started. False, with
   nothing restored, where there is none or it fails. Blocks. */
bool takeover(struct server *s, int *listener);
/* Listens for a successor and for millracectl. Where it cannot, it logs that, and a restart drains
   instead. */
void handover_open(struct server *s);
/* Idempotent. */
void handover_close(struct server *s);

#endif
