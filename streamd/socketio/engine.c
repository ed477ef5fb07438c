#include <stdlib.h>

#include <millrace/config.h>
#include <millrace/fields.h>

#include "streamd/http/head.h"
#include "streamd/http/response.h"
#include "streamd/metrics.h"
#include "streamd/socketio/engine.h"
#include "streamd/socketio/packet.h"
#include "streamd/socketio/poll.h"

/* How long an upgrade to a WebSocket may take. */
#define PROBE_MS 10000

/* Why a request is refused, with the numbers of the reference server. */
enum refusal {
	UNKNOWN_TRANSPORT,
	UNKNOWN_SID,
	BAD_HANDSHAKE_METHOD,
	BAD_REQUEST,
	FORBIDDEN,
	UNSUPPORTED_VERSION
};

static const char *const refusals[] = {
	[UNKNOWN_TRANSPORT] = "Transport unknown",
	[UNKNOWN_SID] = "Session ID unknown",
	[BAD_HANDSHAKE_METHOD] = "Bad handshake method",
	[BAD_REQUEST] = "Bad request",
	[FORBIDDEN] = "Forbidden",
	[UNSUPPORTED_VERSION] = "Unsupported protocol version",
};

/* One request. */
struct engine_call {
	struct engine *engine;
	struct conn *conn;
	struct http_head *head;
	const struct grant *grant;
	bool websocket; /* the requested transport */
	struct session *session; /* NULL: the request has no sid */
};

/* -------------------------------------------------------------- responses */

/* The connection's kind does not change: it frees the head when it closes. */
static void
engine_respond(struct engine_call *q, int status, struct str type, struct str body)
{
	struct arena *a = q->head->arena;

	poll_reply(q->conn, a, status, type, response_grant_headers(a, q->grant), body);
}

static void
engine_refuse(struct engine_call *q, enum refusal why)
{
	metrics.requests_refused++;
	engine_respond(q, why == FORBIDDEN ? 403 : 400, S("application/json"),
	    arena_printf(
		q->head->arena, "{\"code\":%d,\"message\":\"%s\"}", (int)why, refusals[why]));
}

/* ------------------------------------------------------------------ polls */

static void
engine_poll(struct engine_call *q)
{
	struct session *s = q->session;

	if (s->poll) {
		session_end(s, END_BY_US, WS_NORMAL, "");
		engine_refuse(q, BAD_REQUEST);
		return;
	}
	poll_wait(s, q->conn, response_grant_headers(q->head->arena, q->grant));
	http_head_free(q->head);
	session_flush(s);
}

/* Receives the packets of a POST; false where one is malformed. */
static bool
post_receive(struct session *s, struct arena *a, struct str payload)
{
	struct str rest = payload.p ? payload : S("");
	struct packet p;

	if (!str_utf8(rest))
		return false;
	do {
		if (!payload_next(a, &rest, &p))
			return false;
		if (!session_receive(s, p.type, p.binary, p.data))
			return true;
	} while (rest.p);
	return true;
}

static bool
is_bytes(struct str type)
{
	struct str name;

	(void)str_cut(type, ';', &name);
	return type.p && str_eq_nocase(str_trim(name), S("application/octet-stream"));
}

static void
engine_post(struct engine_call *q)
{
	struct session *s = q->session;
	bool good;

	if (q->head->body.p && q->head->body.n > (size_t)config()->socketio_payload_max) {
		response_refuse(q->conn, ERR_TOO_LARGE, NULL, S(""));
		return;
	}
	s->corked = true;
	good = !is_bytes(q->head->type) &&
	       (s->ending || post_receive(s, q->head->arena, q->head->body));
	s->corked = false;
	if (!good) {
		session_end(s, END_BY_US, WS_POLICY, "");
		engine_refuse(q, BAD_REQUEST);
		return;
	}
	engine_respond(q, 200, TEXT_TYPE, S("ok"));
	if (!s->ended)
		session_flush(s);
}

/* ------------------------------------------------------------- WebSockets */

static void
probe_receive(struct session *s, struct ws *w, const struct packet *p)
{
	if (p && p->type == PACKET_PING && str_eq(p->data, S("probe")) && !s->probed) {
		s->probed = true;
		ws_send(w, false, S("3probe"));
		session_flush(s);
	} else if (p && p->type == PACKET_UPGRADE && s->probed) {
		session_upgrade(s, w);
		if (s->ending)
			session_end(s, END_BY_US, WS_POLICY, "The session is over.");
	} else {
		ws_close(w, WS_POLICY, "Unexpected packet during the upgrade.");
	}
}

static void
engine_ws_message(struct ws *w, bool binary, struct str bytes)
{
	struct session *s = w->own;
	struct packet p = { .type = PACKET_MESSAGE, .binary = true, .data = bytes };
	struct engine *e;
	bool good;

	if (!s)
		return;
	e = s->engine;
	good = binary || packet_read(e->in, bytes, &p);
	if (s->probe == w)
		probe_receive(s, w, good && !binary ? &p : NULL);
	else if (!good)
		session_end(s, END_BY_US, WS_POLICY, "Malformed packet.");
	else
		(void)session_receive(s, p.type, p.binary, p.data);
	arena_reset(e->in);
}

static void
engine_ws_drained(struct ws *w)
{
	struct session *s = w->own;

	if (s && s->ws == w && s->engine->app->drained)
		s->engine->app->drained(s);
}

static void
engine_ws_stop(struct ws *w)
{
	struct session *s = w->own;

	if (s && s->ws == w)
		session_end(s, END_BY_US, WS_RESTART, "The server is restarting.");
	else
		ws_close(w, WS_RESTART, "The server is restarting.");
}

static void
engine_ws_gone(struct ws *w)
{
	struct session *s = w->own;

	if (!s)
		return;
	if (s->ws == w) {
		s->ws = NULL;
		session_end(s, END_LOST, WS_NORMAL, "");
	} else if (s->probe == w) {
		s->probe = NULL;
		s->probed = false;
		session_rearm(s);
	}
}

static bool
engine_ws_save(const struct ws *w, struct buf *out)
{
	const struct session *s = w->own;

	buf_put(out, S("\"kind\":\"engine\","));
	return s && s->ws == w && session_save(s, out);
}

/* engine_new sets message_max from the settings. */
static struct ws_app engine_ws = {
	.save = engine_ws_save,
	.message = engine_ws_message,
	.drained = engine_ws_drained,
	.stop = engine_ws_stop,
	.gone = engine_ws_gone,
	.app_pings = true,
};

/* A WebSocket for a polling session. A session with a WebSocket, or an upgrade under way, refuses
   another. */
static void
engine_probe(struct engine_call *q)
{
	struct session *s = q->session;
	bool refused = s->ws || s->probe || s->ending;
	struct ws *w = ws_accept(q->conn, q->head, response_grant_headers(q->head->arena, q->grant),
	    &engine_ws, refused ? NULL : s);

	if (!w)
		return;
	if (refused) {
		ws_close(w, WS_POLICY, "The session is on another WebSocket.");
	} else {
		s->probe = w;
		s->probe_ms = loop_now(q->conn->server->loop) + PROBE_MS;
		session_rearm(s);
	}
	ws_begin(w, q->head);
}

/* ------------------------------------------------------------- handshakes */

static struct session *
open_session(struct engine_call *q, bool polls)
{
	const struct grant *g = q->grant;
	struct session *s = session_new(q->engine, polls);

	s->who = principal_of_grant(g);
	s->who_ends_ms = loop_at_unix(q->conn->server->loop, g->expires_at);
	metrics.requests_socketio++;
	return s;
}

static struct str
open_packet(struct arena *a, const struct session *s, const char *upgrades)
{
	return arena_printf(a,
	    "0{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":%lld,\"pingTimeout\":%lld,"
	    "\"maxPayload\":%lld}",
	    s->sid, upgrades, (long long)config()->socketio_ping_ms,
	    (long long)config()->socketio_ping_timeout_ms,
	    (long long)config()->socketio_payload_max);
}

static void
open_websocket(struct engine_call *q)
{
	struct arena *a = q->head->arena;
	struct ws *w =
	    ws_accept(q->conn, q->head, response_grant_headers(a, q->grant), &engine_ws, NULL);
	struct session *s;

	if (!w)
		return;
	s = open_session(q, false);
	s->ws = w;
	w->own = s;
	ws_send(w, false, open_packet(a, s, ""));
	q->engine->app->open(s);
	session_rearm(s);
	ws_begin(w, q->head);
}

static void
open_polling(struct engine_call *q)
{
	struct session *s = open_session(q, true);

	engine_respond(q, 200, TEXT_TYPE, open_packet(q->head->arena, s, "\"websocket\""));
	q->engine->app->open(s);
	session_rearm(s);
}

/* --------------------------------------------------------------- requests */

struct query_in {
	struct str EIO;
	struct str transport;
	struct str sid;
};

static const struct field query_in_fields[] = {
	F_STR(struct query_in, EIO, 0, 100, OPTIONAL),
	F_STR(struct query_in, transport, 0, 100, OPTIONAL),
	F_STR(struct query_in, sid, 0, 100, OPTIONAL),
};

/* Opens a session. */
static void
engine_handshake(struct engine_call *q, struct str version)
{
	if (q->head->method != METHOD_GET)
		engine_refuse(q, BAD_HANDSHAKE_METHOD);
	else if (q->websocket != q->head->wants_upgrade)
		engine_refuse(q, BAD_REQUEST);
	else if (!str_eq(version, S("4")))
		engine_refuse(q, UNSUPPORTED_VERSION);
	else if (!server_make_room(q->conn->server))
		/* The reference server has no number for this. */
		response_refuse(q->conn, ERR_OVERLOADED,
		    "Too many streams are open; try again shortly.", S("Retry-After: 5\r\n"));
	else if (q->websocket)
		open_websocket(q);
	else
		open_polling(q);
}

/* Continues one. */
static void
engine_resume(struct engine_call *q, struct str version)
{
	struct session *s = q->session;

	if (!str_eq(version, S("4")) || q->websocket != q->head->wants_upgrade ||
	    (s->ws && !q->websocket))
		engine_refuse(q, BAD_REQUEST);
	else if (q->websocket)
		engine_probe(q);
	else if (q->head->method == METHOD_GET)
		engine_poll(q);
	else if (q->head->method == METHOD_POST)
		engine_post(q);
	else
		engine_refuse(q, BAD_REQUEST);
}

/* The session of a sid, which exists only for the user who opened it. */
static struct session *
find_session(const struct engine_call *q, struct str sid)
{
	struct session *s = session_find(q->engine, sid);

	return s && str_eq(uuid_str(&s->who.user), uuid_str(&q->grant->user)) ? s : NULL;
}

void
engine_serve(struct engine *e, struct conn *c, struct http_head *h, const struct grant *g)
{
	struct engine_call q = { .engine = e, .conn = c, .head = h, .grant = g };
	struct query_in in = { 0 };
	struct problems problems = { .json.a = h->arena };

	if (!query_fields(h->arena, query_in_fields,
		sizeof(query_in_fields) / sizeof(*query_in_fields), h->query.p ? h->query : S(""),
		&in, &problems)) {
		engine_refuse(&q, BAD_REQUEST);
		return;
	}
	q.websocket = str_eq(in.transport, S("websocket"));
	if (!q.websocket && !str_eq(in.transport, S("polling"))) {
		engine_refuse(&q, UNKNOWN_TRANSPORT);
	} else if (in.sid.n == 0) {
		engine_handshake(&q, in.EIO);
	} else if ((q.session = find_session(&q, in.sid)) == NULL) {
		engine_refuse(&q, UNKNOWN_SID);
	} else {
		engine_resume(&q, in.EIO);
	}
}

void
engine_start(struct conn *c, struct http_head *h, const struct grant *g)
{
	engine_serve(c->server->engine, c, h, g);
}

/* --------------------------------------------------------------- handover */

bool
engine_restore_ws(struct conn *c, json_object *from)
{
	struct session *s = session_restore(c->server->engine, from, false);
	struct ws *w = s ? ws_restore(c, from, &engine_ws, s) : NULL;

	if (s && !w)
		session_end(s, END_LOST, WS_NORMAL, "");
	if (!w)
		return false;
	s->ws = w;
	ws_resume(w, from);
	return true;
}

bool
engine_restore_session(struct server *s, json_object *from)
{
	return session_restore(s->engine, from, true) != NULL;
}

bool
engine_save_sessions(
    struct engine *e, struct arena *a, bool (*send)(void *arg, struct str state), void *arg)
{
	struct session *s, *next;
	bool good = true;

	HASH_ITER (hh, e->sessions, s, next) {
		struct buf b = { .a = a };

		if (s->ws || s->poll || !good)
			continue;
		buf_put(&b, S("{\"kind\":\"session\","));
		if (!session_save(s, &b))
			continue;
		buf_put(&b, S("\"last\":true}"));
		good = send(arg, buf_str(&b));
	}
	return good;
}

struct engine *
engine_new(struct server *s, const struct engine_app *app, const void *upper)
{
	struct engine *e = xmalloc(sizeof(*e));

	*e = (struct engine){
		.server = s, .app = app, .upper = upper, .in = arena_new(), .out = arena_new()
	};
	engine_ws.message_max = (size_t)config()->socketio_payload_max;
	return e;
}

void
engine_drop_all(struct engine *e)
{
	struct session *s, *next;

	HASH_ITER (hh, e->sessions, s, next)
		session_end(s, END_LOST, WS_GOING_AWAY, "");
	engine_free_deferred(e);
}

void
engine_free(struct engine *e)
{
	engine_drop_all(e);
	arena_free(e->in);
	arena_free(e->out);
	free(e);
}
