#include <stdlib.h>

#include <utlist.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

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

/* Everything in it is guarded by flusher.lock. */
struct outbox {
	struct stop *stop; /* the job's */
	struct uuid run;
	int attempt;
	struct event *oldest, *newest; /* what is not in the log */
	size_t len; /* of all these */
	int64_t seq; /* of the last event in the log */
	bool is_broken; /* the server takes nothing of it */
	size_t n_taken; /* its oldest events, which are part of the write that is under way */
	struct outbox *next, *prev; /* among those with events */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled; /* something to write, or the end */
	pthread_cond_t written; /* something was written */
	struct outbox *filled_boxes; /* those with events; who has waited longest is first */
	/* So many writes are of one outbox each, to find the one that the server refuses */
	size_t singly;
	atomic_bool ending;
	pthread_t thread;
} flusher = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.written = PTHREAD_COND_INITIALIZER };

/* One write: the outboxes that take part, and their events as the statement's arrays. */
struct batch {
	struct arena *a;
	struct outbox **boxes;
	size_t n;
	size_t len;
	struct str_list runs, attempts, after, counts, topics, types, data;
};

/* -- the job's side -- */

struct outbox *
outbox_open(struct stop *stop, struct uuid run, int attempt, int64_t seq)
{
	struct outbox *o = xmalloc(sizeof(*o));

	*o = (struct outbox){ .stop = stop, .run = run, .attempt = attempt, .seq = seq };
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
			DL_DELETE(flusher.filled_boxes, o);
	}
}

void
outbox_close(struct outbox *o)
{
	if (!o)
		return;
	pthread_mutex_lock(&flusher.lock);
	/* A write that is under way points into it, and into the job. */
	while (o->n_taken > 0)
		pthread_cond_wait(&flusher.written, &flusher.lock);
	forget(o, SIZE_MAX);
	pthread_mutex_unlock(&flusher.lock);
	free(o);
}

/* Is there anything left to wait for? */
static bool
may_wait(struct outbox *o)
{
	return !o->is_broken && stop_why(o->stop) != STOP_LOST;
}

static void
append(struct outbox *o, struct event *e)
{
	o->len += e->n;
	if (o->oldest) {
		o->newest->next = e;
	} else {
		if (!flusher.filled_boxes)
			pthread_cond_signal(&flusher.filled);
		o->oldest = e;
		DL_APPEND(flusher.filled_boxes, o);
	}
	o->newest = e;
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
	pthread_mutex_lock(&flusher.lock);
	while (o->len > OUTBOX_MAX && may_wait(o) && stop_why(o->stop) == STOP_NOT)
		pthread_cond_wait(&flusher.written, &flusher.lock);
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
		append(o, e);
	}
	pthread_mutex_unlock(&flusher.lock);
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

bool
outbox_drain(struct outbox *o, int64_t *seq)
{
	bool drained;

	pthread_mutex_lock(&flusher.lock);
	while (o->oldest && may_wait(o))
		pthread_cond_wait(&flusher.written, &flusher.lock);
	drained = !o->oldest && may_wait(o);
	if (drained)
		*seq = o->seq;
	pthread_mutex_unlock(&flusher.lock);
	return drained;
}

/* -- the flusher's side; the lock is held -- */

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

	DL_FOREACH (flusher.filled_boxes, o) {
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
	DL_FOREACH (flusher.filled_boxes, o) {
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
		DL_DELETE(flusher.filled_boxes, o);
		DL_APPEND(flusher.filled_boxes, o);
	}
}

/* -- writing; the lock is not held while the database is asked -- */

static enum err
write_batch(struct batch *b, PGresult **res)
{
	int64_t start = clock_us();
	enum err e = commit_runner_events_write(b->a, res, str_from(runner.name), b->runs,
	    b->attempts, b->after, b->counts, b->topics, b->types, b->data);

	if (e == ERR_OK && (size_t)PQntuples(*res) != b->n)
		e = ERR_INTERNAL;
	if (e == ERR_OK) {
		atomic_fetch_add(&counters.flushes, 1);
		atomic_fetch_add(&counters.events, (long long)b->data.n);
		histogram_add(&counters.flush_seconds, clock_us() - start);
	} else {
		atomic_fetch_add(&counters.flush_errors, 1);
	}
	return e;
}

/*
 * Takes the lock for what follows and returns with it held. An outbox alone that the server refuses
 * is broken.
 */
static void
settle_batch(struct batch *b, enum err e, const PGresult *res)
{
	pthread_mutex_lock(&flusher.lock);
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
	}
	if (b->n > 1 && e != ERR_OK && e != ERR_OVERLOADED)
		flusher.singly = b->n;
	pthread_cond_broadcast(&flusher.written);
}

/* Writes until the server has answered; the same batch each time. */
static void
flush(bool is_alone)
{
	struct arena *a = arena_new();
	struct batch b = collect(a, is_alone);
	PGresult *res = NULL;
	enum err e = ERR_OK;

	pthread_mutex_unlock(&flusher.lock);
	for (int tries = 0; b.n > 0 && (e = write_batch(&b, &res)) == ERR_OVERLOADED; tries++) {
		if (atomic_load(&flusher.ending))
			break;
		/* Those who wait look whether they still have to. */
		pthread_mutex_lock(&flusher.lock);
		pthread_cond_broadcast(&flusher.written);
		pthread_mutex_unlock(&flusher.lock);
		sleep_ms((tries < 4 ? 25 << tries : 400) + jitter(50));
	}
	settle_batch(&b, e, res);
	arena_free(a);
}

static void *
flusher_thread(void *arg)
{
	int64_t last = 0;

	(void)arg;
	pthread_mutex_lock(&flusher.lock);
	for (;;) {
		int64_t early;

		while (!flusher.filled_boxes && !atomic_load(&flusher.ending))
			pthread_cond_wait(&flusher.filled, &flusher.lock);
		if (atomic_load(&flusher.ending))
			break;
		if ((early = last + config()->flush_ms - clock_ms()) > 0) {
			pthread_mutex_unlock(&flusher.lock);
			sleep_ms(early);
			pthread_mutex_lock(&flusher.lock);
		}
		last = clock_ms();
		flush(flusher.singly > 0 && flusher.singly-- > 0);
	}
	pthread_mutex_unlock(&flusher.lock);
	return NULL;
}

void
flusher_start(void)
{
	thread_start(&flusher.thread, flusher_thread, NULL, true);
}

void
flusher_stop(void)
{
	pthread_mutex_lock(&flusher.lock);
	atomic_store(&flusher.ending, true);
	pthread_cond_signal(&flusher.filled);
	pthread_mutex_unlock(&flusher.lock);
	pthread_join(flusher.thread, NULL);
}
