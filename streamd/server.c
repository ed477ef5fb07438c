#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <utlist.h>

#include <millrace/arena.h>
#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "streamd/conn.h"
#include "streamd/server.h"
#include "streamd/socketio/engine_session.h"
#include "streamd/metrics.h"

#define ACCEPTS_A_TURN 64
/* Connections beyond the bound that may be open to be refused in words. */
#define SPARE 256
#define PAUSE_MS 100
#define LAST_CALL_MS 4500
/* Many are told to come back in so many turns, so far apart. */
#define FAREWELL_TURNS 40
#define FAREWELL_MS 50
#define FEW 50

bool
server_make_room(struct server *s)
{
	return stats_held() + stats.sessions_polling < s->streams_max ||
	       engine_make_room(s->engine);
}

static void
accepting(struct server *s, bool yes)
{
	if (s->listener.fd >= 0)
		loop_watch(s->loop, &s->listener, yes ? EPOLLIN : 0);
}

static void
pause_fires(struct loop_timer *t)
{
	server_has_room(container_of(t, struct server, pause));
}

void
server_has_room(struct server *s)
{
	if (!s->stopping && s->pause.due_ms == 0 && stats.connections < s->connections_max)
		accepting(s, true);
}

static void
listener_ready(struct loop_fd *self, uint32_t events)
{
	struct server *s = container_of(self, struct server, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd;

		if (stats.connections >= s->connections_max) {
			accepting(s, false);
			return;
		}
		fd = accept4(self->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_open(s, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_error("no more connections can be accepted", "error", strerror(errno));
			accepting(s, false);
			loop_arm(s->loop, &s->pause, PAUSE_MS);
		}
		return;
	}
}

static size_t
less(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void
set_bounds(struct server *s)
{
	size_t wanted = (size_t)config()->stream_connections, files = process_client_fds();

	s->connections_max = less(wanted + SPARE, files);
	s->streams_max = less(wanted, files - less(SPARE, files / 4));
	if (s->streams_max < wanted)
		log_warn("the limit of open files is too low for MILLRACE_STREAM_CONNECTIONS",
		    "connections", arena_printf(s->scratch, "%zu", s->streams_max).p);
	arena_reset(s->scratch);
}

void
server_open(struct server *s)
{
	s->scratch = arena_new();
	s->listener.fd = -1;
	set_bounds(s);
}

void
server_start(struct server *s, int fd)
{
	s->pause.fire = pause_fires;
	s->listener = (struct loop_fd){ .fd = fd, .ready = listener_ready };
	accepting(s, true);
}

static void
last_call_fires(struct loop_timer *t)
{
	struct server *s = container_of(t, struct server, last_call);

	loop_stop(s->loop);
}

struct conn *
server_go_on(const struct server *s, struct conn *next)
{
	return next && next->dead ? s->conns : next;
}

/* The next few; to be told is not to be gone at once. */
static void
say_farewell(struct server *s)
{
	struct conn *c, *next;
	size_t n = 0;

	for (c = s->conns; c; c = server_go_on(s, next)) {
		next = c->next;
		if (c->closing || c->told)
			continue;
		if (n++ == s->farewells) {
			loop_arm(s->loop, &s->farewell, FAREWELL_MS);
			return;
		}
		c->told = true;
		c->kind->stop(c);
	}
}

static void
farewell_fires(struct loop_timer *t)
{
	say_farewell(container_of(t, struct server, farewell));
}

void
server_stop(struct server *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	accepting(s, false);
	s->last_call.fire = last_call_fires;
	loop_arm(s->loop, &s->last_call, LAST_CALL_MS);
	s->farewell.fire = farewell_fires;
	s->farewells =
	    stats.connections / FAREWELL_TURNS > FEW ? stats.connections / FAREWELL_TURNS : FEW;
	say_farewell(s);
}

static void
reap(struct server *s)
{
	struct conn *c, *next;

	LL_FOREACH_SAFE (s->dead, c, next)
		free(c);
	s->dead = NULL;
}

void
server_flush(struct server *s)
{
	while (s->dirty) {
		struct conn *c = s->dirty;

		s->dirty = c->dirty_next;
		c->dirty = false;
		if (!c->dead)
			conn_flush(c);
	}
}

void
server_turn(void *server)
{
	struct server *s = server;

	/* Writing may find out that a reader is behind; the hub comes after. */
	server_flush(s);
	hub_turn(s->hub);
	stats.topics = hub_topics(s->hub);
	reap(s);
	if (s->stopping && !s->conns)
		loop_stop(s->loop);
}

void
server_drop_all(struct server *s)
{
	while (s->conns)
		conn_close(s->conns);
	while (s->dirty)
		s->dirty = s->dirty->dirty_next;
	reap(s);
}

void
server_end(struct server *s)
{
	loop_disarm(s->loop, &s->farewell);
	server_drop_all(s);
	arena_free(s->scratch);
}
