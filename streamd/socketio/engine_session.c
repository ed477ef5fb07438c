#include <stdlib.h>

#include <utlist.h>

#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/json.h>

#include "streamd/http/response.h"
#include "streamd/metrics.h"
#include "streamd/socketio/engine_session.h"
#include "streamd/socketio/packet.h"
#include "streamd/socketio/poll.h"

/* Bounds of a polling session's queue: for output that can wait (session_has_room), and for any. */
#define QUEUE_BYTES ((size_t)64 * 1024)
#define QUEUE_PACKETS 64
#define UNREAD_BYTES ((size_t)1024 * 1024)
#define UNREAD_PACKETS 1000
/* How long a closed polling session waits for polls to take its last packets and the close. */
#define CLOSE_POLL_MS 30000
/* Distinct from a deflate window (0, or 9 to 15). */
#define SHAPE_POLL 1

/* ----------------------------------------------------------------- output */

unsigned
session_shape(const struct session *s)
{
	return s->ws ? s->ws->deflate_bits : SHAPE_POLL;
}

struct buffer *
session_packet(struct engine *e, unsigned shape, bool binary, struct str message)
{
	struct buf b = { .a = e->out };
	struct buffer *made;

	if (shape != SHAPE_POLL && binary)
		return ws_frame(true, message, (uint8_t)shape);
	packet_put(&b, binary, message);
	made = shape == SHAPE_POLL ? buffer_of(buf_str(&b))
				   : ws_frame(false, buf_str(&b), (uint8_t)shape);
	arena_reset(e->out);
	return made;
}

bool
session_is_idle(const struct session *s)
{
	return s->ws ? s->ws->conn->n == 0 : s->n == 0;
}

bool
session_has_room(struct session *s, size_t len)
{
	if (s->ws)
		return ws_has_room(s->ws, len);
	return s->n == 0 || (s->n < QUEUE_PACKETS && s->queued + len <= QUEUE_BYTES);
}

/* Is so much unread that the peer has stopped reading? */
static bool
session_is_flooded(struct session *s, size_t len)
{
	const struct conn *c = s->ws ? s->ws->conn : NULL;
	size_t n = c ? c->n : s->n, bytes = c ? c->queued : s->queued;

	return n > 0 && (n >= UNREAD_PACKETS || bytes + len > UNREAD_BYTES);
}

static void
queue_push(struct session *s, struct buffer *packet)
{
	if (s->n == s->room) {
		s->room = (uint16_t)(s->room ? s->room * 2 : 4);
		s->queue = xrealloc(s->queue, s->room * sizeof(*s->queue));
	}
	s->queue[s->n++] = buffer_hold(packet);
	s->queued += packet->len;
}

/* An idle session holds no array. */
static void
queue_drop(struct session *s)
{
	for (uint16_t i = 0; i < s->n; i++)
		buffer_drop(s->queue[i]);
	free(s->queue);
	s->queue = NULL;
	s->n = s->room = 0;
	s->queued = 0;
}

void
session_send_packet(struct session *s, struct buffer *packet)
{
	if (s->ended || s->ending)
		return;
	if (session_is_flooded(s, packet->len)) {
		/* A WebSocket's queue may only be waiting for the turn's end. */
		if (!s->ws || !ws_has_room(s->ws, packet->len)) {
			metrics.slow_closed++;
			session_end(s, END_BY_US, WS_TRY_AGAIN, "You read too slowly.");
			return;
		}
	}
	if (s->ws) {
		ws_send_frame(s->ws, packet);
	} else {
		queue_push(s, packet);
		session_flush(s);
	}
}

void
session_send(struct session *s, bool binary, struct str message)
{
	struct buffer *b = session_packet(s->engine, session_shape(s), binary, message);

	session_send_packet(s, b);
	buffer_drop(b);
}

struct str
session_payload(struct session *s, const char *otherwise)
{
	struct buf b = { .a = s->engine->out };

	for (uint16_t i = 0; i < s->n; i++) {
		if (i > 0)
			buf_put(&b, S("\x1e"));
		buf_put(&b, (struct str){ s->queue[i]->bytes, s->queue[i]->len });
	}
	if (s->n == 0)
		buf_put(&b, str_from(otherwise));
	queue_drop(s);
	return buf_str(&b);
}

static void
session_drained(struct session *s)
{
	if (!s->ended && !s->ending && s->engine->app->drained)
		s->engine->app->drained(s);
}

/* A close is a payload of its own: socket.io-client handles it at once, and what came before it in
   the payload only later, so that a DISCONNECT would be a lost transport to it, and it would
   reconnect. */
void
session_flush(struct session *s)
{
	bool closes = s->ending && s->n == 0;

	if (!s->poll || s->corked || (s->n == 0 && !s->probed && !closes))
		return;
	poll_send(s, session_payload(s, closes ? "1" : "6"));
	if (closes)
		session_end(s, END_LOST, WS_NORMAL, "");
	else
		session_drained(s);
}

/* Sends over the WebSocket what was queued for polls. */
static void
queue_moves(struct session *s)
{
	struct engine *e = s->engine;

	for (uint16_t i = 0; i < s->n; i++) {
		struct str text = { s->queue[i]->bytes, s->queue[i]->len };
		struct packet p;

		if (text.p[0] == 'b' && packet_read(e->out, text, &p))
			ws_send(s->ws, true, p.data);
		else
			ws_send(s->ws, false, text);
		arena_reset(e->out);
	}
	queue_drop(s);
}

void
session_upgrade(struct session *s, struct ws *w)
{
	if (s->poll)
		poll_send(s, session_payload(s, "6"));
	metrics.sessions_polling--;
	s->polls = false;
	s->ws = w;
	s->probe = NULL;
	s->probed = false;
	queue_moves(s);
	session_rearm(s);
	session_drained(s);
}

/* ------------------------------------------------------------------ input */

bool
session_receive(struct session *s, enum packet_type type, bool binary, struct str data)
{
	int64_t now = loop_now(s->engine->server->loop);

	if (s->ended || s->ending)
		return false;
	if (s->pinged && !s->extended && type != PACKET_PONG) {
		s->extended = true;
		s->heartbeat_ms = now + config()->socketio_ping_timeout_ms;
	}
	switch (type) {
	case PACKET_PONG:
		s->pinged = false;
		s->heartbeat_ms = now + config()->socketio_ping_ms;
		break;
	case PACKET_PING:
		session_end(s, END_BY_US, WS_POLICY, "Unexpected ping: only the server pings.");
		return false;
	case PACKET_CLOSE:
		session_end(s, END_BY_PEER, WS_NORMAL, "");
		return false;
	case PACKET_MESSAGE:
		if (!s->engine->app->message(s, binary, data))
			session_end(s, END_BY_US, WS_POLICY, "Unexpected message.");
		break;
	case PACKET_OPEN:
	case PACKET_UPGRADE:
	case PACKET_NOOP:
		break;
	}
	session_rearm(s);
	return !s->ended && !s->ending;
}

/* ----------------------------------------------------------------- timing */

static int64_t
session_due_ms(const struct session *s)
{
	const struct engine_app *app = s->engine->app;
	int64_t due = s->heartbeat_ms;

	if (s->ending)
		return s->end_ms;
	if (s->probe)
		due = sooner(due, s->probe_ms);
	return app->due_ms ? sooner(due, app->due_ms(s)) : due;
}

void
session_rearm(struct session *s)
{
	struct loop *l = s->engine->server->loop;
	int64_t due;

	if (s->ended)
		return;
	due = session_due_ms(s);
	if (due != s->timer.due_ms)
		loop_arm(l, &s->timer, due - loop_now(l));
}

static void
session_heartbeat(struct session *s)
{
	static struct buffer *text, *frame;

	if (s->pinged) {
		metrics.half_open_closed++;
		session_end(s, END_BY_US, WS_POLICY, "The ping was not answered.");
		return;
	}
	if (!text) {
		text = buffer_of(S("2"));
		frame = ws_frame(false, S("2"), 0);
	}
	s->pinged = true;
	s->extended = false;
	s->heartbeat_ms = loop_now(s->engine->server->loop) + config()->socketio_ping_timeout_ms;
	session_send_packet(s, s->ws ? frame : text);
}

static void
session_timer_fires(struct loop_timer *t)
{
	struct session *s = container_of(t, struct session, timer);
	const struct engine_app *app = s->engine->app;
	int64_t now = loop_now(s->engine->server->loop);

	if (s->ending) {
		session_end(s, END_LOST, WS_NORMAL, "");
		return;
	}
	if (s->probe && s->probe_ms <= now)
		ws_close(s->probe, WS_POLICY, "The upgrade took too long.");
	if (s->heartbeat_ms <= now)
		session_heartbeat(s);
	if (!s->ended && !s->ending && app->due_ms && app->due_ms(s) != 0 && app->due_ms(s) <= now)
		app->due(s);
	session_rearm(s);
}

/* --------------------------------------------------------------- lifetime */

static struct session *
session_add(struct engine *e, const char *name, bool polls)
{
	struct session *s = xmalloc(sizeof(*s));

	*s = (struct session){ .engine = e, .polls = polls, .timer.fire = session_timer_fires };
	memcpy(s->sid, name, SID_LEN);
	s->heartbeat_ms = loop_now(e->server->loop) + config()->socketio_ping_ms;
	HASH_ADD(hh, e->sessions, sid, SID_LEN, s);
	metrics.sessions_socketio++;
	if (polls)
		metrics.sessions_polling++;
	return s;
}

struct session *
session_new(struct engine *e, bool polls)
{
	struct session *s = session_add(e, random_text(e->out, SID_BYTES).p, polls);

	arena_reset(e->out);
	return s;
}

void
session_mark_anonymous(struct session *s)
{
	if (!s->is_anonymous)
		DL_APPEND(s->engine->anonymous, s);
	s->is_anonymous = true;
}

void
session_mark_identified(struct session *s)
{
	if (s->is_anonymous)
		DL_DELETE(s->engine->anonymous, s);
	s->is_anonymous = false;
}

bool
engine_evict(struct engine *e)
{
	struct session *s = e->anonymous;
	struct conn *c = s && s->ws ? s->ws->conn : NULL;

	if (!s)
		return false;
	metrics.gave_way++;
	session_end(s, END_BY_US, WS_TRY_AGAIN,
	    "Too many connections: anonymous sessions are closed first.");
	/* Do not wait for the peer's close: until then the connection would still count. */
	if (c)
		conn_finish(c);
	return true;
}

struct session *
session_find(struct engine *e, struct str sid)
{
	struct session *s = NULL;

	if (sid.n == SID_LEN)
		HASH_FIND(hh, e->sessions, sid.p, SID_LEN, s);
	return s;
}

/* The application's last call. */
static void
session_detach(struct session *s)
{
	if (!s->ending)
		s->engine->app->closed(s);
	s->own = NULL;
}

/* Closes a WebSocket that is no longer the session's. */
static void
drop_ws(struct ws **slot, unsigned code, const char *reason)
{
	struct ws *w = *slot;

	*slot = NULL;
	if (!w)
		return;
	w->own = NULL;
	ws_close(w, code, reason);
}

void
session_end(struct session *s, enum session_end how, unsigned code, const char *reason)
{
	struct engine *e = s->engine;

	if (s->ended)
		return;
	s->ended = true;
	session_mark_identified(s);
	session_detach(s);
	if (s->polls)
		metrics.sessions_polling--;
	if (s->poll)
		poll_send(s, how == END_BY_PEER ? S("6") : S("1"));
	drop_ws(&s->ws, code, reason);
	drop_ws(&s->probe, code, reason);
	queue_drop(s);
	loop_disarm(e->server->loop, &s->timer);
	HASH_DEL(e->sessions, s);
	metrics.sessions_socketio--;
	engine_defer_free(e, s);
}

void
session_close(struct session *s, unsigned code, const char *reason)
{
	if (s->ended || s->ending)
		return;
	if (s->ws) {
		session_end(s, END_BY_US, code, reason);
		return;
	}
	session_detach(s);
	s->ending = true;
	s->end_ms = loop_now(s->engine->server->loop) + CLOSE_POLL_MS;
	/* A client in the middle of an upgrade reads the last packets over its WebSocket. */
	if (!s->probed)
		drop_ws(&s->probe, code, reason);
	session_rearm(s);
	session_flush(s);
}

/* --------------------------------------------------------------- handover */

bool
session_save(const struct session *s, struct buf *out)
{
	const struct engine_app *app = s->engine->app;

	if (s->ended || s->ending || s->probe || !app->save)
		return false;
	buf_printf(out, "\"sid\":\"%s\",", s->sid);
	principal_save(&s->who, out);
	buf_printf(out,
	    "\"who_ends_ms\":%lld,\"beat_ms\":%lld,\"pinged\":%s,\"patience\":%s,\"queue\":[",
	    (long long)s->who_ends_ms, (long long)s->heartbeat_ms, s->pinged ? "true" : "false",
	    s->extended ? "true" : "false");
	for (uint16_t i = 0; i < s->n; i++) {
		buf_put(out, i > 0 ? S(",") : S(""));
		buf_json(out, (struct str){ s->queue[i]->bytes, s->queue[i]->len });
	}
	buf_put(out, S("],"));
	return app->save(s, out);
}

static bool
restore_queue(struct session *s, json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);
		struct buffer *b;

		if (!json_object_is_type(o, json_type_string))
			return false;
		b = buffer_of((struct str){
		    json_object_get_string(o), (size_t)json_object_get_string_len(o) });
		queue_push(s, b);
		buffer_drop(b);
	}
	return true;
}

struct session *
session_restore(struct engine *e, json_object *from, bool polls)
{
	json_object *list = json_at(from, "queue");
	struct str sid = json_text(from, "sid");
	struct session *s;
	bool good;

	if (sid.n != SID_LEN || session_find(e, sid) || !e->app->restore ||
	    !json_object_is_type(list, json_type_array))
		return NULL;
	s = session_add(e, sid.p, polls);
	s->who_ends_ms = json_int(from, "who_ends_ms", 0);
	s->heartbeat_ms = json_int(from, "beat_ms", s->heartbeat_ms);
	s->pinged = json_object_get_boolean(json_at(from, "pinged"));
	s->extended = json_object_get_boolean(json_at(from, "patience"));
	good = principal_restore(&s->who, from);
	if (e->app->restore(s, from) && good && restore_queue(s, list)) {
		session_rearm(s);
		return s;
	}
	session_end(s, END_LOST, WS_NORMAL, "");
	return NULL;
}

/* ---------------------------------------------------------- deferred free */

void
engine_free_deferred(struct engine *e)
{
	loop_disarm(e->server->loop, &e->deferred_timer);
	while (e->n_deferred > 0)
		free(e->deferred[--e->n_deferred]);
	free(e->deferred);
	e->deferred = NULL;
	e->room = 0;
}

static void
engine_deferred_fires(struct loop_timer *t)
{
	engine_free_deferred(container_of(t, struct engine, deferred_timer));
}

void
engine_defer_free(struct engine *e, void *p)
{
	if (!p)
		return;
	if (e->n_deferred == e->room) {
		e->room = e->room ? e->room * 2 : 16;
		e->deferred = xrealloc(e->deferred, e->room * sizeof(*e->deferred));
	}
	e->deferred[e->n_deferred++] = p;
	if (e->deferred_timer.due_ms == 0) {
		e->deferred_timer.fire = engine_deferred_fires;
		loop_arm(e->server->loop, &e->deferred_timer, 0);
	}
}
