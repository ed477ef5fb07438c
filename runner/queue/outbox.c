#include <stdlib.h>

#include <utlist.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/queue/commit.h"
#include "runner/queue/outbox.h"
#include "runner/runner.h"
#include "runner/thread.h"
#include "sql_runner.h"

#define OUTBOX_MAX ((size_t)64 * 1024) /* unflushed bytes of one run before its job waits */
/* A token event's text at most, so that it fits a notification */
#define TOKEN_MAX ((size_t)4 * 1024)
#define BATCH_MAX ((size_t)4 * 1024 * 1024) /* bytes of one write, roughly */

/* An event that is not in the log yet. Tokens hold plain text, others JSON. */
struct event {
	struct event *next;
	const char *type; /* a literal */
	bool is_token;
	bool is_sent; /* once: it keeps its bounds, since the log may have it */
	size_t n, room;
	char bytes[];
};

/* Everything in it is guarded by writer.lock. */
struct outbox {
	struct stop *stop; /* the job's */
	struct uuid run;
	int attempt;
	struct event *oldest, *newest; /* what is not in the log */
	size_t len; /* of all these */
	int64_t seq; /* of the last event in the log */
	bool is_broken; /* the server takes nothing of it */
	pthread_cond_t written; /* a write of it has come to its end, or is to be done again */
	size_t n_taken; /* its oldest events, which are part of the write that is under way */
	struct outbox *next, *prev; /* among those with events */
};

/* One write: the outboxes that take part, and their events as the statement's arrays. */
struct batch {
	struct arena *a;
	struct outbox **boxes;
	size_t n;
	size_t len;
	struct str_list runs, attempts, after, counts, topics, types, data;
};

/* What writes the outboxes, in the committer's turns. */
static struct {
	pthread_mutex_t lock; /* guards what follows, up to the turn's own */
	struct outbox *filled_boxes; /* those with events; who has waited longest is first */
	/* So many writes are of one outbox each, to find the one that the server refuses */
	size_t singly;
	bool is_writing; /* a write is under way, or is to be done again */
	struct batch batch; /* that write; the turn's own, as all that follows */
	int tries;
	int64_t began_us;
	int64_t next_ms; /* when the next write may begin, clock_ms() */
	struct loop_timer next; /* the next write, or the same once more */
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* -- the job's side -- */

struct outbox *
outbox_open(struct stop *stop, struct uuid run, int attempt, int64_t seq)
{
	struct outbox *o = xmalloc(sizeof(*o));

	*o = (struct outbox){ .stop = stop, .run = run, .attempt = attempt, .seq = seq };
	pthread_cond_init(&o->written, NULL);
	return o;
}

/* Drops the `n` oldest events; the lock is held. */
static void
forget(struct outbox *o, size_t n)
{
	struct event *e;

	for (; n > 0 && (e = o->oldest) != NULL; n--) {
		o->oldest = e->next;
		o->len -= e->n;
		free(e);
		if (!o->oldest)
			DL_DELETE(writer.filled_boxes, o);
	}
}

void
outbox_close(struct outbox *o)
{
	if (!o)
		return;
	pthread_mutex_lock(&writer.lock);
	/* A write that is under way points into it, and into the job. */
	while (o->n_taken > 0)
		pthread_cond_wait(&o->written, &writer.lock);
	forget(o, SIZE_MAX);
	pthread_mutex_unlock(&writer.lock);
	pthread_cond_destroy(&o->written);
	free(o);
}

/* Is there anything left to wait for? */
static bool
may_wait(struct outbox *o)
{
	return !o->is_broken && stop_why(o->stop) != STOP_LOST;
}

/* True where nobody has had anything, so that a turn of the writer is to come. */
static bool
append(struct outbox *o, struct event *e)
{
	bool is_first = !writer.filled_boxes && !writer.is_writing;

	o->len += e->n;
	if (o->oldest) {
		o->newest->next = e;
	} else {
		o->oldest = e;
		DL_APPEND(writer.filled_boxes, o);
	}
	o->newest = e;
	return is_first;
}

static struct event *
event_new(const char *type, bool is_token, size_t n)
{
	size_t room = is_token && n < 64 ? 64 : n;
	struct event *e = xmalloc(sizeof(*e) + room);

	*e = (struct event){ .type = type, .is_token = is_token, .room = room };
	return e;
}

/* The newest event, where it is a token that may still grow. */
static struct event *
growing(struct outbox *o)
{
	return o->oldest && o->newest->is_token && !o->newest->is_sent ? o->newest : NULL;
}

/* Adds to the newest event where that has room. */
static bool
merged(struct outbox *o, struct str text)
{
	struct event *e = growing(o);

	if (!e || e->n + text.n > e->room)
		return false;
	memcpy(e->bytes + e->n, text.p, text.n);
	e->n += text.n;
	o->len += text.n;
	return true;
}

static void
put(struct outbox *o, const char *type, bool is_token, struct str bytes)
{
	bool is_first = false;

	pthread_mutex_lock(&writer.lock);
	while (o->len > OUTBOX_MAX && may_wait(o) && stop_why(o->stop) == STOP_NOT)
		pthread_cond_wait(&o->written, &writer.lock);
	if (!o->is_broken && (!is_token || !merged(o, bytes))) {
		struct event *last = growing(o), *e;
		size_t n = bytes.n;

		/*
		 * A token that follows an unflushed one will be followed by more: make room for a
		 * tick's worth.
		 */
		if (is_token && last)
			n = last->room * 2 < TOKEN_MAX ? last->room * 2 : TOKEN_MAX;
		e = event_new(type, is_token, n < bytes.n ? bytes.n : n);
		memcpy(e->bytes, bytes.p, bytes.n);
		e->n = bytes.n;
		is_first = append(o, e);
	}
	pthread_mutex_unlock(&writer.lock);
	if (is_first)
		commit_turn();
}

void
outbox_token(struct outbox *o, struct str text)
{
	while (text.n > 0) {
		size_t n = text.n > TOKEN_MAX ? TOKEN_MAX : text.n;

		/* Cut between characters. */
		while (n < text.n && n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
			n--;
		n = n ? n : text.n;
		put(o, "token", true, (struct str){ text.p, n });
		text.p += n;
		text.n -= n;
	}
}

void
outbox_event(struct outbox *o, const char *type, struct str data)
{
	put(o, type, false, data);
}

struct str
outbox_detach(struct outbox *o, struct arena *a)
{
	struct event *kept = NULL, *e;
	struct buf text = { .a = a };
	size_t len = 0;

	pthread_mutex_lock(&writer.lock);
	for (e = o->oldest; e; e = e->next) {
		if (!e->is_token || e->is_sent)
			kept = e;
		len = kept == e ? 0 : len + e->n;
	}
	while (len <= TOKEN_MAX && (e = kept ? kept->next : o->oldest) != NULL) {
		buf_put(&text, (struct str){ e->bytes, e->n });
		if (!kept)
			forget(o, 1);
		else {
			kept->next = e->next;
			o->newest = kept;
			o->len -= e->n;
			free(e);
		}
	}
	pthread_mutex_unlock(&writer.lock);
	return buf_str(&text);
}

bool
outbox_drain(struct outbox *o, int64_t *seq)
{
	bool drained;

	pthread_mutex_lock(&writer.lock);
	while (o->oldest && may_wait(o))
		pthread_cond_wait(&o->written, &writer.lock);
	drained = !o->oldest && may_wait(o);
	if (drained)
		*seq = o->seq;
	pthread_mutex_unlock(&writer.lock);
	return drained;
}

/* -- the writer's side; the lock is held -- */

static struct str
event_data(struct arena *a, const struct event *e)
{
	struct buf b = { .a = a };

	if (!e->is_token)
		return arena_str(a, (struct str){ e->bytes, e->n });
	buf_put(&b, S("{\"content\":"));
	buf_json(&b, (struct str){ e->bytes, e->n });
	buf_put(&b, S("}"));
	return buf_str(&b);
}

static void
take(struct batch *b, struct outbox *o)
{
	struct str topic = arena_printf(b->a, "run:%s", o->run.text);
	size_t n = 0;

	for (struct event *e = o->oldest; e && (n == 0 || b->len < BATCH_MAX); e = e->next, n++) {
		e->is_sent = true;
		b->len += e->n + 64;
		b->topics.p[b->topics.n++] = topic;
		b->types.p[b->types.n++] = str_from(e->type);
		b->data.p[b->data.n++] = event_data(b->a, e);
	}
	o->n_taken = n;
	b->boxes[b->n++] = o;
	b->runs.p[b->runs.n++] = arena_str(b->a, uuid_str(&o->run));
	b->attempts.p[b->attempts.n++] = arena_printf(b->a, "%d", o->attempt);
	b->after.p[b->after.n++] = arena_printf(b->a, "%lld", (long long)o->seq);
	b->counts.p[b->counts.n++] = arena_printf(b->a, "%zu", n);
}

/* Nothing more of this outbox is written. */
static void
give_up(struct outbox *o)
{
	o->is_broken = true;
	forget(o, SIZE_MAX);
	stop_set(o->stop, STOP_LOST);
}

static struct str_list
list_of(struct arena *a, size_t n)
{
	return (struct str_list){ arena_alloc(a, n * sizeof(struct str)), 0 };
}

/* A batch of everything unflushed, or of the outbox alone whose turn it is. */
static struct batch
collect(struct arena *a, bool is_alone)
{
	struct batch b = { .a = a };
	size_t n_boxes = 0, n_events = 0;
	struct outbox *o;

	DL_FOREACH (writer.filled_boxes, o) {
		n_boxes++;
		for (struct event *e = o->oldest; e; e = e->next)
			n_events++;
	}
	b.boxes = arena_alloc(a, n_boxes * sizeof(*b.boxes));
	b.runs = list_of(a, n_boxes);
	b.attempts = list_of(a, n_boxes);
	b.after = list_of(a, n_boxes);
	b.counts = list_of(a, n_boxes);
	b.topics = list_of(a, n_events);
	b.types = list_of(a, n_events);
	b.data = list_of(a, n_events);
	DL_FOREACH (writer.filled_boxes, o) {
		if (b.len >= BATCH_MAX || (is_alone && b.n > 0))
			break;
		take(&b, o);
	}
	return b;
}

/* What the server answered for one outbox: its topic's seq, absent where the lease is lost. */
static void
settle_one(struct outbox *o, struct str answer)
{
	int64_t seq;

	/* A log that is behind has lost what was on disk: what a client was shown is not told anew.
	 */
	if (!str_int(answer, &seq) || seq < o->seq) {
		give_up(o);
		return;
	}
	if (seq == o->seq + (int64_t)o->n_taken)
		forget(o, o->n_taken);
	o->seq = seq;
	if (o->oldest) {
		/* behind those that had no turn in this write */
		DL_DELETE(writer.filled_boxes, o);
		DL_APPEND(writer.filled_boxes, o);
	}
}

/*
 * Takes the lock for what follows and returns with it held. An outbox alone that the server refuses
 * is broken.
 */
static void
settle_batch(struct batch *b, enum err e, const PGresult *res)
{
	pthread_mutex_lock(&writer.lock);
	for (size_t i = 0; i < b->n; i++) {
		struct outbox *o = b->boxes[i];

		if (e == ERR_OK) {
			settle_one(o, sql_get(res, (int)i, 1));
		} else if (b->n == 1 && e != ERR_OVERLOADED) {
			log_error("outbox: a run's events were refused", "run", o->run.text,
			    "error", err_info(e)->code);
			give_up(o);
		}
		o->n_taken = 0;
		pthread_cond_signal(&o->written);
	}
	if (b->n > 1 && e != ERR_OK && e != ERR_OVERLOADED)
		writer.singly = b->n;
}

/* -- the committer's turn; the lock is not held while the database is asked -- */

static void write_batch(void);

/* The same batch again. Those who wait look whether they still have to. */
static void
write_again_later(void)
{
	int tries = writer.tries++;
	struct outbox *o;

	pthread_mutex_lock(&writer.lock);
	DL_FOREACH (writer.filled_boxes, o)
		pthread_cond_signal(&o->written);
	pthread_mutex_unlock(&writer.lock);
	loop_arm(commit_loop(), &writer.next, (tries < 4 ? 25 << tries : 400) + jitter(50));
}

/*
 * When the next write may begin. What is alone goes at once, but for as long a pause as the write
 * took; the more runs share a write, the longer the next gathers, up to flush_ms.
 */
static int64_t
pause_after(const struct batch *b)
{
	int64_t now = clock_ms(), took = (clock_us() - writer.began_us) / 1000;
	int64_t pause = took > (int64_t)b->n - 1 ? took : (int64_t)b->n - 1;
	int64_t most = config()->flush_ms - took;

	return now + (pause < most ? pause : most);
}

static void
on_written(void *arg, const struct pipe_reply *reply)
{
	struct batch *b = &writer.batch;
	const PGresult *res = reply->n > 0 ? reply->res[0] : NULL;
	enum err e = reply->e;

	(void)arg;
	if (e == ERR_OK && (size_t)PQntuples(res) != b->n)
		e = ERR_INTERNAL;
	if (e == ERR_OK) {
		atomic_fetch_add(&counters.flushes, 1);
		atomic_fetch_add(&counters.events, (long long)b->data.n);
		histogram_add(&counters.flush_seconds, clock_us() - writer.began_us);
	} else {
		atomic_fetch_add(&counters.flush_errors, 1);
	}
	if (e == ERR_OVERLOADED) {
		write_again_later();
		return;
	}
	writer.next_ms = pause_after(b);
	settle_batch(b, e, res);
	arena_free(b->a);
	writer.is_writing = false;
	pthread_mutex_unlock(&writer.lock);
	outbox_turn();
}

/* An outbox's seq changes in a turn alone. */
static enum err
post_batch(const struct batch *b)
{
	const struct outbox *o = b->boxes[0];

	if (b->data.n == 1)
		return post_runner_event_write(on_written, NULL, str_from(runner.name), o->run,
		    o->attempt, o->seq, b->types.p[0], b->data.p[0]);
	return post_runner_events_write(on_written, NULL, str_from(runner.name), b->runs,
	    b->attempts, b->after, b->counts, b->topics, b->types, b->data);
}

static void
write_batch(void)
{
	writer.began_us = clock_us();
	if (post_batch(&writer.batch) != ERR_OK) {
		atomic_fetch_add(&counters.flush_errors, 1);
		write_again_later();
	}
}

static void
on_next(struct loop_timer *t)
{
	(void)t;
	if (writer.is_writing)
		write_batch();
	else
		outbox_turn();
}

void
outbox_turn(void)
{
	int64_t early = writer.next_ms - clock_ms();
	bool is_due;

	pthread_mutex_lock(&writer.lock);
	is_due = writer.filled_boxes && !writer.is_writing;
	if (is_due && early <= 0) {
		bool is_alone = writer.singly > 0 && writer.singly-- > 0;

		writer.is_writing = true;
		writer.batch = collect(arena_new(), is_alone);
	}
	pthread_mutex_unlock(&writer.lock);
	writer.next.fire = on_next;
	if (is_due && early > 0) {
		loop_arm(commit_loop(), &writer.next, early);
	} else if (is_due) {
		loop_disarm(commit_loop(), &writer.next);
		writer.tries = 0;
		write_batch();
	}
}
