/*
 * Millrace's Socket.IO: a socket joins rooms, "agent_<id>" and "user_<id>", which are topics of the
 * event log that its user may listen to, and is sent their events as `<type>` with the data and
 * the socket's offset (offset.h). A client that was cut off and comes back with its pid and its
 * last offset is the same socket, in the same rooms, and is sent what it missed. Nothing of that
 * is kept here, so it works after a restart and on another host.
 */
#ifndef STREAMD_SOCKETIO_ROOMS_H
#define STREAMD_SOCKETIO_ROOMS_H

#include "streamd/socketio/socketio.h"

extern const struct sio_app rooms_app;

#endif
