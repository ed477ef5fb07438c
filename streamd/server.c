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
#include "streamd/metrics.h"
#include "streamd/server.h"

#define ACCEPTS_A_TURN 64
/* Connections above streams_max that may be open to be refused with a response. */
#define REFUSAL_RESERVE 256
#define ACCEPT_PAUSE_MS 100
#define DRAIN_MAX_MS 4500
/* All connections are drained in so many batches, so far apart. */
#define DRAIN_BATCHES 40
#define DRAIN_PAUSE_MS 50
#define DRAIN_BATCH_MIN 50

bool
server_make_room(struct server *s)
{
	return metrics_held() + metrics.sessions_polling < s->streams_max ||
	       (s->evict && s->evict(s));
}

static void
server_set_accepting(struct server *s, bool yes)
{
	if (s->listener.fd >= 0)
		loop_watch(s->loop, &s->listener, yes ? EPOLLIN : 0);
}

static void
server_accept_fires(struct loop_timer *t)
{
	server_resume_accepting(container_of(t, struct server, accept_pause));
}

void
server_resume_accepting(struct server *s)
{
	if (!s->stopping && s->accept_pause.due_ms == 0 && metrics.connections < s->connections_max)
		server_set_accepting(s, true);
}

static void
server_ready(struct loop_fd *self, uint32_t events)
{
	static struct log_seldom seldom;
	struct server *s = container_of(self, struct server, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd;

		if (metrics.connections >= s->connections_max) {
			server_set_accepting(s, false);
			return;
		}
		fd = accept4(self->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			conn_open(s, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			if (log_seldom(&seldom))
				log_error("accept: no more connections can be accepted", "error",
				    strerror(errno), "left_out", seldom.left_out);
			server_set_accepting(s, false);
			loop_arm(s->loop, &s->accept_pause, ACCEPT_PAUSE_MS);
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

	s->connections_max = less(wanted + REFUSAL_RESERVE, files);
	s->streams_max = less(wanted, files - less(REFUSAL_RESERVE, files / 4));
	if (s->streams_max < wanted)
		log_warn("files: limit is too low for MILLRACE_STREAM_CONNECTIONS", "connections",
		    arena_printf(s->scratch, "%zu", s->streams_max).p);
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
	s->accept_pause.fire = server_accept_fires;
	s->listener = (struct loop_fd){ .fd = fd, .ready = server_ready };
	server_set_accepting(s, true);
}

static void
server_deadline_fires(struct loop_timer *t)
{
	struct server *s = container_of(t, struct server, drain_deadline);

	loop_stop(s->loop);
}

struct conn *
server_next_conn(const struct server *s, struct conn *next)
{
	return next && next->dead ? s->conns : next;
}

/* One batch; a drained connection may stay open for a while. */
static void
drain_next(struct server *s)
{
	struct conn *c, *next;
	size_t n = 0;

	for (c = s->conns; c; c = server_next_conn(s, next)) {
		next = c->next;
		if (c->closing || c->draining)
			continue;
		if (n++ == s->drain_batch) {
			loop_arm(s->loop, &s->drain_timer, DRAIN_PAUSE_MS);
			return;
		}
		c->draining = true;
		c->kind->stop(c);
	}
}

static void
server_drain_fires(struct loop_timer *t)
{
	drain_next(container_of(t, struct server, drain_timer));
}

void
server_stop(struct server *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	server_set_accepting(s, false);
	s->drain_deadline.fire = server_deadline_fires;
	loop_arm(s->loop, &s->drain_deadline, DRAIN_MAX_MS);
	s->drain_timer.fire = server_drain_fires;
	s->drain_batch = metrics.connections / DRAIN_BATCHES > DRAIN_BATCH_MIN
			     ? metrics.connections / DRAIN_BATCHES
			     : DRAIN_BATCH_MIN;
	if (s->stops)
		s->stops(s);
	drain_next(s);
}

static void
free_dead(struct server *s)
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

	hub_recall(s->hub);
	/* Writing may make a subscriber ready, as a stream's head does; the log last. */
	server_flush(s);
	hub_recall(s->hub);
	server_flush(s);
	hub_turn(s->hub);
	metrics.topics = hub_topics(s->hub);
	free_dead(s);
	if (s->stopping && !s->conns && !s->leaving)
		loop_stop(s->loop);
}

void
server_drop_all(struct server *s)
{
	while (s->conns)
		conn_close(s->conns);
	while (s->dirty)
		s->dirty = s->dirty->dirty_next;
	free_dead(s);
}

void
server_end(struct server *s)
{
	loop_disarm(s->loop, &s->drain_timer);
	server_drop_all(s);
	arena_free(s->scratch);
}
