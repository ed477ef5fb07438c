#include <stdlib.h>

#include <wslay/wslay.h>

#include <millrace/arena.h>

#include "streamd/websocket/deflate.h"
#include "streamd/websocket/ws_read.h"

/* A client that sends a message more slowly holds memory. */
#define MESSAGE_MS ((int64_t)30 * 1000)
/* Fragments allowed beyond what a message's length explains: empty ones only cost CPU. */
#define FRAGMENTS_MORE 1024
/* Bytes of incomplete messages of all WebSockets together. */
#define HELD_MAX ((size_t)64 * 1024 * 1024)
/* Longer incomplete messages are not kept for a successor. */
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
	struct str rest; /* of the bytes being fed */
	int64_t due_ms;
	uint64_t fed, framed; /* bytes read in all, and in the frames whose header has been read */
	uint64_t complete; /* bytes up to the end of the last complete message */
	size_t held; /* its share of held_bytes */
	size_t fragments; /* of the message under way */
	bool in_message;
	bool empty_close; /* the peer sent a close without a code */
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

/* Sends a close and stops reading. */
static void
fail(struct ws_read *r, uint16_t code)
{
	if (r->failed)
		return;
	r->failed = true;
	(void)wslay_event_queue_close(r->wslay, code, NULL, 0);
	wslay_event_shutdown_read(r->wslay);
}

static ssize_t
ws_read_on_recv(wslay_event_context_ptr ctx, uint8_t *to, size_t room, int flags, void *arg)
{
	struct ws_read *r = arg;
	size_t n = r->rest.n < room ? r->rest.n : room;

	(void)flags;
	if (n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(to, r->rest.p, n);
	r->rest = (struct str){ r->rest.p + n, r->rest.n - n };
	r->fed += n;
	return (ssize_t)n;
}

static ssize_t
ws_read_on_send(wslay_event_context_ptr ctx, const uint8_t *from, size_t n, int flags, void *arg)
{
	struct ws_read *r = arg;

	(void)ctx;
	(void)flags;
	append(&r->out, from, n);
	return (ssize_t)n;
}

/* The length of a masked frame: 2 bytes, the extended length, the mask, the payload (RFC 6455,
   5.2). libwslay refuses lengths that are not in their shortest form. */
static uint64_t
frame_len(uint64_t payload)
{
	uint64_t longer = payload < 126 ? 0 : payload <= UINT16_MAX ? 2 : 8;

	return 2 + longer + 4 + payload;
}

static void
ws_read_on_frame(
    wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *f, void *arg)
{
	struct ws_read *r = arg;

	(void)ctx;
	if (!r->in_message)
		r->complete = r->framed;
	r->framed += frame_len(f->payload_length);
	if (f->opcode == WSLAY_CONNECTION_CLOSE)
		r->empty_close = f->payload_length == 0;
	if (wslay_is_ctrl_frame(f->opcode))
		return;
	r->in_message = !f->fin;
	if (++r->fragments > FRAGMENTS_MORE + r->rules->message_max / 64)
		fail(r, WSLAY_CODE_MESSAGE_TOO_BIG);
}

static void flush(struct ws_read *r);

/* Pongs for pings before the message go out before what the message causes. */
static void
give_message(struct ws_read *r, bool binary, struct str bytes)
{
	flush(r);
	r->rules->message(r->arg, binary, bytes);
}

static void
ws_read_on_message(
    wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct ws_read *r = arg;
	struct str bytes = { (const char *)m->msg, m->msg_length }, larger;
	bool compressed = wslay_get_rsv1(m->rsv);

	(void)ctx;
	if (wslay_is_ctrl_frame(m->opcode) || r->failed)
		return;
	r->fragments = 0;
	if (compressed) {
		switch (inflate_message(bytes, r->rules->message_max, &larger)) {
		case INFLATE_GOOD:
			bytes = larger;
			break;
		case INFLATE_BAD:
			fail(r, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
			return;
		case INFLATE_TOO_LARGE:
			fail(r, WSLAY_CODE_MESSAGE_TOO_BIG);
			return;
		}
	}
	if (!bytes.p)
		bytes = S("");
	/* libwslay itself checks the UTF-8 of uncompressed text. */
	if (m->opcode == WSLAY_TEXT_FRAME && compressed && !str_utf8(bytes))
		fail(r, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
	else
		give_message(r, m->opcode == WSLAY_BINARY_FRAME, bytes);
}

struct ws_read *
ws_read_new(void *arg)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = ws_read_on_recv,
		.send_callback = ws_read_on_send,
		.on_frame_recv_start_callback = ws_read_on_frame,
		.on_msg_recv_callback = ws_read_on_message,
	};
	struct ws_read *r = xmalloc(sizeof(*r));

	*r = (struct ws_read){ .arg = arg };
	if (wslay_event_context_server_init(&r->wslay, &callbacks, r) != 0)
		abort();
	return r;
}

void
ws_read_free(struct ws_read *r)
{
	if (!r)
		return;
	held_bytes -= r->held;
	wslay_event_context_free(r->wslay);
	free(r->partial.p);
	free(r->out.p);
	free(r);
}

/* libwslay closes without a code where a frame header or a close is malformed. Give it one (1002),
   except in answer to a close without a code. */
static void
name_protocol_error(struct ws_read *r)
{
	static const char nameless[] = { '\x88', '\x00' },
			  named[] = { '\x88', '\x02', '\x03', '\xea' };

	if (r->empty_close || r->out.n < sizeof(nameless) ||
	    memcmp(r->out.p + r->out.n - sizeof(nameless), nameless, sizeof(nameless)) != 0)
		return;
	r->out.n -= sizeof(nameless);
	append(&r->out, named, sizeof(named));
}

/* Sends libwslay's output: pongs, the answer to a close, a close with a reason. */
static void
flush(struct ws_read *r)
{
	r->out.n = 0;
	if (wslay_event_want_write(r->wslay) && wslay_event_send(r->wslay) != 0)
		abort();
	if (wslay_event_get_close_sent(r->wslay))
		name_protocol_error(r);
	if (r->out.n > 0)
		r->rules->send(r->arg, (struct str){ r->out.p, r->out.n },
		    wslay_event_get_close_sent(r->wslay));
}

/* Keeps the incomplete message, which ends with `bytes`, and nothing before it. False: all
   together hold too much. */
static bool
hold(struct ws_read *r, struct str bytes, int64_t now_ms)
{
	size_t partial;

	if (r->fed >= r->framed && !r->in_message)
		r->complete = r->framed;
	partial = (size_t)(r->fed - r->complete);
	if (partial <= bytes.n) {
		r->partial.n = 0;
		r->due_ms = now_ms + MESSAGE_MS;
		bytes = (struct str){ bytes.p + bytes.n - partial, partial };
	}
	if (r->partial.n <= PARTIAL_MAX)
		append(&r->partial, bytes.p, bytes.n);
	held_bytes += partial - r->held;
	r->held = partial;
	return held_bytes <= HELD_MAX;
}

enum ws_read_state
ws_read_feed(struct ws_read *r, const struct ws_read_rules *rules, struct str bytes, int64_t now_ms)
{
	int e;

	r->rules = rules;
	r->rest = bytes;
	wslay_event_config_set_max_recv_msg_length(r->wslay, rules->message_max);
	wslay_event_config_set_allowed_rsv_bits(
	    r->wslay, rules->deflate ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE);
	e = wslay_event_recv(r->wslay);
	if (e == 0 && !hold(r, bytes, now_ms))
		fail(r, TRY_AGAIN);
	flush(r);
	if (e != 0 || !wslay_event_want_read(r->wslay))
		return wslay_event_get_close_received(r->wslay) ? WS_READ_OVER : WS_READ_FAILED;
	return r->fed == r->framed && !r->in_message ? WS_READ_IDLE : WS_READ_MORE;
}

int64_t
ws_read_due_ms(const struct ws_read *r)
{
	return r->due_ms;
}

struct str
ws_read_partial(const struct ws_read *r)
{
	return r->partial.n <= PARTIAL_MAX ? (struct str){ r->partial.p, r->partial.n }
					   : (struct str){ NULL, 0 };
}
