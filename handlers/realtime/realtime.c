/*
 * Sockets: the caller is identified here, and the connection goes to streamd, which holds it. An
 * unknown caller is handed over as nobody: a browser's WebSocket learns why it was refused from a
 * close code alone, after the handshake.
 */
#include "fcgi/rate.h"
#include "handlers/realtime/realtime.h"
#include "sql_api.h"

struct socket_in {
	int64_t since;
};

static const struct field socket_fields[] = {
	F_INT(struct socket_in, since, 0, INT64_MAX - 1, OPTIONAL),
};
FIELD_TABLE(socket_query, struct socket_in, socket_fields, realtime_channel);

/* A grant by the rows of realtime_open. */
static struct grant
grant_of(struct req *r)
{
	return (struct grant){ .analytics = row_bool(r, 0, 0),
		.topic = arena_printf(r->a, "user:%s", r->caller.user.text) };
}

/* The last part of the route's path. */
static struct str
channel_of(const struct req *r)
{
	const char *slash = strrchr(r->route->path, '/');

	return str_from(slash + 1);
}

static enum err
realtime_open_channel(struct req *r)
{
	const int64_t *since = r->state;
	struct grant g = grant_of(r);
	bool all = g.analytics && str_eq(channel_of(r), S("analytics"));

	if (!str_eq_nocase(req_param(r, "HTTP_UPGRADE"), S("websocket")))
		return refuse(r, ERR_UPGRADE_REQUIRED,
		    "This is a WebSocket: the request must ask for the upgrade.");
	if (all)
		g.topic = S("analytics");
	if (*since >= 0)
		g.after = *since;
	else if (!str_int(row_text(r, 0, all ? 2 : 1), &g.after))
		return ERR_INTERNAL;
	return res_socket(r, &g, arena_printf(r->a, "ws/%.*s", S_ARG(channel_of(r))));
}

/* GET /api/ws/…: the caller's own topic (or all analytics), after ?since= or from now on. */
enum err
realtime_channel(struct req *r)
{
	struct socket_in in = { .since = -1 };
	int64_t *since = arena_alloc(r->a, sizeof(*since));
	enum err e;

	if ((e = query_bind(r, socket_query, &in)) != ERR_OK)
		return e;
	if (r->caller.how == CALLER_NOBODY)
		return realtime_nobody(r);
	*since = in.since;
	r->state = since;
	return sql_realtime_open(r, realtime_open_channel, r->caller.key_hash);
}

/* The query is Engine.IO's, so it is passed on. */
static struct str
socketio_target(struct req *r)
{
	return r->query_string.n > 0 ? arena_printf(r->a, "socketio?%.*s", S_ARG(r->query_string))
				     : S("socketio");
}

static enum err
realtime_open_socketio(struct req *r)
{
	struct grant g = grant_of(r);

	return res_socket(r, &g, socketio_target(r));
}

struct engine_in {
	struct str sid;
};

static const struct field engine_fields[] = {
	F_STR(struct engine_in, sid, 0, 100, OPTIONAL),
};

static bool
has_sid(struct req *r)
{
	struct engine_in in = { 0 };
	struct problems ignored = { .json.a = r->a };

	return r->query_string.n > 0 &&
	       query_fields(r->a, engine_fields, 1, r->query_string, &in, &ignored) && in.sid.n > 0;
}

/*
 * GET, POST /api/socket.io: Engine.IO's requests. An unknown caller may send a token in CONNECT; so
 * a handshake counts, though polls do not. A session's caller was checked when it began, and
 * streamd is notified when that caller's session ends, so a poll needs no database, and works while
 * it is away. The caller of an API key or an external token is known to the database alone.
 */
enum err
realtime_socketio(struct req *r)
{
	struct grant g = { .topic = S("") };
	bool begins = !has_sid(r);
	enum err e;

	if (begins && r->rate_limit == 0 && (e = rate_count(r, RATE_READ)) != ERR_OK)
		return e;
	if (r->caller.how == CALLER_NOBODY)
		return realtime_nobody(r);
	if (!begins && r->caller.how == CALLER_SESSION)
		return res_socket(r, &g, socketio_target(r));
	return sql_realtime_open(r, realtime_open_socketio, r->caller.key_hash);
}

enum err
realtime_nobody(struct req *r)
{
	struct grant g = { .topic = S("") };
	bool is_socketio = str_eq(channel_of(r), S("socket.io"));

	r->caller = (struct caller){ .how = CALLER_NOBODY };
	return res_socket(r, &g,
	    is_socketio ? socketio_target(r) : arena_printf(r->a, "ws/%.*s", S_ARG(channel_of(r))));
}
