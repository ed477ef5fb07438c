/* streamd/websocket/ws_read.c: what is an incomplete message, its time limit, and how much of them
   all connections together may hold. */

#include "streamd/websocket/ws_read.h"
#include "test.h"

#define MAX ((size_t)1024 * 1024)

static struct arena *mem;
static int n_messages, code;

static void
on_send(void *arg, struct str frames, bool is_close)
{
	(void)arg;
	if (is_close && frames.n >= 4)
		code = (unsigned char)frames.p[2] << 8 | (unsigned char)frames.p[3];
}

static void
message(void *arg, bool binary, struct str bytes)
{
	(void)arg;
	(void)binary;
	(void)bytes;
	n_messages++;
}

static enum ws_read_state
feed(struct ws_read *in, struct str bytes, int64_t now_ms)
{
	const struct ws_read_rules rules = {
		.message_max = MAX, .send = on_send, .message = message
	};

	return ws_read_feed(in, &rules, bytes, now_ms);
}

/* A frame with a mask of 0. */
static struct str
frame(unsigned first, size_t len)
{
	struct buf b = { .a = mem };
	char head[] = { (char)first, (char)0xff, 0, 0, 0, 0, (char)(len >> 24), (char)(len >> 16),
		(char)(len >> 8), (char)len, 0, 0, 0, 0 };
	char *payload = arena_alloc(mem, len + 1);

	memset(payload, 'a', len);
	if (len > UINT16_MAX) {
		buf_put(&b, (struct str){ head, sizeof(head) });
	} else {
		head[1] = (char)(len < 126 ? 0x80 | len : 0xfe);
		buf_put(&b, (struct str){ head, 2 });
		if (len >= 126)
			buf_put(&b, (struct str){ head + 8, 2 });
		buf_put(&b, (struct str){ head + 10, 4 });
	}
	buf_put(&b, (struct str){ payload, len });
	return buf_str(&b);
}

static struct str
both(struct str a, struct str b)
{
	struct buf all = { .a = mem };

	buf_put(&all, a);
	buf_put(&all, b);
	return buf_str(&all);
}

/* Two messages, with a ping between two fragments, cut in two at every byte. */
static void
partial(void)
{
	struct str first = frame(0x81, 200),
		   second = both(both(frame(0x01, 10), frame(0x89, 0)), frame(0x80, 10)),
		   all = both(first, second);
	bool good = true;

	for (size_t at = 1; at < all.n; at++) {
		struct ws_read *in = ws_read_new(NULL);
		enum ws_read_state state = feed(in, (struct str){ all.p, at }, 0);
		size_t from = at < first.n ? 0 : first.n;

		EACH(good, at == first.n ? state == WS_READ_IDLE : state == WS_READ_MORE,
		    "state at %zu", at);
		EACH(good, str_eq(ws_read_partial(in), (struct str){ all.p + from, at - from }),
		    "partial at %zu", at);
		n_messages = 0;
		ws_read_free(in);
		in = ws_read_new(NULL);
		(void)feed(in, (struct str){ all.p + from, at - from }, 0);
		EACH(good, feed(in, (struct str){ all.p + at, all.n - at }, 0) == WS_READ_IDLE,
		    "end after %zu", at);
		EACH(good, n_messages == (from == 0 ? 2 : 1), "%d messages after %zu", n_messages,
		    at);
		ws_read_free(in);
	}
	CHECK("the partial message begins after the last complete one", good);
}

/* Pieces that each end one message and begin the next: a client that is never idle is not one that
   never ends a message. */
static void
time_limit(void)
{
	struct str all = frame(0x81, 1000);
	struct ws_read *in = ws_read_new(NULL);
	bool good = true;

	(void)feed(in, (struct str){ all.p, 500 }, 0);
	CHECK("a message has half a minute", ws_read_due_ms(in) == 30000);
	for (int64_t now = 1000; now < 100000; now += 1000) {
		struct str piece =
		    both((struct str){ all.p + 500, all.n - 500 }, (struct str){ all.p, 500 });

		EACH(good, feed(in, piece, now) == WS_READ_MORE, "state at %lld", (long long)now);
		EACH(good, ws_read_due_ms(in) == now + 30000, "due at %lld", (long long)now);
	}
	CHECK("the next one has half a minute of its own", good);
	(void)feed(in, (struct str){ all.p + 500, 100 }, 200000);
	CHECK("a piece does not extend it", ws_read_due_ms(in) == 99000 + 30000);
	ws_read_free(in);
}

/* Bytes of incomplete messages, of all connections. */
static void
together(void)
{
	struct ws_read *in[100];
	struct str all = frame(0x82, MAX);
	int n = 0;
	enum ws_read_state state = WS_READ_MORE;

	while (n < 100 && state == WS_READ_MORE) {
		in[n] = ws_read_new(NULL);
		state = feed(in[n++], (struct str){ all.p, all.n - 1 }, 0);
	}
	CHECK("incomplete messages of all together are at most 64 MiB",
	    n == 64 && state == WS_READ_FAILED);
	CHECK("one more is closed with 1013", code == 1013);
	ws_read_free(in[--n]);
	n_messages = 0;
	state = feed(in[0], (struct str){ all.p + all.n - 1, 1 }, 0);
	CHECK("the others go on", n_messages == 1 && state == WS_READ_IDLE);
	while (n > 0)
		ws_read_free(in[--n]);
	in[0] = ws_read_new(NULL);
	CHECK("and there is room again",
	    feed(in[0], (struct str){ all.p, all.n - 1 }, 0) == WS_READ_MORE);
	ws_read_free(in[0]);
}

int
main(void)
{
	mem = arena_new();
	partial();
	time_limit();
	together();
	arena_free(mem);
	return test_end();
}
