/*
 * Sockets' handshakes. A handler answers its own route or returns the err of the error reply
 * (fcgi/request.h).
 */
#ifndef HANDLERS_REALTIME_H
#define HANDLERS_REALTIME_H

#include "fcgi/request.h"

extern const struct field_table socket_query;
enum err realtime_channel(struct req *r);
enum err realtime_socketio(struct req *r);
/* Hands a socket of an unknown caller over; struct route's `nobody`. */
enum err realtime_nobody(struct req *r);

#endif
