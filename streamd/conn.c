#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include <utlist.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "streamd/conn.h"
#include "streamd/metrics.h"

#define QUEUE_BYTES ((size_t)64 * 1024)
#define QUEUE_BUFFERS 64
/* How long a stalled peer has to read the last message. */
#define LAST_MESSAGE_MS 3000

struct conn *
conn_of_sub(const struct sub *s)
{
	return container_of(s, struct conn, sub);
}

bool
conn_has_room(const struct conn *c, size_t len)
{
	return c->n == 0 || (c->n < QUEUE_BUFFERS && c->queued + len <= QUEUE_BYTES);
}

/* When a peer that reads nothing is stalled. */
static int64_t
stall_ms(const struct conn *c)
{
	return c->progress_ms + config()->stream_stall_seconds * 1000;
}

void
conn_rearm(struct conn *c)
{
	int64_t due;

	if (c->dead)
		return;
	due = c->closing ? 0 : c->kind->due_ms(c);
	if (c->n > 0 && (due == 0 || stall_ms(c) < due))
		due = stall_ms(c);
	if (due == 0)
		loop_disarm(c->server->loop, &c->timer);
	else if (c->timer.due_ms != due)
		loop_arm(c->server->loop, &c->timer, due - loop_now(c->server->loop));
}

static void
conn_count_slow(void)
{
	static struct log_seldom seldom;

	metrics.slow_closed++;
	if (log_seldom(&seldom))
		log_info("conn: slow reader is closed", "left_out", seldom.left_out);
}

/* The first time, a kind may queue a last message, which the peer has a little time to read. */
static void
conn_stalled(struct conn *c)
{
	if (c->kind->stalled && !c->stalled) {
		c->stalled = true;
		conn_count_slow();
		c->kind->stalled(c);
		if (c->dead)
			return;
		c->progress_ms = loop_now(c->server->loop) - config()->stream_stall_seconds * 1000 +
				 LAST_MESSAGE_MS;
		conn_rearm(c);
		return;
	}
	if (!c->stalled)
		conn_count_slow();
	conn_close(c);
}

static void
conn_timer_fires(struct loop_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);
	int64_t now = loop_now(c->server->loop), due;

	if (c->n > 0 && stall_ms(c) <= now) {
		conn_stalled(c);
		return;
	}
	due = c->closing ? 0 : c->kind->due_ms(c);
	if (due != 0 && due <= now)
		c->kind->due(c);
	conn_rearm(c);
}

static void
queue_grow(struct conn *c)
{
	uint16_t room = (uint16_t)(c->room * 2);
	struct buffer **larger = xmalloc(room * sizeof(*larger));

	memcpy(larger, c->queue, c->n * sizeof(*larger));
	if (c->queue != c->inline_queue)
		free(c->queue);
	c->queue = larger;
	c->room = room;
}

/* An idle connection holds no array. */
static void
queue_shrink(struct conn *c)
{
	if (c->queue != c->inline_queue)
		free(c->queue);
	c->queue = c->inline_queue;
	c->room = CONN_INLINE;
}

void
conn_put(struct conn *c, struct buffer *b)
{
	if (c->dead || c->closing)
		return;
	c->put_ms = loop_now(c->server->loop);
	if (c->n == 0)
		c->progress_ms = c->put_ms;
	if (c->n == c->room)
		queue_grow(c);
	c->queue[c->n++] = buffer_hold(b);
	c->queued += b->len;
	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = c->server->dirty;
	c->server->dirty = c;
}

/* Removes `wrote` bytes from the queue. */
static void
queue_advance(struct conn *c, size_t wrote)
{
	int64_t now_us = clock_unix_us();
	uint16_t gone = 0;

	metrics.bytes_sent += wrote;
	c->progress_ms = loop_now(c->server->loop);
	while (gone < c->n && wrote >= c->queue[gone]->len - c->written) {
		struct buffer *b = c->queue[gone++];

		wrote -= b->len - c->written;
		c->written = 0;
		c->queued -= b->len;
		if (b->born_ms != 0)
			metrics_add_lag(now_us - b->born_ms * 1000);
		buffer_drop(b);
	}
	c->written += (uint32_t)wrote;
	c->n = (uint16_t)(c->n - gone);
	memmove(c->queue, c->queue + gone, c->n * sizeof(*c->queue));
}

void
conn_drop_unsent(struct conn *c)
{
	uint16_t kept = c->written > 0 ? 1 : 0;

	while (c->n > kept) {
		struct buffer *b = c->queue[--c->n];

		c->queued -= b->len;
		buffer_drop(b);
	}
}

/* The socket is full. A peer whose queue is full, too, is not read from until it has read: its
   requests would only lengthen the queue. */
static void
conn_wait_writable(struct conn *c)
{
	uint32_t in = conn_has_room(c, 0) ? EPOLLIN | EPOLLRDHUP : 0;

	if (c->io.events == (in | EPOLLOUT))
		return;
	loop_watch(c->server->loop, &c->io, in | EPOLLOUT);
	conn_rearm(c);
}

void
conn_flush(struct conn *c)
{
	struct iovec iov[QUEUE_BUFFERS];

	while (c->n > 0 && !c->dead) {
		int n = 0;
		ssize_t wrote;

		for (; n < c->n && n < QUEUE_BUFFERS; n++)
			iov[n] = (struct iovec){ c->queue[n]->bytes, c->queue[n]->len };
		iov[0].iov_base = (char *)iov[0].iov_base + c->written;
		iov[0].iov_len -= c->written;
		wrote = writev(c->io.fd, iov, n);
		if (wrote >= 0) {
			queue_advance(c, (size_t)wrote);
		} else if (errno == EAGAIN) {
			conn_wait_writable(c);
			return;
		} else if (errno != EINTR) {
			conn_close(c);
		}
	}
	if (c->dead)
		return;
	queue_shrink(c);
	if (c->closing) {
		conn_close(c);
		return;
	}
	loop_watch(c->server->loop, &c->io, EPOLLIN | EPOLLRDHUP);
	if (c->kind->drained)
		c->kind->drained(c);
}

void
conn_set_kind(struct conn *c, const struct conn_kind *kind)
{
	c->kind = kind;
	conn_rearm(c);
}

void
conn_finish(struct conn *c)
{
	hub_unsubscribe(&c->sub);
	c->closing = true;
	if (c->n == 0)
		conn_close(c);
	else
		conn_rearm(c);
}

void
conn_close(struct conn *c)
{
	struct server *s = c->server;

	if (c->dead)
		return;
	c->dead = true;
	hub_unsubscribe(&c->sub);
	if (c->kind)
		c->kind->gone(c);
	loop_disarm(s->loop, &c->timer);
	loop_watch(s->loop, &c->io, 0);
	close(c->io.fd);
	for (uint16_t i = 0; i < c->n; i++)
		buffer_drop(c->queue[i]);
	c->n = 0;
	queue_shrink(c);
	metrics.connections--;
	DL_DELETE(s->conns, c);
	LL_PREPEND(s->dead, c);
	server_resume_accepting(s);
}

/* False where the peer has closed. */
static bool
conn_read_on(struct conn *c)
{
	char bytes[16 * 1024];

	for (int i = 0; i < 8 && !c->dead; i++) {
		ssize_t got = read(c->io.fd, bytes, sizeof(bytes));

		if (got > 0 && c->kind->bytes && !c->closing) {
			c->kind->bytes(c, (struct str){ bytes, (size_t)got });
			if (!c->dead && !conn_has_room(c, 0))
				conn_flush(c);
			if (!c->dead && !(c->io.events & EPOLLIN))
				return true;
		} else if (got > 0)
			continue;
		else if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
		else if (errno == EAGAIN)
			return true;
	}
	return true;
}

static void
conn_ready(struct loop_fd *self, uint32_t events)
{
	struct conn *c = container_of(self, struct conn, io);

	if ((events & (EPOLLIN | EPOLLRDHUP)) && !conn_read_on(c)) {
		/* A peer that has shut down its sending side may still read. */
		if (c->closing && !c->dead)
			conn_flush(c);
		conn_close(c);
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP))
		conn_close(c);
	else if (!c->dead && (events & EPOLLOUT))
		conn_flush(c);
}

struct conn *
conn_adopt(struct server *s, int fd)
{
	struct conn *c = xmalloc(sizeof(*c));

	*c = (struct conn){
		.io = { .fd = fd, .ready = conn_ready },
		.timer.fire = conn_timer_fires,
		.server = s,
		.room = CONN_INLINE,
	};
	c->queue = c->inline_queue;
	metrics.connections++;
	DL_PREPEND(s->conns, c);
	return c;
}

void
conn_open(struct server *s, int fd)
{
	struct conn *c = conn_adopt(s, fd);

	s->accepted(c);
	loop_watch(s->loop, &c->io, EPOLLIN | EPOLLRDHUP);
}

/* Times are on the monotonic clock, which is the same in every process of the host. */
void
conn_save(const struct conn *c, struct buf *out)
{
	struct buf unsent = { .a = out->a };

	for (uint16_t i = 0; i < c->n; i++)
		buf_put(&unsent, (struct str){ c->queue[i]->bytes, c->queue[i]->len });
	buf_printf(out, "\"ends_ms\":%lld,\"unsent\":", (long long)c->ends_ms);
	buf_json(
	    out, base64url(out->a, (struct str){ unsent.p + c->written, unsent.n - c->written }));
}

void
conn_restore(struct conn *c, json_object *from)
{
	struct arena *a = arena_new();
	struct str unsent;

	c->ends_ms = json_int(from, "ends_ms", 0);
	loop_watch(c->server->loop, &c->io, EPOLLIN | EPOLLRDHUP);
	if (base64url_decode(a, json_text(from, "unsent"), &unsent) && unsent.n > 0) {
		struct buffer *b = buffer_of(unsent);

		conn_put(c, b);
		buffer_drop(b);
	}
	arena_free(a);
}
