#include <stdlib.h>
#include <time.h>

#include <utlist.h>

#include <millrace/crypto.h>
#include <millrace/json.h>

#include "place.h"
#include "rooms.h"
#include "scan.h"
#include "stats.h"

/* Bytes of a CONNECT's payload, and of the argument of `join` and `leave`. */
#define PAYLOAD_MAX ((size_t)16 * 1024)
#define ROOM_ARG_MAX ((size_t)1024)
#define ROOM_NAME_MAX 100
#define MAC_LEN 43 /* 32 bytes in base64url */
#define PID_LEN (SID_LEN + MAC_LEN)
#define PID_PURPOSE "socketio pid"

/* What a client that comes back has brought. */
struct recovery {
	char pid[PID_LEN + 1];
	int n;
	struct place places[PLACES_MAX];
};

enum room_state {
	ROOM_ASKED, /* a join that is not answered yet */
	ROOM_RECOVERING, /* the same, as part of a recovery */
	ROOM_JOINED
};

struct room {
	struct sub sub; /* first: the hub gives it back */
	struct room *prev, *next;
	struct member *member;
	struct ask ask;
	struct place place; /* where a recovery goes on; once joined, `sub` knows */
	int64_t ack; /* what the join asked for */
	enum room_state state;
};

/* A socket's part here. */
struct member {
	struct sio_socket *socket;
	struct person person;
	struct token_ask token;
	struct room *rooms;
	struct recovery *recovery; /* until it is connected */
	int64_t ends_ms; /* when the token ends; 0: never */
	uint8_t n_rooms, n_joined;
	uint8_t n_asked; /* of a recovery's topics, those without an answer */
	bool unfit; /* something about the recovery does not fit */
	bool overloaded; /* or could not be asked */
};

static const struct sub_ops room_sub;

static struct server *
server_of(const struct member *m)
{
	return sio_session(m->socket)->engine->server;
}

/* ----------------------------------------------------------- what is said */

/* The member's offset: its place in each room. */
static struct str
offset_of(struct arena *a, const struct member *m)
{
	struct buf b = { .a = a };
	const struct room *r;

	DL_FOREACH (m->rooms, r) {
		struct place p = r->place;

		p.seq = r->sub.sent;
		if (r->state == ROOM_JOINED)
			place_put(&b, &p);
	}
	return b.n > 0 ? buf_str(&b) : S("~");
}

/* `joined` and `left`: with the offset, which has changed. */
static void
say_moved(struct member *m, const char *event, const struct place *place)
{
	struct arena *a = arena_new();

	sio_emit(m->socket,
	    &(struct sio_event){ .args = arena_printf(a, "[\"%s\",{\"room\":\"%.*s\"},\"%.*s\"]",
				     event, S_ARG(place_room(a, place)), S_ARG(offset_of(a, m))),
		.id = SIO_NO_ID });
	arena_free(a);
}

static void
say_ok(struct member *m, int64_t ack, const struct place *place)
{
	struct arena *a = arena_new();

	sio_ack(m->socket,
	    &(struct sio_event){ .args = arena_printf(a, "[{\"ok\":true,\"room\":\"%.*s\"}]",
				     S_ARG(place_room(a, place))),
		.id = ack });
	arena_free(a);
}

/* To the acknowledgement that was asked for, else as an `error` event. */
static void
say_error(struct member *m, int64_t ack, enum err e, const char *text, struct str room)
{
	struct buf b = { .a = arena_new() };
	struct str said = str_from(text ? text : err_info(e)->text);

	buf_put(
	    &b, ack == SIO_NO_ID ? S("[\"error\",{\"message\":") : S("[{\"ok\":false,\"error\":"));
	buf_json(&b, said);
	buf_printf(&b, ",\"code\":\"%s\"", err_info(e)->code);
	if (room.p) {
		buf_put(&b, S(",\"room\":"));
		buf_json(&b, room);
	}
	buf_put(&b, S("}]"));
	if (ack == SIO_NO_ID)
		sio_emit(m->socket, &(struct sio_event){ .args = buf_str(&b), .id = SIO_NO_ID });
	else
		sio_ack(m->socket, &(struct sio_event){ .args = buf_str(&b), .id = ack });
	arena_free(b.a);
}

static void
say_room_error(struct room *r, enum err e, const char *text)
{
	struct arena *a = arena_new();

	say_error(r->member, r->ack, e, text, place_room(a, &r->place));
	arena_free(a);
}

/* --------------------------------------------------------------- events */

static struct room *
room_of_sub(const struct sub *s)
{
	return (struct room *)((uintptr_t)s - offsetof(struct room, sub));
}

static bool
ready(const struct sub *s)
{
	return session_is_idle(sio_session(room_of_sub(s)->member->socket));
}

/* 2["<type>",<data>,"<offset>"], with the data as it stands in the log. */
static struct buffer *
event_packet(const struct member *m, const struct event *e, unsigned shape)
{
	struct engine *engine = sio_session(m->socket)->engine;
	struct buf b = { .a = engine->out };
	struct str offset = offset_of(engine->out, m);

	sio_put(&b, &(struct sio_packet){
			.type = SIO_EVENT, .nsp = sio_namespace(m->socket), .id = SIO_NO_ID });
	buf_put(&b, S("["));
	buf_json(&b, e->type);
	buf_put(&b, S(","));
	buf_put(&b, e->data);
	buf_put(&b, S(",\""));
	buf_put(&b, offset);
	buf_put(&b, S("\"]"));
	return session_packet(engine, shape, false, buf_str(&b));
}

/* All who are in this one room have the same offset, and so the same packet. */
static bool
take(struct sub *sub, struct event *e)
{
	struct member *m = room_of_sub(sub)->member;
	struct session *session = sio_session(m->socket);
	unsigned shape = session_shape(session);
	unsigned key = FORM_SOCKETIO | (unsigned)m->socket->nsp << 4 | shape;
	bool shared = m->n_joined == 1, room;
	struct buffer *b = shared ? event_form(e, key) : NULL;

	/* It has left by what this very event did to another room of its session. */
	if (!sub->topic)
		return true;
	if (b) {
		buffer_hold(b);
	} else {
		b = event_packet(m, e, shape);
		b->born_us = e->born_us;
		if (shared)
			buffer_hold(event_keep(e, key, b));
	}
	/* Looking for room may find out that nobody is there. */
	room = session_has_room(session, b->len);
	if (room && sub->topic) {
		session_put(session, b);
		stats.events_sent++;
	}
	buffer_drop(b);
	return room || !sub->topic;
}

static const struct sub_ops room_sub = { .ready = ready, .take = take };

/* ----------------------------------------------------------------- rooms */

static struct room *
room_new(struct member *m, const struct place *place, enum room_state state, int64_t ack)
{
	struct room *r = xmalloc(sizeof(*r));

	*r = (struct room){
		.sub.ops = &room_sub, .member = m, .place = *place, .ack = ack, .state = state
	};
	DL_APPEND(m->rooms, r);
	m->n_rooms++;
	return r;
}

/* The hub may be looking at it: it stays in memory until it does not. */
static void
room_end(struct room *r)
{
	struct member *m = r->member;

	ask_cancel(&r->ask);
	hub_leave(&r->sub);
	DL_DELETE(m->rooms, r);
	m->n_rooms--;
	if (r->state == ROOM_JOINED)
		m->n_joined--;
	engine_bury(sio_session(m->socket)->engine, r);
}

/* The room of that place that is joined, or that is not yet. */
static struct room *
room_find(struct member *m, const struct place *place, bool joined)
{
	struct room *r;

	DL_FOREACH (m->rooms, r)
		if ((r->state == ROOM_JOINED) == joined && place_is_of(&r->place, place))
			return r;
	return NULL;
}

static void
room_join(struct room *r, int64_t after)
{
	struct arena *a = arena_new();

	r->state = ROOM_JOINED;
	r->member->n_joined++;
	hub_join(server_of(r->member)->hub, &r->sub, place_topic(a, &r->place), after);
	arena_free(a);
}

/* Nobody can say now what may be listened to: the client comes back, and is told then. */
static void
come_back(struct member *m)
{
	session_close(sio_session(m->socket), WS_TRY_AGAIN, "Come back shortly.");
}

static void
joined(struct room *r, enum err e, bool allowed, int64_t head)
{
	struct member *m = r->member;

	if (e == ERR_OK && allowed && !room_find(m, &r->place, true)) {
		room_join(r, head);
		say_moved(m, "joined", &r->place);
		say_ok(m, r->ack, &r->place);
		return;
	}
	if (e == ERR_OK && allowed)
		say_ok(m, r->ack, &r->place);
	else if (e == ERR_OK)
		say_room_error(r, ERR_FORBIDDEN, "This room is not yours.");
	else
		say_room_error(r, ERR_OVERLOADED, NULL);
	/* Saying so may have found out that nobody reads. */
	if (!m->socket->gone)
		room_end(r);
}

/* What was asked again because something has changed. */
static void
checked(struct room *r, enum err e, bool allowed)
{
	struct member *m = r->member;
	struct place place = r->place;

	if (e != ERR_OK) {
		come_back(m);
	} else if (!allowed) {
		r->ack = SIO_NO_ID;
		room_end(r);
		say_room_error(r, ERR_FORBIDDEN, "This room is no longer yours.");
		say_moved(m, "left", &place);
	}
}

static void recovered(struct member *m);

static void
answered(struct ask *ask, enum err e, bool allowed, int64_t head, bool kept)
{
	struct room *r = (struct room *)((uintptr_t)ask - offsetof(struct room, ask));
	struct member *m = r->member;

	switch (r->state) {
	case ROOM_ASKED:
		joined(r, e, allowed, head);
		break;
	case ROOM_RECOVERING:
		m->overloaded |= e != ERR_OK;
		m->unfit |= !allowed || !kept;
		if (--m->n_asked == 0)
			recovered(m);
		break;
	case ROOM_JOINED:
		checked(r, e, allowed);
		break;
	}
}

static void
room_ask(struct room *r)
{
	struct member *m = r->member;
	struct arena *a = arena_new();
	struct str topic = place_topic(a, &r->place);

	r->ask.done = answered;
	access_ask(server_of(m)->access, &r->ask, &m->person, topic,
	    r->state == ROOM_RECOVERING ? r->place.seq : -1);
	arena_free(a);
}

/* ------------------------------------------------------------ connecting */

/* The pid of that id for whoever the member is. */
static struct str
pid_of(struct arena *a, const struct member *m, struct str id,
    struct str (*by)(struct arena *, const char *, struct str))
{
	struct str what = arena_printf(
	    a, "%s %.*s %.*s", m->person.user.text, S_ARG(sio_namespace(m->socket)), S_ARG(id));
	struct str code = by(a, PID_PURPOSE, what);

	if (!code.p)
		return (struct str){ NULL, 0 };
	return arena_printf(a, "%.*s%.*s", S_ARG(id), S_ARG(base64url(a, code)));
}

static void
connected(struct member *m)
{
	struct arena *a = arena_new();

	sio_accept(m->socket, pid_of(a, m, str_from(m->socket->id), mac));
	arena_free(a);
	free(m->recovery);
	m->recovery = NULL;
}

static void
connect_anew(struct member *m)
{
	struct room *r, *next;

	DL_FOREACH_SAFE (m->rooms, r, next)
		room_end(r);
	sio_new_id(m->socket);
	connected(m);
}

/* Everything that a recovery asks for has been answered. */
static void
recovered(struct member *m)
{
	struct room *r;

	if (m->overloaded) {
		come_back(m);
		return;
	}
	if (m->unfit) {
		connect_anew(m);
		return;
	}
	/* The same pid, letter for letter: by it the client knows. */
	memcpy(m->socket->id, m->recovery->pid, SID_LEN);
	sio_accept(m->socket, str_from(m->recovery->pid));
	free(m->recovery);
	m->recovery = NULL;
	if (m->socket->gone)
		return;
	DL_FOREACH (m->rooms, r)
		room_join(r, r->place.seq);
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

/* Each room is asked for at once; the last answer decides. */
static void
recover(struct member *m)
{
	struct recovery *v = m->recovery;
	int n = v->n;

	m->n_asked = (uint8_t)n;
	for (int i = 0; i < n; i++)
		(void)room_new(m, &v->places[i], ROOM_RECOVERING, SIO_NO_ID);
	if (n == 0)
		recovered(m);
	for (struct room *r = m->rooms, *next; n > 0 && r; r = next) {
		next = r->next;
		n--;
		room_ask(r);
	}
}

static void changed(struct person *p, bool ended);

/* The member is `who`, until then. */
static void
identified(struct member *m, const struct person *who, int64_t ends_ms)
{
	struct server *s = server_of(m);

	if (!who->user.text[0] || (ends_ms != 0 && ends_ms <= loop_now(s->loop))) {
		sio_refuse(m->socket,
		    S("{\"message\":\"Unauthorized\",\"data\":{\"code\":\"UNAUTHORIZED\"}}"));
		return;
	}
	m->person = (struct person){ .user = who->user,
		.session = who->session,
		.key = who->key,
		.analytics = who->analytics,
		.changed = changed };
	m->ends_ms = ends_ms;
	person_enter(s->access, &m->person);
	sio_rearm(m->socket);
	if (m->recovery && pid_fits(m))
		recover(m);
	else
		connect_anew(m);
}

static void
token_answered(struct token_ask *ask, enum err e, const struct person *who, int64_t expires_at)
{
	struct member *m = (struct member *)((uintptr_t)ask - offsetof(struct member, token));
	static const struct person nobody;

	if (e == ERR_OVERLOADED)
		come_back(m);
	else
		identified(m, e == ERR_OK ? who : &nobody,
		    expires_at == 0
			? 0
			: loop_now(server_of(m)->loop) + (expires_at - (int64_t)time(NULL)) * 1000);
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

/* What cannot be a recovery is as if it had not come. */
static struct recovery *
recovery_read(const struct connect_in *in)
{
	struct recovery *v;

	if (in->pid.n != PID_LEN || in->offset.n == 0)
		return NULL;
	v = xmalloc(sizeof(*v));
	memcpy(v->pid, in->pid.p, PID_LEN);
	v->pid[PID_LEN] = '\0';
	v->n = places_read(in->offset, v->places);
	if (v->n >= 0)
		return v;
	free(v);
	return NULL;
}

static void
connects(struct sio_socket *s, struct str payload)
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
	m->token.done = token_answered;
	if (in.token.n > 0)
		access_token(server_of(m)->access, &m->token, in.token);
	else
		identified(m, &session->who, session->who_ends_ms);
	arena_free(a);
}

/* ------------------------------------------------------ what is asked for */

struct room_in {
	struct str room;
};

static const struct field room_fields[] = {
	F_STR(struct room_in, room, 1, ROOM_NAME_MAX, REQUIRED),
};

static void
join(struct member *m, int64_t ack, const struct place *place, struct str name)
{
	if (room_find(m, place, true))
		say_ok(m, ack, place);
	else if (m->n_rooms >= PLACES_MAX)
		say_error(m, ack, ERR_BAD_REQUEST, "A socket is in at most 50 rooms.", name);
	else
		room_ask(room_new(m, place, ROOM_ASKED, ack));
}

/* A join that is not answered yet is overtaken. */
static void
leave(struct member *m, int64_t ack, const struct place *place)
{
	struct room *r;

	while ((r = room_find(m, place, false)) != NULL) {
		say_room_error(r, ERR_CONFLICT, "The room was left before it was joined.");
		if (m->socket->gone)
			return;
		room_end(r);
	}
	if ((r = room_find(m, place, true)) != NULL) {
		room_end(r);
		say_moved(m, "left", place);
	}
	say_ok(m, ack, place);
}

static void
event(struct sio_socket *s, const struct sio_event *e)
{
	struct member *m = s->own;
	struct arena *a = arena_new();
	struct str rest = e->args, name, arg, called = S("");
	struct room_in in = { 0 };
	struct place place = { 0 };

	(void)scan_element(&rest, &name);
	(void)scan_text(a, name, SIO_NAME_MAX, &called);
	if (!str_eq(called, S("join")) && !str_eq(called, S("leave")))
		say_error(m, e->id, ERR_NOT_FOUND, "There is no such event: send join or leave.",
		    (struct str){ NULL, 0 });
	else if (!scan_element(&rest, &arg) || !bind(a, room_fields, 1, arg, ROOM_ARG_MAX, &in) ||
		 !place_of_room(in.room, &place))
		say_error(m, e->id, ERR_BAD_REQUEST,
		    "Send {\"room\":\"agent_<id>\"} or {\"room\":\"user_<id>\"}.", in.room);
	else if (str_eq(called, S("join")))
		join(m, e->id, &place, in.room);
	else
		leave(m, e->id, &place);
	arena_free(a);
}

/* ---------------------------------------------------------------- the rest */

static void
changed(struct person *p, bool ended)
{
	struct member *m = (struct member *)((uintptr_t)p - offsetof(struct member, person));
	struct room *r, *next;

	if (ended) {
		sio_end(m->socket, "The session has ended.");
		return;
	}
	DL_FOREACH_SAFE (m->rooms, r, next) {
		/* A part of a recovery that was answered already is not any more. */
		if (r->state == ROOM_RECOVERING && !r->ask.access)
			m->n_asked++;
		ask_cancel(&r->ask);
	}
	DL_FOREACH_SAFE (m->rooms, r, next) {
		if (m->socket->gone)
			return;
		room_ask(r);
	}
}

static void
drained(struct sio_socket *s)
{
	struct member *m = s->own;
	struct room *r;

	DL_FOREACH (m->rooms, r)
		hub_drained(&r->sub);
}

static int64_t
due_ms(const struct sio_socket *s)
{
	return ((const struct member *)s->own)->ends_ms;
}

static void
due(struct sio_socket *s)
{
	sio_end(s, "The token has expired.");
}

static void
gone(struct sio_socket *s)
{
	struct member *m = s->own;
	struct room *r, *next;

	token_cancel(&m->token);
	person_leave(server_of(m)->access, &m->person);
	DL_FOREACH_SAFE (m->rooms, r, next)
		room_end(r);
	free(m->recovery);
	m->recovery = NULL;
	engine_bury(sio_session(s)->engine, m);
}

const struct sio_app rooms_app = {
	.connect = connects,
	.event = event,
	.drained = drained,
	.due_ms = due_ms,
	.due = due,
	.gone = gone,
};
