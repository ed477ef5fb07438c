/* The test build's --conformance mode: its settings, for the parts that serve it. */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include "streamd/http/head.h"
#include "streamd/socketio/socketio.h"
#include "streamd/websocket/ws.h"

struct conformance {
	int64_t ping_interval_ms, ping_timeout_ms;
	int64_t max_payload; /* bytes */
	int64_t connect_timeout_ms;
};
extern struct conformance conformance;

/* /engine.io/ and /socket.io/ (sockets.c) */
extern const struct engine_app conformance_engine;
extern const struct sio_app conformance_socketio;

#endif
