#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <openssl/evp.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/json.h>

#include "streamd/http/head.h"
#include "streamd/http/response.h"
#include "streamd/metrics.h"
#include "streamd/websocket/deflate.h"
#include "streamd/websocket/ws.h"
#include "streamd/websocket/ws_read.h"

#define KEY_LEN 24 /* 16 bytes in base64 */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define CLOSE_WAIT_MS 3000
#define FAILED_WAIT_MS 1000
#define REASON_MAX 123

/* Frame header bytes (RFC 6455, 5.2). */
enum { FIN = 0x80, RSV1 = 0x40, TEXT = 0x1, BINARY = 0x2, CLOSE = 0x8, PING = 0x9 };

static const struct conn_kind ws_kind;

/* ----------------------------------------------------------------- output */

/* An unmasked frame's header before `len` bytes; up to 10 bytes. */
static size_t
frame_head(char *to, unsigned first, size_t len)
{
	size_t n = 2;

	to[0] = (char)first;
	if (len < 126) {
		to[1] = (char)len;
	} else if (len <= UINT16_MAX) {
		to[1] = 126;
		for (int shift = 8; shift >= 0; shift -= 8)
			to[n++] = (char)(len >> shift & 0xff);
	} else {
		to[1] = 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			to[n++] = (char)((uint64_t)len >> shift & 0xff);
	}
	return n;
}

static struct buffer *
frame(unsigned first, struct str payload)
{
	char head[10];
	size_t n = frame_head(head, first, payload.n);
	struct buffer *b = buffer_new(n + payload.n);

	memcpy(b->bytes, head, n);
	if (payload.n > 0)
		memcpy(b->bytes + n, payload.p, payload.n);
	return b;
}

struct buffer *
ws_frame(bool binary, struct str payload, uint8_t deflate_bits)
{
	unsigned first = FIN | (binary ? BINARY : TEXT);
	struct str smaller;

	if (deflate_bits > 0 && deflate_message(payload, deflate_bits, &smaller))
		return frame(first | RSV1, smaller);
	return frame(first, payload);
}

void
ws_send_frame(struct ws *w, struct buffer *b)
{
	if (!w->close_sent)
		conn_put(w->conn, b);
}

void
ws_send(struct ws *w, bool binary, struct str payload)
{
	struct buffer *b = ws_frame(binary, payload, w->deflate_bits);

	ws_send_frame(w, b);
	buffer_drop(b);
}

bool
ws_has_room(struct ws *w, size_t len)
{
	struct conn *c = w->conn;

	if (conn_has_room(c, len))
		return true;
	conn_flush(c);
	return !c->dead && conn_has_room(c, len);
}

/* ---------------------------------------------------------------- closing */

/* The application's last call, once, whatever ends first. */
static void
ws_detach(struct ws *w)
{
	if (w->detached)
		return;
	w->detached = true;
	w->app->gone(w);
	w->own = NULL;
}

void
ws_close(struct ws *w, unsigned code, const char *reason)
{
	char payload[2 + REASON_MAX];
	size_t n = strlen(reason) < REASON_MAX ? strlen(reason) : REASON_MAX;
	struct buffer *b;

	if (w->close_sent || w->conn->dead)
		return;
	payload[0] = (char)(code >> 8);
	payload[1] = (char)(code & 0xff);
	memcpy(payload + 2, reason, n);
	b = frame(FIN | CLOSE, (struct str){ payload, n + 2 });
	ws_send_frame(w, b);
	buffer_drop(b);
	w->close_sent = true;
	w->close_by_ms = loop_now(w->conn->server->loop) + CLOSE_WAIT_MS;
	ws_detach(w);
	conn_rearm(w->conn);
}

void
ws_rearm(struct ws *w)
{
	conn_rearm(w->conn);
}

/* ------------------------------------------------------------------ input */

static void
ws_free(struct ws *w)
{
	ws_read_free(w->read);
	free(w);
}

/* Queues what the protocol itself requires: finished pongs and closes. */
static void
ws_on_send(void *ws, struct str bytes, bool is_close)
{
	struct ws *w = ws;
	struct buffer *b;

	if (w->close_sent || w->conn->dead)
		return;
	b = buffer_of(bytes);
	conn_put(w->conn, b);
	buffer_drop(b);
	w->close_sent = is_close;
}

static void
ws_on_message(void *ws, bool binary, struct str bytes)
{
	struct ws *w = ws;

	if (!w->close_sent && !w->conn->dead)
		w->app->message(w, binary, bytes);
}

static void
ws_bytes(struct conn *c, struct str bytes)
{
	struct ws *w = c->ws;
	struct ws_read_rules rules = { .message_max = w->app->message_max,
		.deflate = w->deflate_bits > 0,
		.send = ws_on_send,
		.message = ws_on_message };
	enum ws_read_state state;

	if (w->failed)
		return;
	w->read_ms = loop_now(c->server->loop);
	w->pinged = false;
	if (!w->read)
		w->read = ws_read_new(w);
	w->feeding = true;
	state = ws_read_feed(w->read, &rules, bytes, w->read_ms);
	w->feeding = false;
	if (c->dead) {
		ws_free(w);
		return;
	}
	switch (state) {
	case WS_READ_IDLE:
		ws_read_free(w->read);
		w->read = NULL;
		break;
	case WS_READ_MORE:
		break;
	case WS_READ_OVER:
		ws_detach(w);
		conn_finish(c);
		return;
	case WS_READ_FAILED:
		/* Wait before closing: an RST for unread input would discard the close frame with
		   its reason. */
		ws_detach(w);
		w->failed = true;
		w->close_by_ms = w->read_ms + FAILED_WAIT_MS;
		break;
	}
	conn_rearm(c);
}

/* --------------------------------------------------------------- liveness */

/* When the next ping is due, or its answer overdue. */
static int64_t
ws_watch_ms(const struct ws *w)
{
	int64_t every = config()->ws_ping_seconds * 1000;

	return w->read_ms + every + (w->pinged ? config()->ws_ping_timeout_seconds * 1000 : 0);
}

static int64_t
ws_due_ms(const struct conn *c)
{
	const struct ws *w = c->ws;
	int64_t due = w->read ? ws_read_due_ms(w->read) : 0;

	if (w->close_sent)
		return w->close_by_ms;
	if (!w->app->app_pings)
		due = sooner(due, ws_watch_ms(w));
	return w->app->due_ms ? sooner(due, w->app->due_ms(w)) : due;
}

static void
ws_ping(struct ws *w)
{
	static struct buffer *shared;

	if (!shared)
		shared = frame(FIN | PING, S(""));
	w->pinged = true;
	ws_send_frame(w, shared);
}

static void
ws_due(struct conn *c)
{
	struct ws *w = c->ws;
	int64_t now = loop_now(c->server->loop);

	if (w->close_sent) {
		conn_close(c);
	} else if (w->read && ws_read_due_ms(w->read) <= now) {
		ws_close(w, WS_POLICY, "The message did not arrive in time.");
	} else if (!w->app->app_pings && ws_watch_ms(w) <= now) {
		if (w->pinged) {
			metrics.half_open_closed++;
			conn_close(c);
		} else {
			ws_ping(w);
		}
	}
	if (!c->dead && !w->close_sent && w->app->due_ms && w->app->due_ms(w) != 0 &&
	    w->app->due_ms(w) <= now)
		w->app->due(w);
}

static void
ws_drained(struct conn *c)
{
	struct ws *w = c->ws;

	if (w->failed)
		(void)shutdown(c->io.fd, SHUT_WR);
	else if (!w->close_sent && w->app->drained)
		w->app->drained(w);
}

/* What is not begun is dropped: a client that comes back is caught up. */
static void
ws_stalled(struct conn *c)
{
	conn_drop_unsent(c);
	ws_close(
	    c->ws, WS_TRY_AGAIN, "You read too slowly; connect again and go on where you were.");
}

static void
ws_stop(struct conn *c)
{
	struct ws *w = c->ws;

	if (!w->close_sent)
		w->app->stop(w);
}

static void
ws_gone(struct conn *c)
{
	struct ws *w = c->ws;

	ws_detach(w);
	metrics.connections_ws--;
	c->ws = NULL;
	/* While feeding, ws_bytes frees it afterwards. */
	if (!w->feeding)
		ws_free(w);
}

static bool
ws_save(const struct conn *c, struct buf *out)
{
	const struct ws *w = c->ws;
	struct str partial = w->read ? ws_read_partial(w->read) : S("");

	if (w->close_sent || !w->app->save || !partial.p || !w->app->save(w, out))
		return false;
	buf_printf(out, "\"deflate_bits\":%u,\"begun\":", (unsigned)w->deflate_bits);
	buf_json(out, base64url(out->a, partial));
	buf_put(out, S(","));
	return true;
}

static const struct conn_kind ws_kind = {
	.save = ws_save,
	.bytes = ws_bytes,
	.due_ms = ws_due_ms,
	.due = ws_due,
	.drained = ws_drained,
	.stalled = ws_stalled,
	.stop = ws_stop,
	.gone = ws_gone,
};

/* -------------------------------------------------------------- handshake */

/* Sec-WebSocket-Accept (RFC 6455, 4.2.2). */
static void
accept_key(struct buf *b, struct str key)
{
	unsigned char sha1[EVP_MAX_MD_SIZE], text[64];
	struct str all = arena_printf(b->a, "%.*s" ACCEPT_GUID, S_ARG(key));
	unsigned n = 0;

	if (EVP_Digest(all.p, all.n, sha1, &n, EVP_sha1(), NULL) != 1)
		abort();
	(void)EVP_EncodeBlock(text, sha1, (int)n);
	buf_printf(b, "Sec-WebSocket-Accept: %s\r\n", (char *)text);
}

/* 16 bytes in base64 (RFC 4648), with their padding. */
static bool
is_key(struct str key)
{
	unsigned char bytes[KEY_LEN];

	return key.n == KEY_LEN && key.p[KEY_LEN - 1] == '=' && key.p[KEY_LEN - 2] == '=' &&
	       key.p[KEY_LEN - 3] != '=' &&
	       EVP_DecodeBlock(bytes, (const unsigned char *)key.p, KEY_LEN) == KEY_LEN / 4 * 3;
}

/* Refuses a bad handshake, with the reason. */
static bool
handshake_is_good(struct conn *c, struct http_head *h)
{
	struct str headers = S("");
	const char *why = NULL;
	enum err e = ERR_BAD_REQUEST;

	if (!h->wants_upgrade || h->method != METHOD_GET) {
		why = "This is for WebSockets: the request must ask for the upgrade.";
		headers = S("Upgrade: websocket\r\n");
	} else if (!h->ws_version.p || !str_eq(str_trim(h->ws_version), S("13"))) {
		why = "Only version 13 of the WebSocket protocol is spoken here.";
		e = ERR_UPGRADE_REQUIRED;
		headers = S("Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
	} else if (!h->ws_key.p || !is_key(str_trim(h->ws_key))) {
		why = "Sec-WebSocket-Key must be 16 bytes in base64.";
	}
	if (!why)
		return true;
	response_refuse(c, e, why, headers);
	return false;
}

static struct ws *
ws_become(struct conn *c, const struct ws_app *app, void *own, uint8_t deflate_bits)
{
	struct ws *w = xmalloc(sizeof(*w));

	*w = (struct ws){ .conn = c,
		.app = app,
		.own = own,
		.read_ms = loop_now(c->server->loop),
		.deflate_bits = deflate_bits };
	metrics.connections_ws++;
	c->ws = w;
	conn_set_kind(c, &ws_kind);
	return w;
}

struct ws *
ws_accept(
    struct conn *c, struct http_head *h, struct str headers, const struct ws_app *app, void *own)
{
	struct buf b = { .a = h->arena };
	struct buffer *reply;
	uint8_t bits = 0;

	if (!handshake_is_good(c, h))
		return NULL;
	buf_put(&b, S("HTTP/1.1 101 Switching Protocols\r\n"
		      "Upgrade: websocket\r\n"
		      "Connection: Upgrade\r\n"));
	accept_key(&b, str_trim(h->ws_key));
	if (config()->ws_deflate)
		bits = deflate_negotiate(&b, h->ws_extensions);
	buf_put(&b, headers);
	buf_put(&b, S("\r\n"));
	reply = buffer_of(buf_str(&b));
	conn_put(c, reply);
	buffer_drop(reply);
	metrics.requests_ws++;
	return ws_become(c, app, own, bits);
}

void
ws_begin(struct ws *w, struct http_head *h)
{
	struct conn *c = w->conn;

	if (h->rest.n > 0 && !c->dead && !c->closing)
		ws_bytes(c, h->rest);
	http_head_free(h);
}

struct ws *
ws_restore(struct conn *c, json_object *from, const struct ws_app *app, void *own)
{
	int64_t bits = json_int(from, "deflate_bits", 0);

	return bits == 0 || (bits >= 9 && bits <= 15) ? ws_become(c, app, own, (uint8_t)bits)
						      : NULL;
}

void
ws_resume(struct ws *w, json_object *from)
{
	struct arena *a = arena_new();
	struct str partial;

	if (base64url_decode(a, json_text(from, "begun"), &partial) && partial.n > 0)
		ws_bytes(w->conn, partial);
	arena_free(a);
}
