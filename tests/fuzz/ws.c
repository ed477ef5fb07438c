/* What a WebSocket's peer says: the first byte chooses compression and how the rest is cut into
   pieces, which are fed as they are, and masked into frames of their own. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#include <millrace/arena.h>

#include "streamd/websocket/deflate.h"
#include "streamd/websocket/ws_read.h"

#define MESSAGE_MAX ((size_t)4096)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
answer(void *arg, struct str frames, bool is_close)
{
	bool *closed = arg;

	assert(!*closed && frames.n >= 2);
	*closed = is_close;
}

static void
message(void *arg, bool binary, struct str bytes)
{
	struct str smaller, again;

	(void)arg;
	assert(bytes.p && bytes.n <= MESSAGE_MAX && (binary || str_utf8(bytes)));
	if (deflate_message(bytes, 9, &smaller)) {
		assert(inflate_message(smaller, MESSAGE_MAX, &again) == INFLATE_GOOD);
		assert(str_eq(again, bytes));
	}
}

static void
feed(struct str bytes, bool deflate, size_t step)
{
	const struct ws_read_rules rules = {
		.message_max = MESSAGE_MAX, .deflate = deflate, .send = answer, .message = message
	};
	bool closed = false;
	struct ws_read *in = ws_read_new(&closed);
	enum ws_read_state state = WS_READ_IDLE;

	for (size_t at = 0; at < bytes.n && state < WS_READ_OVER; at += step) {
		size_t len = bytes.n - at < step ? bytes.n - at : step;

		state = ws_read_feed(in, &rules, (struct str){ bytes.p + at, len }, 0);
		assert(state >= WS_READ_OVER || !closed);
		/* Another process could go on from here. */
		if (state == WS_READ_IDLE) {
			ws_read_free(in);
			in = ws_read_new(&closed);
		}
	}
	ws_read_free(in);
}

/* The bytes as the payloads of masked frames: what is inside them is reached sooner. */
static void
framed(const uint8_t *bytes, size_t n, bool deflate)
{
	char *p = malloc(n * 8 + 16);
	size_t len = 0;

	assert(p);
	while (n > 2) {
		size_t payload = bytes[1] % 126 < n - 2 ? bytes[1] % 126 : n - 2;

		p[len++] = (char)bytes[0];
		p[len++] = (char)(0x80 | payload);
		memset(p + len, 0, 4);
		memcpy(p + len + 4, bytes + 2, payload);
		len += 4 + payload;
		bytes += 2 + payload;
		n -= 2 + payload;
	}
	feed((struct str){ p, len }, deflate, len ? len : 1);
	free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct buf reply = { .a = a };
	struct str out;
	uint8_t bits = deflate_negotiate(&reply, (struct str){ (const char *)bytes, n });

	assert(bits == 0 ? reply.n == 0 : bits >= 9 && bits <= 15);
	arena_free(a);
	if (n < 2)
		return 0;
	feed((struct str){ (const char *)bytes + 1, n - 1 }, bytes[0] & 1,
	    (size_t)(bytes[0] >> 1) + 1);
	framed(bytes + 1, n - 1, bytes[0] & 1);
	if (inflate_message((struct str){ (const char *)bytes, n }, MESSAGE_MAX, &out) ==
	    INFLATE_GOOD)
		assert(out.n <= MESSAGE_MAX);
	return 0;
}
