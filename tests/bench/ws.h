/*
 * A WebSocket client's framing (RFC 6455), as little as counting messages takes: what comes has to
 * be unmasked, unfragmented and without extensions, as all servers here send it; anything else is
 * an error, so that no message is counted that is none.
 */
#ifndef BENCH_WS_H
#define BENCH_WS_H

#include <sys/types.h>

#include <millrace/str.h>

#define WS_MESSAGE_MAX 65536

enum ws_opcode { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_frame {
	enum ws_opcode opcode;
	struct str payload; /* points into what was given */
};

/* Takes one frame from n bytes: how many it had; 0 where it is not whole yet, -1 where it is not a
 * frame. */
ssize_t ws_take(const char *p, size_t n, struct ws_frame *out);

/* A masked frame into `to`, which has room for the payload and 14 bytes more; its length. */
size_t ws_put(char *to, enum ws_opcode opcode, struct str payload);

#endif
