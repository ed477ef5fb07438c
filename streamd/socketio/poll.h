/* A waiting poll of Engine.IO: a GET whose response is the session's next output. */
#ifndef STREAMD_SOCKETIO_POLL_H
#define STREAMD_SOCKETIO_POLL_H

#include "streamd/conn.h"
#include "streamd/socketio/engine_session.h"

#define TEXT_TYPE S("text/plain; charset=UTF-8")

/* Makes the connection the session's waiting poll; `headers` are lines for the response, which are
   copied. The session has none. */
void poll_wait(struct session *s, struct conn *c, struct str headers);
/* Responds to the session's waiting poll, which it has. */
void poll_send(struct session *s, struct str payload);
/* Responds with Cache-Control: no-store and finishes the connection; `a` is used for scratch. */
void poll_reply(struct conn *c, struct arena *a, int status, struct str type, struct str headers,
    struct str body);
restore_fn poll_restore;

#endif
