/*
 * A poll of Engine.IO that waits: a GET whose answer is whatever its session has to say next.
 */
#ifndef STREAMD_SOCKETIO_POLL_H
#define STREAMD_SOCKETIO_POLL_H

#include "streamd/conn.h"
#include "streamd/socketio/engine_session.h"

#define TEXT_TYPE S("text/plain; charset=UTF-8")

/* The connection waits for what the session will have to say; `headers` are lines for the answer. */
void poll_wait(struct session *s, struct conn *c, struct str headers);
/* Answers the poll that waits for the session; it waits no more. */
void poll_send(struct session *s, struct str payload);
/* A finished reply that nobody is to keep a copy of; `a` is for scratch. */
void poll_reply(struct conn *c, struct arena *a, int status, struct str type, struct str headers,
    struct str body);
restore_fn poll_restore;

#endif
