/*
 * Engine.IO 4 over HTTP: which request opens a session, polls for it, posts to it or upgrades it to
 * a WebSocket, and which is refused, as the reference server does it. engine_session.h has the
 * sessions themselves. One thread; nothing blocks.
 */
#ifndef STREAMD_SOCKETIO_ENGINE_H
#define STREAMD_SOCKETIO_ENGINE_H

#include <millrace/grant.h>

#include "streamd/conn.h"
#include "streamd/socketio/engine_session.h"

/* An engine with the sessions of `app`; `upper` is the application's own application. Never NULL.
   The caller frees it with engine_free, after all connections. */
struct engine *engine_new(struct server *s, const struct engine_app *app, const void *upper);
void engine_free(struct engine *e);
/* Ends all sessions without a message to their peers. */
void engine_drop_all(struct engine *e);

/* For the table of targets: a request for server->engine. Responds, or sets the connection's kind
   and frees h. */
void engine_start(struct conn *c, struct http_head *h, const struct grant *g);
/* The same for any engine. */
void engine_serve(struct engine *e, struct conn *c, struct http_head *h, const struct grant *g);

/* For a handover: a session with a WebSocket, and one that polls and has no descriptor. False: the
   state is malformed, and the session gone. */
restore_fn engine_restore_ws;
bool engine_restore_session(struct server *s, json_object *from);
/* Passes the state of each session between two polls to `send`, until that returns false, which is
   the result then; `a` is reset by the caller. */
bool engine_save_sessions(
    struct engine *e, struct arena *a, bool (*send)(void *arg, struct str state), void *arg);

#endif
