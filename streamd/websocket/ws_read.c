#include <stdlib.h>

#include <wslay/wslay.h>

#include <millrace/arena.h>

#include "streamd/websocket/deflate.h"
#include "streamd/websocket/ws_read.h"

/* A message that takes longer to arrive is a way to hold memory. */
#define MESSAGE_MS ((int64_t)30 * 1000)
/* Fragments that a message may come in, above what its length explains: empty ones cost us, and nobody needs them. */
#define FRAGMENTS_MORE 1024
/* Bytes of messages that are not whole yet, of all WebSockets together. */
#define HELD_MAX ((size_t)64 * 1024 * 1024)
/* Beginnings longer than this are not kept for a successor. */
#define PARTIAL_MAX ((size_t)256 * 1024)
#define PARTIAL_FIRST 512
#define TRY_AGAIN 1013 /* a close code that libwslay has no name for */

struct bytes {
	char *p;
	size_t n, room;
};

struct ws_read {
	wslay_event_context_ptr wslay;
	const struct ws_read_rules *rules; /* while feeding */
	void *arg;
	struct str rest; /* of what is being fed */
	int64_t due_ms;
	uint64_t fed, framed; /* bytes in all, and in the frames whose head has been read */
	uint64_t complete; /* bytes of what has come to its end: nothing of it is begun */
	size_t held; /* its part in held_bytes */
	size_t fragments; /* of the message that has begun */
	bool in_message;
	bool empty_close; /* the peer has closed, without a code */
	bool failed;
	struct bytes partial;
	struct bytes out;
};

static size_t held_bytes;

static void
append(struct bytes *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (b->room - b->n < n) {
		b->room = b->n + n + (b->n > PARTIAL_FIRST ? b->n : PARTIAL_FIRST);
		b->p = xrealloc(b->p, b->room);
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

/* Says why and reads no more. */
static void
fail(struct ws_read *in, uint16_t code)
{
	if (in->failed)
		return;
	in->failed = true;
	(void)wslay_event_queue_close(in->wslay, code, NULL, 0);
	wslay_event_shutdown_read(in->wslay);
}

static ssize_t
on_recv(wslay_event_context_ptr ctx, uint8_t *to, size_t room, int flags, void *arg)
{
	struct ws_read *in = arg;
	size_t n = in->rest.n < room ? in->rest.n : room;

	(void)flags;
	if (n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(to, in->rest.p, n);
	in->rest = (struct str){ in->rest.p + n, in->rest.n - n };
	in->fed += n;
	return (ssize_t)n;
}

static ssize_t
on_send(wslay_event_context_ptr ctx, const uint8_t *from, size_t n, int flags, void *arg)
{
	struct ws_read *in = arg;

	(void)ctx;
	(void)flags;
	append(&in->out, from, n);
	return (ssize_t)n;
}

/* A masked frame's head: 2 bytes, the longer length, the mask (RFC 6455, 5.2; libwslay has seen that the length is in its shortest form). */
static uint64_t
frame_len(uint64_t payload)
{
	uint64_t longer = payload < 126 ? 0 : payload <= UINT16_MAX ? 2 : 8;

	return 2 + longer + 4 + payload;
}

static void
on_frame(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *f, void *arg)
{
	struct ws_read *in = arg;

	(void)ctx;
	if (!in->in_message)
		in->complete = in->framed;
	in->framed += frame_len(f->payload_length);
	if (f->opcode == WSLAY_CONNECTION_CLOSE)
		in->empty_close = f->payload_length == 0;
	if (wslay_is_ctrl_frame(f->opcode))
		return;
	in->in_message = !f->fin;
	if (++in->fragments > FRAGMENTS_MORE + in->rules->message_max / 64)
		fail(in, WSLAY_CODE_MESSAGE_TOO_BIG);
}

static void flush(struct ws_read *in);

/* A ping that came before the message is answered before what the message brings about. */
static void
give_message(struct ws_read *in, bool binary, struct str bytes)
{
	flush(in);
	in->rules->message(in->arg, binary, bytes);
}

static void
on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct ws_read *in = arg;
	struct str bytes = { (const char *)m->msg, m->msg_length }, larger;
	bool compressed = wslay_get_rsv1(m->rsv);

	(void)ctx;
	if (wslay_is_ctrl_frame(m->opcode) || in->failed)
		return;
	in->fragments = 0;
	if (compressed) {
		switch (inflate_message(bytes, in->rules->message_max, &larger)) {
		case INFLATE_GOOD:
			bytes = larger;
			break;
		case INFLATE_BAD:
			fail(in, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
			return;
		case INFLATE_TOO_LARGE:
			fail(in, WSLAY_CODE_MESSAGE_TOO_BIG);
			return;
		}
	}
	if (!bytes.p)
		bytes = S("");
	/* libwslay has looked at the UTF-8 of what was not compressed, byte by byte as it came. */
	if (m->opcode == WSLAY_TEXT_FRAME && compressed && !str_utf8(bytes))
		fail(in, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
	else
		give_message(in, m->opcode == WSLAY_BINARY_FRAME, bytes);
}

struct ws_read *
ws_read_new(void *arg)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.on_frame_recv_start_callback = on_frame,
		.on_msg_recv_callback = on_message,
	};
	struct ws_read *in = xmalloc(sizeof(*in));

	*in = (struct ws_read){ .arg = arg };
	if (wslay_event_context_server_init(&in->wslay, &callbacks, in) != 0)
		abort();
	return in;
}

void
ws_read_free(struct ws_read *in)
{
	if (!in)
		return;
	held_bytes -= in->held;
	wslay_event_context_free(in->wslay);
	free(in->partial.p);
	free(in->out.p);
	free(in);
}

/* libwslay closes without a code where a frame's head or a close is wrong; a peer that closed without one is answered like that. */
static void
name_protocol_error(struct ws_read *in)
{
	static const char nameless[] = { '\x88', '\x00' },
			  named[] = { '\x88', '\x02', '\x03', '\xea' };

	if (in->empty_close || in->out.n < sizeof(nameless) ||
	    memcmp(in->out.p + in->out.n - sizeof(nameless), nameless, sizeof(nameless)) != 0)
		return;
	in->out.n -= sizeof(nameless);
	append(&in->out, named, sizeof(named));
}

/* What libwslay wants said: pongs, the answer to a close, a close of its own for what was wrong. */
static void
flush(struct ws_read *in)
{
	in->out.n = 0;
	if (wslay_event_want_write(in->wslay) && wslay_event_send(in->wslay) != 0)
		abort();
	if (wslay_event_get_close_sent(in->wslay))
		name_protocol_error(in);
	if (in->out.n > 0)
		in->rules->send(in->arg, (struct str){ in->out.p, in->out.n },
		    wslay_event_get_close_sent(in->wslay));
}

/* Keeps what has begun, of which `bytes` are the last, and no message that is whole. False: all together have begun too much. */
static bool
hold(struct ws_read *in, struct str bytes, int64_t now_ms)
{
	size_t partial;

	if (in->fed >= in->framed && !in->in_message)
		in->complete = in->framed;
	partial = (size_t)(in->fed - in->complete);
	if (partial <= bytes.n) {
		in->partial.n = 0;
		in->due_ms = now_ms + MESSAGE_MS;
		bytes = (struct str){ bytes.p + bytes.n - partial, partial };
	}
	if (in->partial.n <= PARTIAL_MAX)
		append(&in->partial, bytes.p, bytes.n);
	held_bytes += partial - in->held;
	in->held = partial;
	return held_bytes <= HELD_MAX;
}

enum ws_read_state
ws_read_feed(
    struct ws_read *in, const struct ws_read_rules *rules, struct str bytes, int64_t now_ms)
{
	int e;

	in->rules = rules;
	in->rest = bytes;
	wslay_event_config_set_max_recv_msg_length(in->wslay, rules->message_max);
	wslay_event_config_set_allowed_rsv_bits(
	    in->wslay, rules->deflate ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE);
	e = wslay_event_recv(in->wslay);
	if (e == 0 && !hold(in, bytes, now_ms))
		fail(in, TRY_AGAIN);
	flush(in);
	if (e != 0 || !wslay_event_want_read(in->wslay))
		return wslay_event_get_close_received(in->wslay) ? WS_READ_OVER : WS_READ_FAILED;
	return in->fed == in->framed && !in->in_message ? WS_READ_IDLE : WS_READ_MORE;
}

int64_t
ws_read_due_ms(const struct ws_read *in)
{
	return in->due_ms;
}

struct str
ws_read_partial(const struct ws_read *in)
{
	return in->partial.n <= PARTIAL_MAX ? (struct str){ in->partial.p, in->partial.n }
					    : (struct str){ NULL, 0 };
}
