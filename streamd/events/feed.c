#include <stdlib.h>

#include <millrace/clock.h>
#include <millrace/container_of.h>
#include <millrace/log.h>

#include "streamd/events/feed.h"
#include "streamd/metrics.h"
#include "sql_stream.h"

/* Bounds of what one read may bring: topics × (bytes + one event). */
#define READ_TOPICS 32
#define READ_ROWS 256
#define READ_BYTES ((int64_t)64 * 1024)
#define READS_AT_ONCE 1
#define RETRY_MS 500
#define EVENT_CHANNEL "millrace_event"
/* Somebody may have committed what is never notified; what comes within DOUBT_MS is one doubt. */
#define DOUBT_CHANNEL "millrace_doubt"
#define DOUBT_MS 500
#define UNSURE_MS 5000 /* by so much the database's clock may step */

struct feed {
	struct hub_source source;
	struct loop_timer retry; /* armed: a read failed, and none is started until it fires */
	struct loop_timer recheck; /* armed: the hub rechecks short logs when it fires */
	struct loop_timer doubt; /* armed: everything is looked at again when it fires */
	struct loop *loop;
	struct hub *hub;
	int64_t clock_ms; /* how far the database's clock is ahead of this host's */
	struct pipe *listener;
	struct pipe *statements;
	const struct feed_listener *table;
	size_t n_table;
	struct arena *scratch;
	int reads; /* under way */
};

struct read {
	struct feed *feed;
	size_t n;
	struct topic *topics[READ_TOPICS];
};

/* ------------------------------------------------------------------ reads */

static void
read_failed(struct read *q)
{
	struct feed *f = q->feed;

	for (size_t i = 0; i < q->n; i++)
		hub_read_failed(q->topics[i]);
	if (f->retry.due_ms == 0)
		loop_arm(f->loop, &f->retry, RETRY_MS);
}

/* Rows are ordered by topic and seq; each topic has at least one. */
static void
read_rows(struct read *q, const PGresult *res)
{
	int64_t ordinal = 0, head = 0, seq, next;
	bool empty = true;

	for (int row = 0; row < PQntuples(res); row++) {
		struct event e = { .type = sql_get(res, row, 3), .data = sql_get(res, row, 4) };

		if (!str_int(sql_get(res, row, 0), &next) || next < 1 || next > (int64_t)q->n)
			continue;
		if (next != ordinal && ordinal > 0)
			hub_read_done(q->topics[ordinal - 1], head, empty);
		if (next != ordinal)
			empty = true;
		ordinal = next;
		(void)str_int(sql_get(res, row, 1), &head);
		if (!str_int(sql_get(res, row, 2), &seq))
			continue;
		e.seq = seq;
		(void)str_int(sql_get(res, row, 5), &e.at_ms);
		empty = false;
		hub_read_event(q->topics[ordinal - 1], &e);
		event_end(&e);
	}
	if (ordinal > 0)
		hub_read_done(q->topics[ordinal - 1], head, empty);
}

static void
feed_on_rows(void *arg, const struct pipe_reply *reply)
{
	struct read *q = arg;
	struct feed *f = q->feed;

	f->reads--;
	if (reply->e == ERR_OK && reply->n == 1)
		read_rows(q, reply->res[0]);
	else
		read_failed(q);
	free(q);
}

/* False where the connection is down. */
static bool
read_send(struct feed *f, struct read *q)
{
	struct str_list topics = { arena_alloc(f->scratch, q->n * sizeof(struct str)), q->n };
	struct str_list afters = { arena_alloc(f->scratch, q->n * sizeof(struct str)), q->n };
	enum err e;

	for (size_t i = 0; i < q->n; i++) {
		const struct topic *t = q->topics[i];

		topics.p[i] = (struct str){ t->name, t->name_len };
		afters.p[i] = arena_printf(f->scratch, "%lld", (long long)t->read_upto);
	}
	e = pipe_stream_events_after(
	    f->statements, f->scratch, feed_on_rows, q, topics, afters, READ_ROWS, READ_BYTES);
	arena_reset(f->scratch);
	metrics.catch_ups += q->n;
	return e == ERR_OK;
}

/* Starts as many reads of pending topics as may be under way. */
static void
feed_read(struct hub_source *source)
{
	struct feed *f = container_of(source, struct feed, source);

	while (f->reads < READS_AT_ONCE && f->retry.due_ms == 0 && pipe_is_up(f->statements)) {
		struct read *q;
		struct topic *t = hub_next_pending(f->hub);

		if (!t)
			return;
		q = xmalloc(sizeof(*q));
		q->feed = f;
		for (q->n = 0; t; t = q->n < READ_TOPICS ? hub_next_pending(f->hub) : NULL)
			q->topics[q->n++] = t;
		if (read_send(f, q)) {
			f->reads++;
			continue;
		}
		read_failed(q);
		free(q);
	}
}

static void
feed_recheck_later(struct hub_source *source)
{
	struct feed *f = container_of(source, struct feed, source);

	if (f->recheck.due_ms == 0)
		loop_arm(f->loop, &f->recheck, RETRY_MS);
}

static void
feed_retry_fires(struct loop_timer *t)
{
	feed_read(&container_of(t, struct feed, retry)->source);
}

static void
feed_recheck_fires(struct loop_timer *t)
{
	struct feed *f = container_of(t, struct feed, recheck);

	hub_recheck_short(f->hub);
	feed_read(&f->source);
}

/* ---------------------------------------------------------- notifications */

/* The payload is "topic \n seq \n type \n time \n data", or "topic \n seq" for an event too large
   for NOTIFY; the time in Unix milliseconds. */
static void
feed_on_event(struct feed *f, struct str payload)
{
	struct event e = { 0 };
	struct str topic, seq, at, rest;

	rest = str_cut(payload, '\n', &topic);
	rest = str_cut(rest, '\n', &seq);
	if (!str_int(seq, &e.seq)) {
		log_warn("feed: malformed notification");
		return;
	}
	metrics.events_notified++;
	if (rest.p) {
		rest = str_cut(rest, '\n', &e.type);
		e.data = str_cut(rest, '\n', &at);
		(void)str_int(at, &e.at_ms);
		e.born_ms = e.at_ms;
	}
	hub_notified(f->hub, topic, e.seq, e.data.p ? &e : NULL);
	event_end(&e);
}

static void
feed_on_notify(void *arg, struct str channel, struct str payload)
{
	struct feed *f = arg;

	if (str_eq(channel, S(EVENT_CHANNEL))) {
		feed_on_event(f, payload);
		return;
	}
	if (str_eq(channel, S(DOUBT_CHANNEL)) && f->doubt.due_ms == 0)
		loop_arm(f->loop, &f->doubt, DOUBT_MS);
	for (size_t i = 0; i < f->n_table; i++)
		if (str_eq(channel, str_from(f->table[i].channel)))
			f->table[i].on_notify(f->table[i].arg, payload);
}

/* Reads all topics, and asks again what access each has: nothing known before counts any more. */
static void
feed_look_again(struct feed *f)
{
	for (size_t i = 0; i < f->n_table; i++)
		if (f->table[i].on_listen)
			f->table[i].on_listen(f->table[i].arg);
	hub_mark_stale(f->hub);
	hub_unsure(f->hub, clock_unix_ms() + f->clock_ms + UNSURE_MS);
	feed_read(&f->source);
}

static void
feed_doubt_fires(struct loop_timer *t)
{
	feed_look_again(container_of(t, struct feed, doubt));
}

/* The LISTENs before this statement have taken effect: everything from here on is notified, and
   what happened before has to be read. */
static void
feed_on_listening(void *arg, const struct pipe_reply *reply)
{
	struct feed *f = arg;

	int64_t now_ms;

	if (reply->e != ERR_OK)
		return;
	if (str_int(sql_get(reply->res[0], 0, 0), &now_ms))
		f->clock_ms = now_ms - clock_unix_ms();
	metrics.listens++;
	feed_look_again(f);
}

static void
feed_listener_up(void *arg)
{
	struct feed *f = arg;

	pipe_listen(f->listener, EVENT_CHANNEL);
	pipe_listen(f->listener, DOUBT_CHANNEL);
	for (size_t i = 0; i < f->n_table; i++)
		pipe_listen(f->listener, f->table[i].channel);
	if (pipe_stream_listening(f->listener, f->scratch, feed_on_listening, f) != ERR_OK)
		log_warn("feed: listening connection lost at once");
	arena_reset(f->scratch);
}

static void
feed_statements_up(void *arg)
{
	struct feed *f = arg;

	for (size_t i = 0; i < f->n_table; i++)
		if (f->table[i].on_ready)
			f->table[i].on_ready(f->table[i].arg);
	feed_read(&f->source);
}

/* --------------------------------------------------------------- lifetime */

struct feed *
feed_open(struct loop *l, struct hub *h)
{
	struct feed *f = xmalloc(sizeof(*f));

	*f = (struct feed){ .source = { .read = feed_read, .recheck_later = feed_recheck_later },
		.retry.fire = feed_retry_fires,
		.recheck.fire = feed_recheck_fires,
		.doubt.fire = feed_doubt_fires,
		.loop = l,
		.hub = h,
		.scratch = arena_new() };
	hub_set_source(h, &f->source);
	f->listener =
	    pipe_open(l, "millrace_stream", "streamd events", feed_on_notify, feed_listener_up, f);
	f->statements =
	    pipe_open(l, "millrace_stream", "streamd reads", NULL, feed_statements_up, f);
	return f;
}

void
feed_close(struct feed *f)
{
	pipe_close(f->listener);
	pipe_close(f->statements);
	loop_disarm(f->loop, &f->retry);
	loop_disarm(f->loop, &f->recheck);
	loop_disarm(f->loop, &f->doubt);
	arena_free(f->scratch);
	free(f);
}

void
feed_listen(struct feed *f, const struct feed_listener *table, size_t n)
{
	f->table = table;
	f->n_table = n;
}

struct pipe *
feed_pipe(struct feed *f)
{
	return f->statements;
}

struct pipe *
feed_listener_pipe(struct feed *f)
{
	return f->listener;
}
