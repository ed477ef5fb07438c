#include <stdlib.h>

#include <utlist.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/json.h>

#include "streamd/socketio/engine.h"
#include "streamd/socketio/socketio.h"

/* Bytes of incomplete binary events of all sessions together. */
#define PARTIAL_BYTES ((size_t)64 * 1024 * 1024)
#define OTHER_PARSER "socket.io-msgpack-parser is not understood here: use the default parser."

/* An incomplete binary event: the packet's text and its binary data so far, in one block. */
struct partial {
	int64_t by_ms;
	size_t text_len;
	unsigned attachments, n; /* pieces expected, and received */
	size_t ends[SIO_ATTACHMENTS_MAX]; /* where each ends */
	size_t len, room;
	char *bytes;
};

struct sio_client {
	struct session *session;
	struct sio_socket *sockets;
	struct partial *partial;
	int64_t connect_by_ms; /* 0: it is connected to a namespace */
};

static size_t partial_bytes;

struct session *
sio_session(const struct sio_socket *s)
{
	return s->client->session;
}

static const struct sio_app *
app_of(const struct sio_client *c)
{
	return c->session->engine->upper;
}

/* ------------------------------------------------------------- namespaces */

/* The setting's `n`-th namespace, from 1; absent where there are fewer. */
static struct str
configured(unsigned n)
{
	struct str rest = str_from(config()->socketio_namespaces), one = { NULL, 0 };

	for (unsigned i = 0; i < n && rest.p; i++)
		rest = str_cut(rest, ',', &one);
	return n > 0 && (rest.p || one.n > 0) ? str_trim(one) : (struct str){ NULL, 0 };
}

/* The namespace's number, or SIO_NAMESPACES_MAX. */
static unsigned
namespace_number(struct str name)
{
	if (str_eq(name, S("/")))
		return 0;
	for (unsigned i = 1; i < SIO_NAMESPACES_MAX; i++)
		if (str_eq(configured(i), name))
			return i;
	return SIO_NAMESPACES_MAX;
}

struct str
sio_namespace(const struct sio_socket *s)
{
	return s->nsp == 0 ? S("/") : configured(s->nsp);
}

/* ----------------------------------------------------------------- output */

static void
sio_send(struct sio_client *c, const struct sio_packet *p)
{
	struct buf b = { .a = arena_new() };

	sio_put(&b, p);
	session_send(c->session, false, buf_str(&b));
	arena_free(b.a);
}

static void
sio_send_event(
    struct sio_socket *s, enum sio_type text, enum sio_type binary, const struct sio_event *e)
{
	sio_send(s->client, &(struct sio_packet){ .type = e->attachments > 0 ? binary : text,
				.attachments = e->attachments,
				.nsp = sio_namespace(s),
				.id = e->id,
				.data = e->args });
	for (unsigned i = 0; i < e->attachments; i++)
		session_send(sio_session(s), true, e->attached[i]);
}

void
sio_emit(struct sio_socket *s, const struct sio_event *e)
{
	if (!s->gone)
		sio_send_event(s, SIO_EVENT, SIO_BINARY_EVENT, e);
}

void
sio_ack(struct sio_socket *s, const struct sio_event *e)
{
	if (!s->gone && e->id != SIO_NO_ID)
		sio_send_event(s, SIO_ACK, SIO_BINARY_ACK, e);
}

/* ---------------------------------------------------------------- sockets */

static struct sio_socket *
sio_find(const struct sio_client *c, struct str nsp)
{
	unsigned number = namespace_number(nsp);
	struct sio_socket *s;

	DL_FOREACH (c->sockets, s)
		if (s->nsp == number)
			return s;
	return NULL;
}

/* A session without a connected socket must connect one soon, and is anonymous until then: only a
   connected socket has a principal that counts it. */
static void
sio_check_namespace(struct sio_client *c)
{
	struct session *session = c->session;
	const struct sio_socket *s;

	DL_FOREACH (c->sockets, s)
		if (s->connected)
			break;
	if (s) {
		c->connect_by_ms = 0;
		session_mark_identified(session);
	} else {
		if (c->connect_by_ms == 0)
			c->connect_by_ms =
			    loop_now(session->engine->server->loop) + config()->socketio_connect_ms;
		session_mark_anonymous(session);
	}
	session_rearm(session);
}

static void
sio_drop(struct sio_socket *s)
{
	struct sio_client *c = s->client;

	if (s->gone)
		return;
	s->gone = true;
	app_of(c)->gone(s);
	s->own = NULL;
	DL_DELETE(c->sockets, s);
	engine_defer_free(c->session->engine, s);
	sio_check_namespace(c);
}

void
sio_new_id(struct sio_socket *s)
{
	struct arena *a = arena_new();

	memcpy(s->id, random_text(a, SID_BYTES).p, SID_LEN);
	arena_free(a);
}

static void
sio_connect(struct sio_client *c, const struct sio_packet *p)
{
	unsigned nsp = namespace_number(p->nsp);
	struct sio_socket *s;

	if (nsp == SIO_NAMESPACES_MAX) {
		sio_send(c, &(struct sio_packet){ .type = SIO_CONNECT_ERROR,
				.nsp = p->nsp,
				.id = SIO_NO_ID,
				.data = S("{\"message\":\"Invalid namespace\"}") });
		return;
	}
	s = xmalloc(sizeof(*s));
	*s = (struct sio_socket){ .client = c, .nsp = (uint8_t)nsp };
	DL_APPEND(c->sockets, s);
	app_of(c)->connect(s, p->data);
}

void
sio_accept(struct sio_socket *s, struct str pid)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	buf_printf(&b, "{\"sid\":\"%s\"", s->id);
	if (pid.p) {
		buf_put(&b, S(",\"pid\":"));
		buf_json(&b, pid);
	}
	buf_put(&b, S("}"));
	s->connected = true;
	sio_send(s->client, &(struct sio_packet){ .type = SIO_CONNECT,
				.nsp = sio_namespace(s),
				.id = SIO_NO_ID,
				.data = buf_str(&b) });
	arena_free(a);
	if (!s->gone)
		sio_check_namespace(s->client);
}

void
sio_refuse(struct sio_socket *s, struct str why)
{
	sio_send(s->client,
	    &(struct sio_packet){
		.type = SIO_CONNECT_ERROR, .nsp = sio_namespace(s), .id = SIO_NO_ID, .data = why });
	sio_drop(s);
}

void
sio_end(struct sio_socket *s, const char *reason)
{
	struct session *session = sio_session(s);

	if (s->connected && !s->gone)
		sio_send(s->client,
		    &(struct sio_packet){
			.type = SIO_DISCONNECT, .nsp = sio_namespace(s), .id = SIO_NO_ID });
	session_close(session, WS_POLICY, reason);
}

void
sio_rearm(struct sio_socket *s)
{
	if (!s->gone)
		session_rearm(sio_session(s));
}

/* ------------------------------------------------------------------ input */

/* Handles a whole packet. False: it is not expected here, and the session ends. */
static bool
sio_receive(struct sio_client *c, const struct sio_packet *p, const struct str *attached)
{
	struct sio_socket *s = sio_find(c, p->nsp);

	if (!s && p->type == SIO_CONNECT) {
		sio_connect(c, p);
		return true;
	}
	if (!s || !s->connected)
		return false;
	switch (p->type) {
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		app_of(c)->event(s, &(struct sio_event){ .args = p->data,
					.id = p->id,
					.attachments = p->attachments,
					.attached = attached });
		return true;
	case SIO_DISCONNECT:
		sio_drop(s);
		return true;
	case SIO_ACK:
	case SIO_BINARY_ACK:
		return true; /* the server requests none */
	case SIO_CONNECT:
	case SIO_CONNECT_ERROR:
		break;
	}
	return false;
}

static void
partial_free(struct sio_client *c)
{
	struct partial *p = c->partial;

	c->partial = NULL;
	if (!p)
		return;
	partial_bytes -= p->room;
	free(p->bytes);
	free(p);
}

/* False: too much, of this event or of all together. */
static bool
partial_add(struct partial *p, struct str bytes)
{
	size_t room = p->len + bytes.n;

	if (room > (size_t)config()->socketio_payload_max ||
	    partial_bytes + (room - p->room) > PARTIAL_BYTES)
		return false;
	if (room > p->room) {
		p->bytes = xrealloc(p->bytes, room);
		partial_bytes += room - p->room;
		p->room = room;
	}
	if (bytes.n > 0)
		memcpy(p->bytes + p->len, bytes.p, bytes.n);
	p->len = room;
	return true;
}

/* A packet for a socket that is not connected is not kept. */
static bool
partial_begin(struct sio_client *c, struct str text, const struct sio_packet *head)
{
	const struct sio_socket *s = sio_find(c, head->nsp);
	struct partial *p;

	if (!s || !s->connected)
		return false;
	p = xmalloc(sizeof(*p));
	*p = (struct partial){ .by_ms = loop_now(c->session->engine->server->loop) +
					config()->socketio_connect_ms,
		.text_len = text.n,
		.attachments = head->attachments };
	c->partial = p;
	return partial_add(p, text);
}

static bool
partial_continue(struct sio_client *c, struct str bytes)
{
	struct partial *p = c->partial;
	struct str attached[SIO_ATTACHMENTS_MAX], text;
	struct sio_packet head;
	size_t at;
	bool good;

	if (!partial_add(p, bytes))
		return false;
	p->ends[p->n++] = p->len;
	text = (struct str){ p->bytes, p->text_len };
	if (p->n < p->attachments)
		return true;
	at = p->text_len;
	for (unsigned i = 0; i < p->n; i++) {
		attached[i] = (struct str){ p->bytes + at, p->ends[i] - at };
		at = p->ends[i];
	}
	c->partial = NULL;
	good = sio_read(text, &head) && sio_receive(c, &head, attached);
	c->partial = p;
	partial_free(c);
	return good;
}

/* A client with another parser is told so in its own form, which is final to it. */
static bool
sio_refuse_parser(struct sio_client *c, struct str bytes)
{
	struct buf b = { .a = arena_new() };
	struct str nsp;
	bool known = sio_is_msgpack(bytes, &nsp);

	if (known) {
		sio_put_msgpack_error(&b, nsp, S(OTHER_PARSER));
		session_send(c->session, true, buf_str(&b));
		session_close(c->session, WS_POLICY, OTHER_PARSER);
	}
	arena_free(b.a);
	return known;
}

static bool
sio_message(struct session *session, bool binary, struct str bytes)
{
	struct sio_client *c = session->own;
	struct sio_packet p;

	if (binary)
		return c->partial ? partial_continue(c, bytes) : sio_refuse_parser(c, bytes);
	if (c->partial || !sio_read(bytes, &p))
		return false;
	if (p.attachments > 0)
		return partial_begin(c, bytes, &p);
	return sio_receive(c, &p, NULL);
}

/* --------------------------------------------------------------- sessions */

static void
sio_opened(struct session *session)
{
	struct sio_client *c = xmalloc(sizeof(*c));

	*c = (struct sio_client){ .session = session };
	session->own = c;
	sio_check_namespace(c);
}

static void
sio_drained(struct session *session)
{
	struct sio_client *c = session->own;
	struct sio_socket *s;

	if (app_of(c)->drained)
		DL_FOREACH (c->sockets, s)
			app_of(c)->drained(s);
}

static int64_t
sio_due_ms(const struct session *session)
{
	const struct sio_client *c = session->own;
	int64_t due = sooner(c->connect_by_ms, c->partial ? c->partial->by_ms : 0);
	const struct sio_socket *s;

	if (app_of(c)->due_ms)
		DL_FOREACH (c->sockets, s)
			due = sooner(due, app_of(c)->due_ms(s));
	return due;
}

static void
sio_due(struct session *session)
{
	struct sio_client *c = session->own;
	int64_t now = loop_now(session->engine->server->loop), at;
	struct sio_socket *s, *next;

	if (c->connect_by_ms != 0 && c->connect_by_ms <= now) {
		session_close(session, WS_POLICY, "No namespace was connected in time.");
		return;
	}
	if (c->partial && c->partial->by_ms <= now) {
		session_close(
		    session, WS_POLICY, "The event's binary data did not arrive in time.");
		return;
	}
	DL_FOREACH_SAFE (c->sockets, s, next) {
		at = app_of(c)->due_ms && !s->gone ? app_of(c)->due_ms(s) : 0;
		if (at != 0 && at <= now)
			app_of(c)->due(s);
		if (session->ended || session->ending)
			return;
	}
}

static void
sio_closed(struct session *session)
{
	struct sio_client *c = session->own;
	struct sio_socket *s, *next;

	DL_FOREACH_SAFE (c->sockets, s, next) {
		s->gone = true;
		app_of(c)->gone(s);
		engine_defer_free(session->engine, s);
	}
	c->sockets = NULL;
	partial_free(c);
	engine_defer_free(session->engine, c);
}

/* --------------------------------------------------------------- handover */

static bool
sio_save(const struct session *session, struct buf *out)
{
	const struct sio_client *c = session->own;
	const struct sio_socket *s;

	if (c->partial || !app_of(c)->save)
		return false;
	buf_printf(out, "\"connect_by_ms\":%lld,\"sockets\":[", (long long)c->connect_by_ms);
	DL_FOREACH (c->sockets, s) {
		buf_put(out, s == c->sockets ? S("{\"nsp\":") : S(",{\"nsp\":"));
		buf_json(out, sio_namespace(s));
		buf_printf(out, ",\"id\":\"%s\",", s->id);
		if (!s->connected || !app_of(c)->save(s, out))
			return false;
		buf_put(out, S("\"last\":true}"));
	}
	buf_put(out, S("],"));
	return true;
}

static bool
restore_socket(struct sio_client *c, json_object *from)
{
	struct str nsp = json_text(from, "nsp"), id = json_text(from, "id");
	unsigned number = namespace_number(nsp);
	struct sio_socket *s;

	if (number == SIO_NAMESPACES_MAX || id.n != SID_LEN || sio_find(c, nsp))
		return false;
	s = xmalloc(sizeof(*s));
	*s = (struct sio_socket){ .client = c, .nsp = (uint8_t)number, .connected = true };
	memcpy(s->id, id.p, SID_LEN);
	if (!app_of(c)->restore(s, from)) {
		free(s);
		return false;
	}
	DL_APPEND(c->sockets, s);
	return true;
}

static bool
sio_restore(struct session *session, json_object *from)
{
	json_object *list = json_at(from, "sockets");
	struct sio_client *c = xmalloc(sizeof(*c));

	*c = (struct sio_client){ .session = session,
		.connect_by_ms = json_int(from, "connect_by_ms", 0) };
	session->own = c;
	if (!json_object_is_type(list, json_type_array) || !app_of(c)->restore)
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!restore_socket(c, json_object_array_get_idx(list, i)))
			return false;
	sio_check_namespace(c);
	return true;
}

const struct engine_app socketio_app = {
	.save = sio_save,
	.restore = sio_restore,
	.open = sio_opened,
	.message = sio_message,
	.drained = sio_drained,
	.due_ms = sio_due_ms,
	.due = sio_due,
	.closed = sio_closed,
};
