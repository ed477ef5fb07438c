#include <millrace/container_of.h>

#include "lib/batch.h"

#define AGAIN_MS 10
#define NOTIFY_AGAIN_MS 1000
/*
 * Writers that share a flush at most. Collecting a notification copies what is there, so that its
 * cost grows with their number, and a flush more costs little where the server is busy anyway.
 */
#define SHARED_MAX 32
#define LATE_MS 50 /* after which writers in no hurry have a flush of their own */
#define ALIKE_MANY 3 /* writers of one mode in a row, for whom it becomes the connection's */

extern const struct query query_batch_begin;
extern const struct query query_batch_shared;
extern const struct query query_batch_alone;
extern const struct query query_batch_direct;
extern const struct query query_batch_waker;
extern const struct query query_batch_flush;
extern const struct query query_batch_notify;
extern const struct query query_batch_doubt;
/* Linked in by the test build alone (tests/switches): is a batch to stay between commits and flush?
 */
extern bool batch_is_stopped(void) __attribute__((weak));

static bool batch_send(
    struct pipe *p, enum unit_kind kind, const struct pipe_statement *s, pipe_done *done);
static void batch_begun(void *arg, const struct pipe_reply *reply);

bool
batch_before(struct pipe *p, enum unit_kind kind, struct pipe_statement *before)
{
	static const struct query *const modes[] = {
		[UNIT_ALONE] = &query_batch_alone,
		[UNIT_DIRECT] = &query_batch_direct,
		[UNIT_WRITER] = &query_batch_shared,
		[UNIT_WAKER] = &query_batch_waker,
		[UNIT_LATE] = &query_batch_shared,
		[UNIT_FLUSH] = NULL,
	};
	static const struct sql_arg local = { .type = SQL_BOOL, .b = true };
	static const struct sql_arg session = { .type = SQL_BOOL, .b = false };
	struct batch *b = &p->batch;
	const struct query *mode = modes[kind];

	if (!mode)
		return true;
	b->n_alike = mode == b->last ? b->n_alike + 1 : 1;
	b->last = mode;
	if (mode == b->mode)
		return true;
	*before = (struct pipe_statement){ .query = mode, .args = &local, .n_args = 1 };
	if (mode != &query_batch_shared && b->n_alike < ALIKE_MANY)
		return true;
	before->args = &session;
	b->mode = mode;
	if (!batch_send(p, UNIT_PLAIN, before, batch_begun))
		return false;
	before->query = NULL;
	return true;
}

enum unit_kind
batch_kind(const struct pipe *p, const struct pipe_statement *statements, int n)
{
	bool is_late = true;

	for (int i = 0; i < n; i++)
		is_late = is_late && statements[i].query->late;
	if (is_late)
		return UNIT_LATE;
	if (p->batch.writers > 0)
		return UNIT_WRITER;
	if (statements[n - 1].query->wakes)
		return UNIT_WAKER;
	return loop_now(p->loop) < p->batch.direct_ms ? UNIT_ALONE : UNIT_DIRECT;
}

static void batch_flush(struct pipe *p);

static void
turn_within(struct pipe *p, int64_t ms)
{
	struct loop_timer *t = &p->batch.turn;

	if (t->due_ms == 0 || t->due_ms > loop_now(p->loop) + ms)
		loop_arm(p->loop, t, ms);
}

void
batch_sent(struct pipe *p, enum unit_kind kind)
{
	struct batch *b = &p->batch;

	if (kind == UNIT_FLUSH) {
		b->flushing++;
		b->unflushed = b->late = 0;
		return;
	}
	if (kind == UNIT_PLAIN)
		return;
	if (kind == UNIT_LATE) {
		b->late++;
	} else {
		b->writers++;
		if (kind == UNIT_DIRECT)
			return;
		b->unnotified = true;
	}
	b->unflushed += kind != UNIT_ALONE;
	turn_within(p, kind == UNIT_LATE ? LATE_MS : 0);
	if (b->unflushed >= SHARED_MAX)
		batch_flush(p);
}

/* Answers the writers that are held, all of which were sent before the flush that has ended. */
static void
held_answer(struct pipe *p, enum err e)
{
	struct unit *u = p->batch.held, *next;

	p->batch.held = NULL;
	for (; u; u = next) {
		next = u->next;
		if (e != ERR_OK)
			unit_lose(u);
		unit_answer(p, u);
	}
}

bool
batch_holds(struct pipe *p, struct unit *u)
{
	struct batch *b = &p->batch;

	/* The server may take no notifications: what is done again does without. */
	if (u->kind == UNIT_DIRECT && u->e == ERR_INTERNAL && u->seen > u->n) {
		b->direct_ms = loop_now(p->loop) + NOTIFY_AGAIN_MS;
		u->e = ERR_OVERLOADED;
	}
	if (u->kind == UNIT_FLUSH) {
		b->flushing--;
		held_answer(p, u->e);
		if (b->unflushed > 0 && p->up)
			turn_within(p, b->unflushed == b->late ? LATE_MS : 0);
	}
	if (u->e != ERR_OK ||
	    (u->kind != UNIT_WRITER && u->kind != UNIT_WAKER && u->kind != UNIT_LATE))
		return false;
	if (!b->held)
		b->held_last = &b->held;
	*b->held_last = u;
	b->held_last = &u->next;
	u->next = NULL;
	if (u->held)
		u->held(u->arg);
	return true;
}

/* A unit of one statement; false where the connection is lost. */
static bool
batch_send(struct pipe *p, enum unit_kind kind, const struct pipe_statement *s, pipe_done *done)
{
	struct arena *a = arena_new();
	bool sent = unit_send(p, a, kind, s, 1, done, p) != NULL;

	arena_free(a);
	return sent;
}

static void
batch_begun(void *arg, const struct pipe_reply *reply)
{
	struct pipe *p = arg;

	if (reply->e != ERR_OK && p->up)
		pipe_lose_later(p);
}

void
batch_begin(struct pipe *p)
{
	const struct pipe_statement begin = { .query = &query_batch_begin };

	p->batch.mode = &query_batch_shared;
	if (batch_send(p, UNIT_PLAIN, &begin, batch_begun) && p->batch.in_doubt)
		pipe_doubt(p);
}

void
batch_lose(struct pipe *p)
{
	struct batch *b = &p->batch;

	b->in_doubt |= b->on && (p->in_flight > 0 || b->unnotified);
	b->unflushed = b->late = 0;
	b->unnotified = false;
	loop_disarm(p->loop, &b->turn);
	held_answer(p, ERR_OVERLOADED);
}

void
pipe_doubt(struct pipe *p)
{
	const struct pipe_statement doubt = { .query = &query_batch_doubt };
	struct batch *b = &p->batch;

	b->in_doubt = !p->up || !batch_send(p, UNIT_PLAIN, &doubt, NULL);
	if (b->in_doubt)
		return;
	b->unnotified = true;
	loop_arm(p->loop, &b->turn, 0);
}

/*
 * Where the server takes no notifications (its queue is full) the writers' are dropped for the one
 * that says "look again", which is tried until it comes through: what is kept stays small.
 */
static void
batch_notified(void *arg, const struct pipe_reply *reply)
{
	struct pipe *p = arg;

	if (reply->e == ERR_OK || !p->up)
		return;
	pipe_doubt(p);
	if (p->up && p->batch.unflushed == 0)
		loop_arm(p->loop, &p->batch.turn, NOTIFY_AGAIN_MS);
}

/*
 * Notifications go behind the flush in a transaction of their own, since committing them takes a
 * lock of the whole server.
 */
static void
batch_flush(struct pipe *p)
{
	const struct pipe_statement flush = { .query = &query_batch_flush };
	const struct pipe_statement notify = { .query = &query_batch_notify };
	struct batch *b = &p->batch;

	if (b->unflushed > 0 && batch_is_stopped && batch_is_stopped()) {
		loop_arm(p->loop, &b->turn, AGAIN_MS);
		return;
	}
	if (b->unflushed > 0 && !batch_send(p, UNIT_FLUSH, &flush, NULL))
		return;
	if (b->unnotified)
		b->unnotified = !batch_send(p, UNIT_PLAIN, &notify, batch_notified);
}

/* Few who write while a flush is in flight wait for its end, to share the next. */
static void
batch_turn(struct loop_timer *t)
{
	struct pipe *p = container_of(t, struct pipe, batch.turn);
	struct batch *b = &p->batch;

	if (p->up && (b->unnotified || b->unflushed > 0) && (b->unflushed == 0 || b->flushing == 0))
		batch_flush(p);
}

void
pipe_batch(struct pipe *p, bool direct)
{
	p->batch.on = true;
	p->batch.direct_ms = direct ? 0 : INT64_MAX;
	p->batch.turn.fire = batch_turn;
}
