#include <stdlib.h>

#include <utlist.h>

#include <millrace/container_of.h>

#include "streamd/events/countdown.h"
#include "streamd/metrics.h"
#include "streamd/socketio/room.h"

/* ----------------------------------------------------------------- output */

struct str
member_offset(struct arena *a, const struct member *m)
{
	struct buf b = { .a = a };
	const struct room *r;

	DL_FOREACH (m->rooms, r) {
		struct offset p = r->offset;

		p.seq = r->sub.sent;
		if (r->state == ROOM_JOINED)
			offset_put(&b, &p);
	}
	return b.n > 0 ? buf_str(&b) : S("~");
}

void
member_notify_rooms(struct member *m, const char *event, const struct offset *offset)
{
	struct arena *a = arena_new();

	sio_emit(
	    m->socket, &(struct sio_event){
			   .args = arena_printf(a, "[\"%s\",{\"room\":\"%.*s\"},\"%.*s\"]", event,
			       S_ARG(offset_room(a, offset)), S_ARG(member_offset(a, m))),
			   .id = SIO_NO_ID });
	arena_free(a);
}

void
member_ok(struct member *m, int64_t ack, const struct offset *offset)
{
	struct arena *a = arena_new();

	sio_ack(m->socket,
	    &(struct sio_event){ .args = arena_printf(a, "[{\"ok\":true,\"room\":\"%.*s\"}]",
				     S_ARG(offset_room(a, offset))),
		.id = ack });
	arena_free(a);
}

void
member_error(struct member *m, int64_t ack, enum err e, const char *text, struct str room)
{
	struct buf b = { .a = arena_new() };
	struct str message = str_from(text ? text : err_info(e)->text);

	buf_put(
	    &b, ack == SIO_NO_ID ? S("[\"error\",{\"message\":") : S("[{\"ok\":false,\"error\":"));
	buf_json(&b, message);
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

void
room_error(struct room *r, enum err e, const char *text)
{
	struct arena *a = arena_new();

	member_error(r->member, r->ack, e, text, offset_room(a, &r->offset));
	arena_free(a);
}

/* ----------------------------------------------------------------- events */

static struct room *
room_of_sub(const struct sub *s)
{
	return container_of(s, struct room, sub);
}

static bool
room_ready(const struct sub *s)
{
	return session_is_idle(sio_session(room_of_sub(s)->member->socket));
}

/* 2["<type>",<data>,"<offset>"], with the data as it stands in the log. */
static struct buffer *
event_packet(const struct member *m, const struct event *e, unsigned shape)
{
	struct engine *engine = sio_session(m->socket)->engine;
	struct buf b = { .a = engine->out };
	struct str offset = member_offset(engine->out, m);

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

/* Members of this one room alone have the same offset, and so share a packet. */
static bool
room_deliver(struct sub *sub, struct event *e)
{
	struct member *m = room_of_sub(sub)->member;
	struct session *session = sio_session(m->socket);
	unsigned shape = session_shape(session);
	unsigned key = FORM_SOCKETIO | (unsigned)m->socket->nsp << 4 | shape;
	bool shared = m->n_joined == 1, room;
	struct buffer *b = shared ? event_form(e, key) : NULL;

	/* This very event has ended the session by another of its rooms. */
	if (!sub->topic)
		return true;
	if (b) {
		buffer_hold(b);
	} else {
		b = event_packet(m, e, shape);
		b->born_ms = e->born_ms;
		if (shared)
			buffer_hold(event_keep(e, key, b));
	}
	/* Making room may find the connection closed, and the room ended. */
	room = session_has_room(session, b->len);
	if (room && sub->topic) {
		session_send_packet(session, b);
		metrics.events_sent++;
	}
	buffer_drop(b);
	return room || !sub->topic;
}

static const struct sub_ops room_sub = {
	.ready = room_ready, .deliver = room_deliver, .announced = true
};

/* ------------------------------------------------------------------ rooms */

struct room *
room_new(struct member *m, const struct offset *offset, enum room_state state, int64_t ack)
{
	struct room *r = xmalloc(sizeof(*r));

	*r = (struct room){
		.sub.ops = &room_sub, .member = m, .offset = *offset, .ack = ack, .state = state
	};
	DL_APPEND(m->rooms, r);
	m->n_rooms++;
	return r;
}

/* The hub may be delivering to it, so the memory is freed later. */
void
room_end(struct room *r)
{
	struct member *m = r->member;

	topic_query_cancel(&r->query);
	hub_unsubscribe(&r->sub);
	DL_DELETE(m->rooms, r);
	m->n_rooms--;
	if (r->state == ROOM_JOINED)
		m->n_joined--;
	engine_defer_free(sio_session(m->socket)->engine, r);
}

struct room *
room_find(struct member *m, const struct offset *offset, bool joined)
{
	struct room *r;

	DL_FOREACH (m->rooms, r)
		if ((r->state == ROOM_JOINED) == joined && offset_same_topic(&r->offset, offset))
			return r;
	return NULL;
}

void
room_join(struct room *r, int64_t after)
{
	struct arena *a = arena_new();

	r->state = ROOM_JOINED;
	r->member->n_joined++;
	hub_subscribe(member_server(r->member)->hub, &r->sub, offset_topic(a, &r->offset), after);
	countdown_wake(member_server(r->member)->countdown);
	arena_free(a);
}

void
member_retry_later(struct member *m)
{
	session_close(sio_session(m->socket), WS_TRY_AGAIN,
	    "The database is not available; connect again shortly.");
}

static void
room_on_join(struct room *r, enum err e, bool allowed, int64_t head)
{
	struct member *m = r->member;

	if (e == ERR_OK && allowed && !room_find(m, &r->offset, true)) {
		room_join(r, head);
		member_notify_rooms(m, "joined", &r->offset);
		member_ok(m, r->ack, &r->offset);
		return;
	}
	if (e == ERR_OK && allowed)
		member_ok(m, r->ack, &r->offset);
	else if (e == ERR_OK)
		room_error(r, ERR_FORBIDDEN, "This room is not yours.");
	else
		room_error(r, ERR_OVERLOADED, NULL);
	/* Sending may have ended the socket, and the room with it. */
	if (!m->socket->gone)
		room_end(r);
}

/* The reply to a query because rights have changed. */
static void
room_on_recheck(struct room *r, enum err e, bool allowed)
{
	struct member *m = r->member;
	struct offset offset = r->offset;

	if (e != ERR_OK) {
		member_retry_later(m);
	} else if (!allowed) {
		r->ack = SIO_NO_ID;
		room_end(r);
		room_error(r, ERR_FORBIDDEN, "This room is no longer yours.");
		member_notify_rooms(m, "left", &offset);
	}
}

static void
room_on_reply(struct topic_query *q, enum err e, bool allowed, int64_t head, bool kept)
{
	struct room *r = container_of(q, struct room, query);
	struct member *m = r->member;

	switch (r->state) {
	case ROOM_JOINING:
		room_on_join(r, e, allowed, head);
		break;
	case ROOM_RECOVERING:
		m->overloaded |= e != ERR_OK;
		m->unfit |= !allowed || !kept;
		if (--m->n_pending == 0)
			member_recovered(m);
		break;
	case ROOM_JOINED:
		room_on_recheck(r, e, allowed);
		break;
	}
}

void
room_query(struct room *r)
{
	struct member *m = r->member;
	struct arena *a = arena_new();
	struct str topic = offset_topic(a, &r->offset);

	r->query.on_reply = room_on_reply;
	topics_query(member_server(m)->topics, &r->query, &m->principal, topic,
	    r->state == ROOM_RECOVERING ? r->offset.seq : -1);
	arena_free(a);
}
