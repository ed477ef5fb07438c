#include <stddef.h>
#include <stdlib.h>

#include <millrace/container_of.h>
#include <millrace/log.h>

#include "streamd/events/topics.h"
#include "streamd/events/feed.h"
#include "sql_stream.h"
#include "streamd/metrics.h"

/* Bounds of what one read may bring: topics × (bytes + one event). */
#define READ_TOPICS 32
#define READ_ROWS 256
#define READ_BYTES ((int64_t)64 * 1024)
#define READS_AT_ONCE 2
#define RETRY_MS 500

struct reader {
	struct loop_timer retry; /* armed: reads failed, none are started until it fires */
	struct loop_timer again; /* armed: the hub looks again when it fires */
	struct loop *loop;
	struct hub *hub;
	struct pipe *listener;
	struct pipe *table;
	struct access *access;
	struct arena *scratch;
	int reads;
};

struct read {
	struct reader *reader;
	size_t n;
	struct topic *topics[READ_TOPICS];
};

static void
read_failed(struct read *q)
{
	struct reader *r = q->reader;

	for (size_t i = 0; i < q->n; i++)
		hub_read_failed(q->topics[i]);
	if (r->retry.due_ms == 0)
		loop_arm(r->loop, &r->retry, RETRY_MS);
}

/* Rows come ordered by topic and seq; each topic has one at least. */
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
read_done(void *arg, const struct pipe_reply *reply)
{
	struct read *q = arg;
	struct reader *r = q->reader;

	r->reads--;
	if (reply->e == ERR_OK && reply->n == 1)
		read_rows(q, reply->res[0]);
	else
		read_failed(q);
	free(q);
}

/* Asks for what follows in q's topics. */
static bool
read_send(struct reader *r, struct read *q)
{
	struct str_list topics = { arena_alloc(r->scratch, q->n * sizeof(struct str)), q->n };
	struct str_list afters = { arena_alloc(r->scratch, q->n * sizeof(struct str)), q->n };
	enum err e;

	for (size_t i = 0; i < q->n; i++) {
		const struct topic *t = q->topics[i];

		topics.p[i] = (struct str){ t->name, t->name_len };
		afters.p[i] = arena_printf(r->scratch, "%lld", (long long)t->read_upto);
	}
	e = pipe_stream_events_after(
	    r->table, r->scratch, read_done, q, topics, afters, READ_ROWS, READ_BYTES);
	arena_reset(r->scratch);
	stats.catch_ups += q->n;
	return e == ERR_OK;
}

void
reader_work(struct reader *r)
{
	while (r->reads < READS_AT_ONCE && r->retry.due_ms == 0 && pipe_is_up(r->table)) {
		struct read *q;
		struct topic *t = hub_next_hungry(r->hub);

		if (!t)
			return;
		q = xmalloc(sizeof(*q));
		q->reader = r;
		for (q->n = 0; t; t = q->n < READ_TOPICS ? hub_next_hungry(r->hub) : NULL)
			q->topics[q->n++] = t;
		if (read_send(r, q)) {
			r->reads++;
			continue;
		}
		read_failed(q);
		free(q);
	}
}

/* "topic \n seq \n type \n time \n data", or "topic \n seq" for an event too large to be told; the time in Unix milliseconds. */
static void
on_notify(void *arg, struct str channel, struct str payload)
{
	struct reader *r = arg;
	struct event e = { 0 };
	struct str topic, seq, at, rest;

	if (!str_eq(channel, S("millrace_event"))) {
		access_heard(r->access, channel, payload);
		return;
	}
	rest = str_cut(payload, '\n', &topic);
	rest = str_cut(rest, '\n', &seq);
	if (!str_int(seq, &e.seq)) {
		log_warn("a notification was not understood");
		return;
	}
	stats.events_notified++;
	if (rest.p) {
		rest = str_cut(rest, '\n', &e.type);
		e.data = str_cut(rest, '\n', &at);
		(void)str_int(at, &e.at_ms);
		e.born_ms = e.at_ms;
	}
	hub_notified(r->hub, topic, e.seq, e.data.p ? &e : NULL);
	event_end(&e);
}

/* We are told of everything from here on; what came before is to be read. */
static void
listening(void *arg, const struct pipe_reply *reply)
{
	struct reader *r = arg;

	if (reply->e != ERR_OK)
		return;
	stats.listens++;
	hub_doubt(r->hub);
	reader_work(r);
}

static void
listener_up(void *arg)
{
	struct reader *r = arg;

	pipe_listen(r->listener, "millrace_event");
	access_connected(r->access);
	if (pipe_stream_listening(r->listener, r->scratch, listening, r) != ERR_OK)
		log_warn("the listening connection was lost at once");
	arena_reset(r->scratch);
}

static void
table_up(void *arg)
{
	struct reader *r = arg;

	access_can_ask(r->access);
	reader_work(r);
}

static void
retry_fires(struct loop_timer *t)
{
	struct reader *r = container_of(t, struct reader, retry);

	reader_work(r);
}

static void
again_fires(struct loop_timer *t)
{
	struct reader *r = container_of(t, struct reader, again);

	hub_look_again(r->hub);
	reader_work(r);
}

void
reader_look_again(struct reader *r)
{
	if (r->again.due_ms == 0)
		loop_arm(r->loop, &r->again, RETRY_MS);
}

struct reader *
reader_open(struct loop *l, struct hub *h)
{
	struct reader *r = xmalloc(sizeof(*r));

	*r = (struct reader){ .loop = l,
		.hub = h,
		.retry.fire = retry_fires,
		.again.fire = again_fires,
		.scratch = arena_new() };
	hub_read_from(h, r);
	r->listener = pipe_open(l, "millrace_stream", "streamd events", on_notify, listener_up, r);
	r->table = pipe_open(l, "millrace_stream", "streamd reads", NULL, table_up, r);
	return r;
}

void
reader_close(struct reader *r)
{
	pipe_close(r->listener);
	pipe_close(r->table);
	loop_disarm(r->loop, &r->retry);
	loop_disarm(r->loop, &r->again);
	arena_free(r->scratch);
	free(r);
}

struct pipe *
reader_pipe(struct reader *r)
{
	return r->table;
}

struct pipe *
reader_listener(struct reader *r)
{
	return r->listener;
}

void
reader_tell(struct reader *r, struct access *a)
{
	r->access = a;
}
