#include "streamd/targets.h"

#include "streamd/http/deferred.h"
#include "streamd/http/head.h"
#include "streamd/http/sse.h"
#include "streamd/socketio/engine.h"
#include "streamd/websocket/channel.h"

/*
 * The grant's topic is "<kind>:<id>" with the id of the path. There may be no user: anybody may
 * call some of the routes, as a site's visitors do.
 */
static bool
topic_has_id(const struct grant *g, struct str id)
{
	struct str kind;

	return str_eq(str_cut(g->topic, ':', &kind), id);
}

/* A grant without a user needs no topic: it is closed after the handshake. */
static bool
target_channel_fits(const struct grant *g, struct str rest)
{
	(void)rest;
	return g->topic.n > 0 || !g->user.text[0];
}

static bool
target_socketio_fits(const struct grant *g, struct str rest)
{
	(void)g;
	(void)rest;
	return true;
}

static bool
target_is_uuid(struct str id)
{
	struct uuid u;

	return uuid_parse(id, &u);
}

static bool
target_is_channel(struct str name)
{
	return channel_named(name) != CHANNEL_KINDS;
}

static bool
target_is_empty(struct str rest)
{
	return rest.n == 0;
}

static void
target_start_channel(struct conn *c, struct http_head *h, const struct grant *g)
{
	struct str name = h->path;

	while (memchr(name.p, '/', name.n))
		name = str_cut(name, '/', &(struct str){ NULL, 0 });
	channel_start(c, h, g, channel_named(name));
}

const struct target targets[TARGETS] = {
	{ .path = { "/_stream/run/", 13 },
	    .known = target_is_uuid,
	    .fits = topic_has_id,
	    .start = sse_start,
	    .refuse = sse_refuse },
	{ .path = { "/_stream/reply/", 15 },
	    .known = target_is_uuid,
	    .fits = topic_has_id,
	    .start = deferred_start },
	{ .path = { "/_stream/call/", 14 },
	    .known = target_is_uuid,
	    .fits = topic_has_id,
	    .start = deferred_start },
	{ .path = { "/_stream/ws/", 12 },
	    .known = target_is_channel,
	    .fits = target_channel_fits,
	    .in_band = true,
	    .start = target_start_channel },
	{ .path = { "/_stream/socketio", 17 },
	    .known = target_is_empty,
	    .fits = target_socketio_fits,
	    .in_band = true,
	    .posts = true,
	    .counts = true,
	    .start = engine_start },
};
