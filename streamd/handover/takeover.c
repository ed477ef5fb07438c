#include <unistd.h>

#include <millrace/json.h>
#include <millrace/log.h>

#include "streamd/conn.h"
#include "streamd/handover/handover.h"
#include "streamd/handover/wire.h"
#include "streamd/http/deferred.h"
#include "streamd/http/dispatch.h"
#include "streamd/http/sse.h"
#include "streamd/socketio/engine.h"
#include "streamd/socketio/poll.h"
#include "streamd/websocket/channel.h"

/* Who restores each kind of connection. */
static const struct {
	const char *kind;
	restore_fn *restore;
} restorers[] = {
	{ "request", dispatch_restore },
	{ "sse", sse_restore },
	{ "reply", deferred_restore },
	{ "channel", channel_restore },
	{ "engine", engine_restore_ws },
	{ "poll", poll_restore },
};

static bool
takeover_restore(struct server *s, json_object *o, int fd)
{
	struct str kind = json_text(o, "kind");

	/* A session between two polls has no connection. */
	if (fd < 0)
		return str_eq(kind, S("session")) && engine_restore_session(s, o);
	for (size_t i = 0; i < sizeof(restorers) / sizeof(*restorers); i++) {
		struct conn *c;

		if (!str_eq(kind, str_from(restorers[i].kind)))
			continue;
		c = conn_adopt(s, fd);
		conn_restore(c, o);
		if (restorers[i].restore(c, o)) {
			conn_rearm(c);
			return true;
		}
		conn_close(c);
		return false;
	}
	return false;
}

/* The first frame; its descriptor is the listening socket. */
static bool
takeover_begin(int socket, struct arena *a, int *listener)
{
	struct str text;
	json_object *o;
	const char *why;
	int fd;

	if (!wire_send(socket, S("{\"takeover\":true}"), -1) ||
	    !wire_receive(socket, a, &text, &fd))
		return false;
	if (json_parse(a, text, &o, &why) != ERR_OK || json_int(o, "version", 0) != WIRE_VERSION ||
	    fd < 0) {
		log_warn("handover: predecessor has another version; its clients reconnect");
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (*listener < 0)
		*listener = fd;
	else
		close(fd);
	return true;
}

/* Receives frames up to the last, which says so. */
static bool
takeover_receive(struct server *s, int socket, struct arena *a, size_t *n)
{
	for (;;) {
		struct str text;
		json_object *o;
		const char *why;
		int fd;

		arena_reset(a);
		if (!wire_receive(socket, a, &text, &fd))
			return false;
		if (json_parse(a, text, &o, &why) != ERR_OK)
			o = NULL;
		if (json_at(o, "end"))
			return true;
		if (takeover_restore(s, o, fd))
			*n += 1;
		else
			log_warn("handover: malformed state; connection closed");
	}
}

bool
takeover(struct server *s, int *listener)
{
	int socket = wire_connect();
	struct arena *a;
	size_t n = 0;
	bool good;

	if (socket < 0)
		return false;
	a = arena_new();
	good = takeover_begin(socket, a, listener) && takeover_receive(s, socket, a, &n) &&
	       wire_send(socket, S("{\"taken\":true}"), -1);
	/* The predecessor goes on with the same connections. */
	if (!good) {
		server_drop_all(s);
		engine_drop_all(s->engine);
	} else {
		wire_log("handover: taken over", n);
	}
	arena_free(a);
	close(socket);
	return good;
}
