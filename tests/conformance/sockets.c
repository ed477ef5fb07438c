/* What public suites speak with over Engine.IO: an echo of messages, and a Socket.IO server that
   says back what it is told. */
#include <stdlib.h>

#include "streamd/json_scan.h"
#include "streamd/socketio/engine.h"
#include "streamd/socketio/socketio.h"
#include "tests/conformance/conformance.h"

/* -------------------------------------------------------------- Engine.IO */

static void
echo_open(struct session *s)
{
	(void)s;
}

static bool
echo_message(struct session *s, bool binary, struct str bytes)
{
	session_send(s, binary, bytes);
	return true;
}

const struct engine_app conformance_engine = {
	.open = echo_open, .message = echo_message, .closed = echo_open
};

/* -------------------------------------------------------------- Socket.IO */

/* A JSON array: `first`, where it is not empty, and what follows the event's name. */
static struct str
arguments(struct arena *a, const char *first, struct str args)
{
	struct buf b = { .a = a };
	struct str rest = args, one;
	bool comma = *first;

	buf_printf(&b, "[%s", first);
	(void)json_scan_element(&rest, &one);
	while (json_scan_element(&rest, &one)) {
		buf_put(&b, comma ? S(",") : S(""));
		buf_put(&b, one);
		comma = true;
	}
	buf_put(&b, S("]"));
	return buf_str(&b);
}

/* `auth`, which is still to be said. Suites wait for one message after the other, and their client
   tells of all that one read has brought before they can: so it comes a little after the
   handshake. */
struct greeting {
	int64_t due_ms;
	size_t n;
	char payload[];
};
#define GREETING_MS 10

static void
greeting_connect(struct sio_socket *s, struct str payload)
{
	struct str auth = payload.p ? payload : S("{}");
	struct greeting *g = xmalloc(sizeof(*g) + auth.n);

	*g = (struct greeting){
		.due_ms = loop_now(sio_session(s)->engine->server->loop) + GREETING_MS, .n = auth.n
	};
	memcpy(g->payload, auth.p, auth.n);
	s->own = g;
	sio_new_id(s);
	sio_accept(s, (struct str){ NULL, 0 });
	sio_rearm(s);
}

static int64_t
greeting_due_ms(const struct sio_socket *s)
{
	return ((const struct greeting *)s->own)->due_ms;
}

static void
greeting_due(struct sio_socket *s)
{
	struct arena *a = arena_new();
	struct greeting *g = s->own;
	struct str auth = { g->payload, g->n };

	g->due_ms = 0;
	sio_emit(s, &(struct sio_event){
			.args = arena_printf(a, "[\"auth\",%.*s]", S_ARG(auth)), .id = SIO_NO_ID });
	arena_free(a);
}

static void
greeting_event(struct sio_socket *s, const struct sio_event *e)
{
	struct arena *a = arena_new();
	struct str rest = e->args, name;
	struct sio_event back = *e;

	(void)json_scan_element(&rest, &name);
	if (str_eq(name, S("\"message\""))) {
		back.args = arguments(a, "\"message-back\"", e->args);
		back.id = SIO_NO_ID;
		sio_emit(s, &back);
	} else if (str_eq(name, S("\"message-with-ack\""))) {
		back.args = arguments(a, "", e->args);
		sio_ack(s, &back);
	}
	arena_free(a);
}

static void
greeting_gone(struct sio_socket *s)
{
	free(s->own);
}

const struct sio_app conformance_socketio = { .connect = greeting_connect,
	.event = greeting_event,
	.due_ms = greeting_due_ms,
	.due = greeting_due,
	.gone = greeting_gone };
