#include <stdlib.h>

#include <utlist.h>

#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/fields.h>
#include <millrace/json.h>

#include "streamd/json_scan.h"
#include "streamd/socketio/room.h"
#include "streamd/socketio/rooms.h"

/* Bytes: a CONNECT's payload, and the argument of `join` and `leave`. */
#define PAYLOAD_MAX ((size_t)16 * 1024)
#define ROOM_ARG_MAX ((size_t)1024)
#define ROOM_NAME_MAX 100
#define PID_PURPOSE "socketio pid"
#define REFUSED_MAX \
	4 /* tokens of a session: who has more of them begins another, which is counted */

/* ------------------------------------------------------------- connecting */

/* The pid of an id, which is valid for the member's user and namespace: the id and its MAC. */
static struct str
pid_of(struct arena *a, const struct member *m, struct str id,
    struct str (*by)(struct arena *, const char *, struct str))
{
	struct str what = arena_printf(
	    a, "%s %.*s %.*s", m->principal.user.text, S_ARG(sio_namespace(m->socket)), S_ARG(id));
	struct str code = by(a, PID_PURPOSE, what);

	if (!code.p)
		return (struct str){ NULL, 0 };
	return arena_printf(a, "%.*s%.*s", S_ARG(id), S_ARG(base64url(a, code)));
}

static void
member_connected(struct member *m)
{
	struct arena *a = arena_new();

	sio_accept(m->socket, pid_of(a, m, str_from(m->socket->id), mac));
	arena_free(a);
	free(m->recovery);
	m->recovery = NULL;
}

static void
member_connect_anew(struct member *m)
{
	struct room *r, *next;

	DL_FOREACH_SAFE (m->rooms, r, next)
		room_end(r);
	sio_new_id(m->socket);
	member_connected(m);
}

void
member_recovered(struct member *m)
{
	struct room *r;

	if (m->overloaded) {
		member_retry_later(m);
		return;
	}
	if (m->unfit) {
		member_connect_anew(m);
		return;
	}
	/* The unchanged pid tells the client that it is recovered. */
	memcpy(m->socket->id, m->recovery->pid, SID_LEN);
	sio_accept(m->socket, str_from(m->recovery->pid));
	free(m->recovery);
	m->recovery = NULL;
	if (m->socket->gone)
		return;
	DL_FOREACH (m->rooms, r)
		room_join(r, r->offset.seq);
}

static bool
pid_fits(const struct member *m)
{
	struct arena *a = arena_new();
	struct str pid = str_from(m->recovery->pid), id = { pid.p, SID_LEN };
	bool fits = str_eq_secret(pid_of(a, m, id, mac), pid) ||
		    str_eq_secret(pid_of(a, m, id, mac_old), pid);

	arena_free(a);
	return fits;
}

/* Queries all rooms at once; the last reply decides. A reply may come at once and end the
   member. */
static void
member_recover(struct member *m)
{
	struct recovery *v = m->recovery;
	int n = v->n;

	m->n_pending = (uint8_t)n;
	for (int i = 0; i < n; i++)
		(void)room_new(m, &v->offsets[i], ROOM_RECOVERING, SIO_NO_ID);
	if (n == 0)
		member_recovered(m);
	for (struct room *r = m->rooms, *next; n > 0 && r; r = next) {
		next = r->next;
		n--;
		room_query(r);
	}
}

static void rooms_on_change(struct principal *p, bool ended);

/* The member's principal is `who` until ends_ms; refuses, or recovers or connects it. */
static void
member_identify(struct member *m, const struct principal *who, int64_t ends_ms)
{
	struct server *s = member_server(m);

	if (!who->user.text[0] || (ends_ms != 0 && ends_ms <= loop_now(s->loop))) {
		sio_refuse(m->socket,
		    S("{\"message\":\"Unauthorized\",\"data\":{\"code\":\"UNAUTHORIZED\"}}"));
		return;
	}
	if (principals_user_is_full(s->principals, &who->user)) {
		sio_refuse(m->socket,
		    S("{\"message\":\"Too many streams\",\"data\":{\"code\":\"RATE_LIMITED\"}}"));
		return;
	}
	m->principal = *who;
	m->principal.prev = m->principal.next = NULL;
	m->principal.on_change = rooms_on_change;
	m->ends_ms = ends_ms;
	principal_attach(s->principals, &m->principal);
	sio_rearm(m->socket);
	if (m->recovery && pid_fits(m))
		member_recover(m);
	else
		member_connect_anew(m);
}

static void
member_on_token(
    struct token_check *check, enum err e, const struct principal *who, int64_t expires_at)
{
	struct member *m = container_of(check, struct member, token);
	struct session *session = sio_session(m->socket);
	static const struct principal nobody;

	if (e == ERR_OVERLOADED) {
		member_retry_later(m);
		return;
	}
	member_identify(
	    m, e == ERR_OK ? who : &nobody, loop_at_unix(member_server(m)->loop, expires_at));
	if (e != ERR_OK && ++session->refused >= REFUSED_MAX)
		session_close(session, WS_POLICY, "Too many tokens that are not valid.");
}

struct connect_in {
	struct str token;
	struct str pid;
	struct str offset;
};

static const struct field connect_fields[] = {
	F_STR(struct connect_in, token, 0, PAYLOAD_MAX, OPTIONAL),
	F_STR(struct connect_in, pid, 0, PAYLOAD_MAX, OPTIONAL),
	F_STR(struct connect_in, offset, 0, PAYLOAD_MAX, OPTIONAL),
};

static bool
bind(struct arena *a, const struct field *fields, size_t n, struct str json, size_t max, void *into)
{
	struct problems problems = { .json.a = a };
	json_object *o;
	const char *why;

	return json.n <= max && json_parse(a, json, &o, &why) == ERR_OK &&
	       json_fields(a, fields, n, o, into, &problems);
}

/* A malformed recovery is ignored. */
static struct recovery *
recovery_read(const struct connect_in *in)
{
	struct recovery *v;

	if (in->pid.n != PID_LEN || in->offset.n == 0)
		return NULL;
	v = xmalloc(sizeof(*v));
	memcpy(v->pid, in->pid.p, PID_LEN);
	v->pid[PID_LEN] = '\0';
	v->n = offsets_read(in->offset, v->offsets);
	if (v->n >= 0)
		return v;
	free(v);
	return NULL;
}

static void
rooms_connect(struct sio_socket *s, struct str payload)
{
	struct session *session = sio_session(s);
	struct arena *a = arena_new();
	struct connect_in in = { 0 };
	struct member *m = xmalloc(sizeof(*m));

	*m = (struct member){ .socket = s };
	s->own = m;
	if (payload.p && !bind(a, connect_fields, 3, payload, PAYLOAD_MAX, &in)) {
		sio_refuse(
		    s, S("{\"message\":\"Bad request\",\"data\":{\"code\":\"BAD_REQUEST\"}}"));
		arena_free(a);
		return;
	}
	m->recovery = recovery_read(&in);
	m->token.on_reply = member_on_token;
	if (in.token.n > 0)
		token_check(member_server(m)->tokens, &m->token, in.token);
	else
		member_identify(m, &session->who, session->who_ends_ms);
	arena_free(a);
}

/* --------------------------------------------------------- join and leave */

struct room_in {
	struct str room;
};

static const struct field room_fields[] = {
	F_STR(struct room_in, room, 1, ROOM_NAME_MAX, REQUIRED),
};

static void
rooms_join(struct member *m, int64_t ack, const struct offset *offset, struct str name)
{
	if (room_find(m, offset, true))
		member_ok(m, ack, offset);
	else if (m->n_rooms >= OFFSETS_MAX)
		member_error(m, ack, ERR_BAD_REQUEST, "A socket is in at most 50 rooms.", name);
	else if (topics_user_is_flooding(member_server(m)->topics, &m->principal))
		member_error(m, ack, ERR_OVERLOADED, NULL, name);
	else
		room_query(room_new(m, offset, ROOM_JOINING, ack));
}

/* Cancels joins without a reply, too. */
static void
rooms_leave(struct member *m, int64_t ack, const struct offset *offset)
{
	struct room *r;

	while ((r = room_find(m, offset, false)) != NULL) {
		room_error(r, ERR_CONFLICT, "The room was left before it was joined.");
		if (m->socket->gone)
			return;
		room_end(r);
	}
	if ((r = room_find(m, offset, true)) != NULL) {
		room_end(r);
		member_notify_rooms(m, "left", offset);
	}
	member_ok(m, ack, offset);
}

static void
rooms_event(struct sio_socket *s, const struct sio_event *e)
{
	struct member *m = s->own;
	struct arena *a = arena_new();
	struct str rest = e->args, name, arg, called = S("");
	struct room_in in = { 0 };
	struct offset offset = { 0 };

	(void)json_scan_element(&rest, &name);
	(void)json_scan_text(a, name, SIO_NAME_MAX, &called);
	if (!str_eq(called, S("join")) && !str_eq(called, S("leave")))
		member_error(m, e->id, ERR_NOT_FOUND, "There is no such event: send join or leave.",
		    (struct str){ NULL, 0 });
	else if (!json_scan_element(&rest, &arg) ||
		 !bind(a, room_fields, 1, arg, ROOM_ARG_MAX, &in) ||
		 !offset_of_room(in.room, &offset))
		member_error(m, e->id, ERR_BAD_REQUEST,
		    "Send {\"room\":\"agent_<id>\"} or {\"room\":\"user_<id>\"}.", in.room);
	else if (str_eq(called, S("join")))
		rooms_join(m, e->id, &offset, in.room);
	else
		rooms_leave(m, e->id, &offset);
	arena_free(a);
}

/* --------------------------------------------------------------- lifetime */

static void
rooms_on_change(struct principal *p, bool ended)
{
	struct member *m = container_of(p, struct member, principal);
	struct room *r, *next;

	if (ended) {
		sio_end(m->socket, "The session has ended.");
		return;
	}
	DL_FOREACH_SAFE (m->rooms, r, next) {
		/* A recovery counts replies from before the change again. */
		if (r->state == ROOM_RECOVERING && !r->query.request)
			m->n_pending++;
		topic_query_cancel(&r->query);
	}
	DL_FOREACH_SAFE (m->rooms, r, next) {
		if (m->socket->gone)
			return;
		room_query(r);
	}
}

static void
rooms_drained(struct sio_socket *s)
{
	struct member *m = s->own;
	struct room *r;

	DL_FOREACH (m->rooms, r)
		hub_drained(&r->sub);
}

static int64_t
rooms_due_ms(const struct sio_socket *s)
{
	return ((const struct member *)s->own)->ends_ms;
}

static void
rooms_due(struct sio_socket *s)
{
	sio_end(s, "The token has expired.");
}

static void
rooms_gone(struct sio_socket *s)
{
	struct member *m = s->own;
	struct room *r, *next;

	token_check_cancel(&m->token);
	principal_detach(member_server(m)->principals, &m->principal);
	DL_FOREACH_SAFE (m->rooms, r, next)
		room_end(r);
	free(m->recovery);
	m->recovery = NULL;
	engine_defer_free(sio_session(s)->engine, m);
}

/* --------------------------------------------------------------- handover */

static bool
rooms_save(const struct sio_socket *s, struct buf *out)
{
	const struct member *m = s->own;
	const struct room *r;

	principal_save(&m->principal, out);
	buf_printf(out, "\"ends_ms\":%lld,\"offset\":", (long long)m->ends_ms);
	DL_FOREACH (m->rooms, r)
		if (r->state != ROOM_JOINED)
			return false;
	buf_json(out, member_offset(out->a, m));
	buf_put(out, S(","));
	return true;
}

static bool
rooms_restore(struct sio_socket *s, json_object *from)
{
	struct member *m = xmalloc(sizeof(*m));
	struct offset offsets[OFFSETS_MAX];
	int n = offsets_read(json_text(from, "offset"), offsets);

	*m = (struct member){ .socket = s, .ends_ms = json_int(from, "ends_ms", 0) };
	if (n < 0 || !principal_restore(&m->principal, from)) {
		free(m);
		return false;
	}
	s->own = m;
	m->principal.on_change = rooms_on_change;
	m->token.on_reply = member_on_token;
	principal_attach(member_server(m)->principals, &m->principal);
	for (int i = 0; i < n; i++)
		room_join(room_new(m, &offsets[i], ROOM_JOINING, SIO_NO_ID), offsets[i].seq);
	return true;
}

const struct sio_app rooms_app = {
	.save = rooms_save,
	.restore = rooms_restore,
	.connect = rooms_connect,
	.event = rooms_event,
	.drained = rooms_drained,
	.due_ms = rooms_due_ms,
	.due = rooms_due,
	.gone = rooms_gone,
};
