#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include <millrace/clock.h>
#include <millrace/container_of.h>

#include "fcgi/share.h"
#include "fcgi/worker.h"

#define ROOM 128
#define ALONE (ROOM / 2) /* what one may have of it while nobody else is here */
#define SHARE (ROOM / 8) /* and beside others */
#define COST_US 50 /* what counts for one */
#define WRITE_COST_US 250 /* of writers: they wait for the disk, and many go together */
#define OTHERS_MS 1000 /* somebody who came within that time is here */
#define SLOW_US 400 /* who takes so much a request is slow */
#define SLOW_ROOM 2 /* statements of the slow in their pipe: one works, one comes */
#define AT_ONCE_US 25000 /* what a slow one may take before the first rest */
#define RESTED_US 250000 /* rested for at most, of a statement: more may have been a stall */

/* Statements that are one transaction. */
struct unit {
	struct req *r; /* may have ended, where there is no `done` */
	struct pipe_statement *statements; /* gone once they are sent */
	int n;
	bool reads; /* by its method; what it stores is a job at most */
	pipe_done *done;
};

struct waiting {
	struct waiting *prev, *next;
	struct arena *a; /* holds this and what it points to; NULL: the request's does */
	struct unit unit;
};

/*
 * A caller's. It lasts while something of the caller's is in a pipe or waits, and the last of all
 * until the next.
 */
struct line {
	UT_hash_handle hh;
	struct line *prev, *next; /* in `turns` */
	struct waiting *first;
	size_t n_waiting;
	int n_sent; /* units whose `done` has not returned */
	int load; /* what is in the worker's pipe of them */
	char subject[];
};

/* A unit in a pipe. */
struct sent {
	struct worker *worker;
	struct line *line;
	struct lane *lane;
	int cost;
	bool has_left; /* it has come back, and waits for the disk at most */
	struct unit unit;
};

static void share_held(void *arg);
static void share_done(void *arg, const struct pipe_reply *reply);

static struct line *
line_of(struct shares *all, struct str subject)
{
	struct line *l;

	HASH_FIND(hh, all->lines, subject.p, subject.n, l);
	if (l) {
		all->idle = l == all->idle ? NULL : all->idle;
		return l;
	}
	l = xmalloc(sizeof(*l) + subject.n);
	*l = (struct line){ .first = NULL };
	memcpy(l->subject, subject.p, subject.n);
	HASH_ADD_KEYPTR(hh, all->lines, l->subject, subject.n, l);
	return l;
}

void
shares_free(struct shares *all)
{
	if (!all->idle)
		return;
	HASH_DEL(all->lines, all->idle);
	free(all->idle);
	all->idle = NULL;
}

/* One stays while it is idle: a table that was empty would be made anew for each request. */
static void
line_settle(struct shares *all, struct line *l)
{
	if (l->n_sent > 0 || l->first || l == all->idle)
		return;
	shares_free(all);
	all->idle = l;
}

static struct habit *
habit_of(struct shares *all, const struct line *l)
{
	return &all->habits[l->hh.hashv % SHARES_REMEMBERED];
}

static bool
others_are_here(const struct worker *w)
{
	return loop_now(w->loop) < w->shares.others_until_ms;
}

static bool
reads_slowly(struct shares *all, const struct line *l, const struct unit *u)
{
	return u->reads && habit_of(all, l)->reads_us >= SLOW_US;
}

static struct lane *
lane_of(struct shares *all, const struct line *l, const struct unit *u)
{
	bool is_there = all->slow.pipe && pipe_is_up(all->slow.pipe);

	return is_there && reads_slowly(all, l, u) ? &all->slow : &all->quick;
}

static int
cost_of(struct shares *all, const struct line *l, const struct unit *u)
{
	int64_t cost = 1 + habit_of(all, l)->us / (u->reads ? COST_US : WRITE_COST_US);

	return cost < SHARE ? (int)cost : SHARE;
}

/* May this one of the line go into its pipe? Who has nothing there waits for room alone. */
static bool
fits(struct worker *w, const struct line *l, const struct unit *u)
{
	struct shares *all = &w->shares;
	const struct lane *lane = lane_of(all, l, u);
	bool beside = others_are_here(w);

	if (lane->load >= (lane == &all->quick ? ROOM : beside ? 1 : SLOW_ROOM))
		return false;
	if (beside && u->reads && all->rests_until_us &&
	    clock_us() < habit_of(all, l)->rests_until_us)
		return false;
	return lane == &all->slow || l->load == 0 ||
	       l->load + cost_of(all, l, u) <= (beside ? SHARE : ALONE);
}

static enum err
line_send(struct worker *w, struct line *l, const struct unit *u)
{
	struct lane *lane = lane_of(&w->shares, l, u);
	bool is_quick = lane == &w->shares.quick;
	struct sent *sent = xmalloc(sizeof(*sent));
	enum err e = is_quick ? together_send(&w->shares.together, w->pipe, w->scratch,
				    u->statements, u->n, share_held, share_done, sent)
			      : pipe_send_held(lane->pipe, w->scratch, u->statements, u->n,
				    share_held, share_done, sent);

	arena_reset(w->scratch);
	if (e != ERR_OK) {
		free(sent);
		return e;
	}
	*sent = (struct sent){ .worker = w,
		.line = l,
		.lane = lane,
		.cost = is_quick ? cost_of(&w->shares, l, u) : 1 };
	sent->unit = *u;
	if (lane->load == 0)
		lane->ended_us = clock_us();
	lane->load += sent->cost;
	l->load += is_quick ? sent->cost : 0;
	l->n_sent++;
	return ERR_OK;
}

/* The first that waits in a line, which then is the last to have another turn. */
static struct waiting *
line_pop(struct worker *w, struct line *l)
{
	struct waiting *it = l->first;

	DL_DELETE(l->first, it);
	l->n_waiting--;
	DL_DELETE(w->shares.turns, l);
	if (l->first)
		DL_APPEND(w->shares.turns, l);
	return it;
}

static void
line_fail(struct worker *w, struct line *l, const struct waiting *it, enum err e)
{
	l->n_sent++;
	if (it->unit.done)
		it->unit.done(it->unit.r, &(struct pipe_reply){ .e = e });
	l->n_sent--;
	line_settle(&w->shares, l);
}

/* Sends the first that waits in a line. */
static void
line_turn(struct worker *w, struct line *l)
{
	struct waiting *it = line_pop(w, l);
	struct arena *own = it->a;
	enum err e = line_send(w, l, &it->unit);

	if (e != ERR_OK)
		line_fail(w, l, it, e);
	arena_free(own);
}

/* Is there any use in looking for one that fits? Where many wait, each of them would be asked. */
static bool
is_room(const struct shares *all)
{
	return all->quick.load < ROOM || (all->slow.pipe && all->slow.load < SLOW_ROOM);
}

/*
 * A connection is lost. Who waits to read by that of the slow is told, as all that wait for the
 * worker's are: by another they would wait for a server that hangs as long again.
 */
static void
slow_refuse(struct worker *w)
{
	struct waiting *it;
	struct arena *own;
	struct line *l;

	do {
		DL_FOREACH (w->shares.turns, l)
			if (reads_slowly(&w->shares, l, &l->first->unit))
				break;
		if (l) {
			it = line_pop(w, l);
			own = it->a;
			line_fail(w, l, it, ERR_OVERLOADED);
			arena_free(own);
		}
	} while (l);
}

static void share_next(struct worker *w);

static void
rest_over(struct loop_timer *t)
{
	share_next(container_of(t, struct worker, shares.rest));
}

/* Comes back when the first rest of those that wait is over. */
static void
wake_after_rest(struct worker *w)
{
	struct line *l;
	int64_t now, first = INT64_MAX;

	if (w->shares.rests_until_us == 0)
		return;
	now = clock_us();
	if (now >= w->shares.rests_until_us) {
		w->shares.rests_until_us = 0;
		return;
	}
	DL_FOREACH (w->shares.turns, l) {
		int64_t until = habit_of(&w->shares, l)->rests_until_us;

		if (until > now && until < first)
			first = until;
	}
	w->shares.rest.fire = rest_over;
	if (first < INT64_MAX)
		loop_arm(w->loop, &w->shares.rest, (first - now) / 1000 + 1);
}

/* Sends what waits and has room now. */
static void
share_next(struct worker *w)
{
	struct line *l = w->shares.turns;

	while (l && is_room(&w->shares)) {
		DL_FOREACH (w->shares.turns, l)
			if (fits(w, l, &l->first->unit))
				break;
		if (l)
			line_turn(w, l);
	}
	wake_after_rest(w);
}

/*
 * What a request takes of whoever is quick now and then: where the machine is busy, any may take as
 * long as one that is long always does.
 */
static int64_t
at_best_us(int64_t before, int64_t took_us)
{
	return before + (took_us - before) / (took_us < before ? 2 : 16);
}

/*
 * Remembers what a unit took, and for how long its caller's reading rests, which is for three times
 * that. A request that reads on by many short statements is a long one. Writers mostly wait for the
 * disk, and so take nothing from others.
 */
static void
habit_learn(struct worker *w, struct line *l, const struct unit *u, int64_t took_us, int64_t now_us)
{
	struct habit *h = habit_of(&w->shares, l);
	int64_t from, most;

	h->us = (3 * h->us + took_us) / 4;
	if (!u->reads)
		return;
	if (u->done)
		u->r->read_us += took_us;
	h->reads_us = at_best_us(h->reads_us, u->done ? u->r->read_us : took_us);
	if (h->reads_us < SLOW_US)
		return;
	if (!w->shares.slow.pipe && pipe_is_up(w->pipe))
		w->shares.slow.pipe = pipe_open(w->loop, "millrace_api", w->pool, NULL, NULL, NULL);
	took_us = took_us < RESTED_US ? took_us : RESTED_US;
	from = now_us - took_us - 4 * AT_ONCE_US;
	if (!others_are_here(w))
		return;
	from = (h->rests_until_us > from ? h->rests_until_us : from) + 4 * took_us;
	/* Many that were sent before they were known to be long are one rest's. */
	most = now_us + 3 * RESTED_US;
	h->rests_until_us = from < most ? from : most;
	if (h->rests_until_us > w->shares.rests_until_us)
		w->shares.rests_until_us = h->rests_until_us;
}

/* It takes no room any more. */
static void
sent_detach(struct sent *sent)
{
	struct lane *lane = sent->lane;
	int64_t now = clock_us();

	if (sent->has_left)
		return;
	sent->has_left = true;
	habit_learn(sent->worker, sent->line, &sent->unit, now - lane->ended_us, now);
	lane->ended_us = now;
	lane->load -= sent->cost;
	sent->line->load -= lane == &sent->worker->shares.quick ? sent->cost : 0;
}

static void
share_held(void *arg)
{
	struct sent *sent = arg;

	sent_detach(sent);
	share_next(sent->worker);
}

static void
share_done(void *arg, const struct pipe_reply *reply)
{
	struct sent *sent = arg;
	struct worker *w = sent->worker;
	struct lane *lane = sent->lane;
	struct pipe *pipe = lane == &w->shares.quick ? w->pipe : lane->pipe;
	struct line *l = sent->line;

	sent_detach(sent);
	if (sent->unit.done)
		sent->unit.done(sent->unit.r, reply);
	free(sent);
	if (reply->e == ERR_OVERLOADED && pipe && !pipe_is_up(pipe))
		slow_refuse(w);
	l->n_sent--;
	line_settle(&w->shares, l);
	share_next(w);
}

/* The last quarter of the connections is not for who has a quarter of them waiting. */
static bool
is_too_much(const struct worker *w, const struct line *l)
{
	return l->n_waiting >= w->connections_max / 4 &&
	       w->n_connections >= w->connections_max / 4 * 3;
}

static void
line_wait(struct worker *w, struct line *l, const struct unit *u)
{
	/* That of a reply in pieces would hold each piece's. */
	struct arena *own = u->done && !u->r->page ? NULL : arena_new();
	struct arena *a = own ? own : u->r->a;
	struct waiting *it = arena_alloc(a, sizeof(*it));

	it->a = own;
	it->unit = *u;
	it->unit.statements = arena_alloc(a, (size_t)u->n * sizeof(*u->statements));
	for (int i = 0; i < u->n; i++) {
		const struct pipe_statement *s = &u->statements[i];

		it->unit.statements[i] = *s;
		it->unit.statements[i].args = sql_args_copy(a, s->args, s->n_args);
	}
	if (!l->first)
		DL_APPEND(w->shares.turns, l);
	DL_APPEND(l->first, it);
	l->n_waiting++;
}

enum err
share_send(struct req *r, struct pipe_statement *statements, int n, pipe_done *done)
{
	struct worker *w = r->worker;
	struct line *l = line_of(&w->shares, r->subject);
	struct unit u = { r, statements, n, r->route && r->route->method == M_GET, done };
	enum err e = ERR_OK;

	if (w->shares.last != l->hh.hashv)
		w->shares.others_until_ms = loop_now(w->loop) + OTHERS_MS;
	w->shares.last = l->hh.hashv;
	if (!l->first && fits(w, l, &u)) {
		e = line_send(w, l, &u);
	} else if (is_too_much(w, l)) {
		e = refuse(r, ERR_RATE_LIMITED, "Too many of your requests are waiting.");
	} else {
		line_wait(w, l, &u);
		wake_after_rest(w);
	}
	line_settle(&w->shares, l);
	return e;
}

void
shares_close(struct shares *all)
{
	if (all->slow.pipe)
		pipe_close(all->slow.pipe);
	all->slow.pipe = NULL;
}
