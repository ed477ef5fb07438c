#include <stdlib.h>

#include <millrace/arena.h>
#include <millrace/container_of.h>

#include "streamd/events/countdown.h"
#include "streamd/events/feed.h"
#include "sql_stream.h"

#define TICK_MS 1000
#define ASK_MS 5000
#define WAKE_MS 20 /* those who come together are one question */

/* What a topic is told. */
struct due {
	struct str topic, process;
	int64_t at_ms; /* on loop_now's clock */
};

struct countdown {
	struct loop_timer timer;
	struct loop *loop;
	struct hub *hub;
	struct feed *feed;
	struct arena *a; /* of what follows */
	struct due *due;
	size_t n;
	int64_t asked_ms; /* 0: is to be asked at once */
	bool asking;
};

static void
send_one(struct countdown *c, const struct due *d, int64_t seconds)
{
	struct arena *a = arena_new();
	struct event e = { .type = S("agent_countdown"),
		.data = arena_printf(a, "{\"process_id\":\"%.*s\",\"remaining_seconds\":%lld}",
		    S_ARG(d->process), (long long)seconds) };

	hub_announce(c->hub, d->topic, &e);
	event_end(&e);
	arena_free(a);
}

/* All that is not over; what is, is to be asked anew. */
static void
send_all(struct countdown *c)
{
	int64_t now = loop_now(c->loop);

	for (size_t i = 0; i < c->n; i++) {
		int64_t left = (c->due[i].at_ms - now + 999) / 1000;

		send_one(c, &c->due[i], left > 0 ? left : 0);
		if (left <= 0)
			c->asked_ms = 0;
	}
}

static void
countdown_on_reply(void *arg, const struct pipe_reply *reply)
{
	struct countdown *c = arg;
	const PGresult *rows = reply->e == ERR_OK && reply->n == 1 ? reply->res[0] : NULL;

	c->asking = false;
	if (!rows)
		return;
	arena_reset(c->a);
	c->n = (size_t)PQntuples(rows);
	c->due = arena_alloc(c->a, (c->n + 1) * sizeof(*c->due));
	for (size_t i = 0; i < c->n; i++) {
		int64_t seconds = 0;

		c->due[i].topic = arena_str(c->a, sql_get(rows, (int)i, 0));
		c->due[i].process = arena_str(c->a, sql_get(rows, (int)i, 1));
		(void)str_int(sql_get(rows, (int)i, 2), &seconds);
		c->due[i].at_ms = loop_now(c->loop) + seconds * 1000;
	}
	send_all(c);
}

static void
query(struct countdown *c, struct arena *a, struct str_list topics)
{
	c->asked_ms = loop_now(c->loop);
	c->asking =
	    pipe_stream_countdowns(feed_pipe(c->feed), a, countdown_on_reply, c, topics) == ERR_OK;
}

/* Where nobody listens it sleeps, until countdown_wake. */
static void
countdown_tick(struct loop_timer *timer)
{
	struct countdown *c = container_of(timer, struct countdown, timer);
	struct arena *a = arena_new();
	struct str_list topics = hub_announced(c->hub, a);
	int64_t now = loop_now(c->loop);

	if (topics.n == 0)
		c->n = 0;
	else if (!c->asking && (c->asked_ms == 0 || now - c->asked_ms >= ASK_MS))
		query(c, a, topics);
	else
		send_all(c);
	if (topics.n > 0)
		loop_arm(c->loop, timer, TICK_MS);
	arena_free(a);
}

struct countdown *
countdown_open(struct loop *l, struct hub *h, struct feed *f)
{
	struct countdown *c = xmalloc(sizeof(*c));

	*c = (struct countdown){
		.timer.fire = countdown_tick, .loop = l, .hub = h, .feed = f, .a = arena_new()
	};
	return c;
}

void
countdown_close(struct countdown *c)
{
	loop_disarm(c->loop, &c->timer);
	arena_free(c->a);
	free(c);
}

void
countdown_wake(struct countdown *c)
{
	if (!c)
		return;
	c->asked_ms = 0;
	if (c->timer.due_ms == 0 || c->timer.due_ms - loop_now(c->loop) > WAKE_MS)
		loop_arm(c->loop, &c->timer, WAKE_MS);
}
