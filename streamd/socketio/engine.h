/*
 * Engine.IO 4 over HTTP: which request opens a session, polls for it, speaks for it, or moves it to a WebSocket, and which is
 * refused, as the reference server does it. The sessions themselves are session.h's.
 */
#ifndef STREAMD_SOCKETIO_ENGINE_H
#define STREAMD_SOCKETIO_ENGINE_H

#include <millrace/grant.h>

#include "streamd/conn.h"
#include "streamd/socketio/engine_session.h"

/* The sessions of `app`; `upper` is the application's own. The caller frees it with engine_free, after all connections. */
struct engine *engine_new(struct server *s, const struct engine_app *app, const void *upper);
void engine_free(struct engine *e);
/* Ends all sessions without a word. */
void engine_drop_all(struct engine *e);

/* A request for the server's Socket.IO; frees `h` with all that g points to. */
void engine_start(struct conn *c, struct http_head *h, const struct grant *g);
/* The same for any engine. */
void engine_serve(struct engine *e, struct conn *c, struct http_head *h, const struct grant *g);

/* A handover (handover.h): sessions over a WebSocket, and sessions that wait for a poll, which have no descriptor. */
restore_fn engine_restore_ws;
bool engine_restore_session(struct server *s, json_object *from);
/* Gives the state of each session that waits for a poll to `send`, until that answers false. */
bool engine_save_sessions(
    struct engine *e, struct arena *a, bool (*send)(void *arg, struct str state), void *arg);

#endif
