#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include <millrace/clock.h>

#include "fcgi/share.h"
#include "fcgi/worker.h"

#define ROOM 64
#define SHARE (ROOM / 4)
#define COST_US 250 /* what counts for one */
#define OTHERS_MS 1000 /* somebody who came within that time is here */

struct waiting {
	struct waiting *prev, *next;
	struct arena *a; /* holds this and what it points to, but the request */
	struct req *r; /* may have ended, where there is no `done` */
	struct pipe_statement *statements;
	int n;
	pipe_done *done;
};

/* A caller's. It lasts while something of the caller's is in the pipe or waits. */
struct line {
	UT_hash_handle hh;
	struct line *prev, *next; /* in `turns` */
	struct waiting *first;
	size_t n_waiting;
	int n_sent; /* units whose `done` has not returned */
	int load; /* what is in the pipe of them */
	char subject[];
};

/* A unit in the pipe. */
struct sent {
	struct worker *worker;
	struct req *r; /* as above */
	struct line *line;
	int cost;
	pipe_done *done;
};

static void share_done(void *arg, const struct pipe_reply *reply);

static struct line *
line_of(struct shares *all, struct str subject)
{
	struct line *l;

	HASH_FIND(hh, all->lines, subject.p, subject.n, l);
	if (l)
		return l;
	l = xmalloc(sizeof(*l) + subject.n);
	*l = (struct line){ .first = NULL };
	memcpy(l->subject, subject.p, subject.n);
	HASH_ADD_KEYPTR(hh, all->lines, l->subject, subject.n, l);
	return l;
}

static void
line_settle(struct shares *all, struct line *l)
{
	if (l->n_sent > 0 || l->first)
		return;
	HASH_DEL(all->lines, l);
	free(l);
}

/* What a line's units take, of late. */
static int64_t *
us_of(struct shares *all, const struct line *l)
{
	return &all->us[l->hh.hashv % SHARES_REMEMBERED];
}

static int
cost_of(struct shares *all, const struct line *l)
{
	int64_t cost = 1 + *us_of(all, l) / COST_US;

	return cost < SHARE ? (int)cost : SHARE;
}

/* May one more of this line go into the pipe? One that has nothing in it waits for room alone. */
static bool
fits(struct worker *w, const struct line *l)
{
	struct shares *all = &w->shares;
	int most = loop_now(w->loop) < all->others_until_ms ? SHARE : ROOM;

	if (all->load >= ROOM)
		return false;
	return l->load == 0 || l->load + cost_of(all, l) <= most;
}

static enum err
line_send(struct worker *w, struct line *l, struct req *r, const struct pipe_statement *s, int n,
    pipe_done *done)
{
	struct sent *sent = xmalloc(sizeof(*sent));
	enum err e = pipe_send(w->pipe, w->scratch, s, n, share_done, sent);

	arena_reset(w->scratch);
	if (e != ERR_OK) {
		free(sent);
		return e;
	}
	*sent = (struct sent){
		.worker = w, .r = r, .line = l, .cost = cost_of(&w->shares, l), .done = done
	};
	if (w->shares.load == 0)
		w->shares.ended_us = clock_us();
	w->shares.load += sent->cost;
	l->load += sent->cost;
	l->n_sent++;
	return ERR_OK;
}

/* Sends the first that waits in a line, which then is the last to have another turn. */
static void
line_turn(struct worker *w, struct line *l)
{
	struct waiting *it = l->first;
	enum err e;

	DL_DELETE(l->first, it);
	l->n_waiting--;
	DL_DELETE(w->shares.turns, l);
	if (l->first)
		DL_APPEND(w->shares.turns, l);
	e = line_send(w, l, it->r, it->statements, it->n, it->done);
	if (e != ERR_OK) {
		l->n_sent++;
		if (it->done)
			it->done(it->r, &(struct pipe_reply){ .e = e });
		l->n_sent--;
		line_settle(&w->shares, l);
	}
	arena_free(it->a);
}

/* Sends what waits and has room now. */
static void
share_next(struct worker *w)
{
	struct line *l;

	do {
		DL_FOREACH (w->shares.turns, l)
			if (fits(w, l))
				break;
		if (l)
			line_turn(w, l);
	} while (l);
}

static void
share_done(void *arg, const struct pipe_reply *reply)
{
	struct sent *sent = arg;
	struct worker *w = sent->worker;
	struct line *l = sent->line;
	int64_t now = clock_us(), *us = us_of(&w->shares, l);

	*us = (3 * *us + now - w->shares.ended_us) / 4;
	w->shares.ended_us = now;
	w->shares.load -= sent->cost;
	l->load -= sent->cost;
	if (sent->done)
		sent->done(sent->r, reply);
	free(sent);
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
line_wait(struct line *l, struct req *r, const struct pipe_statement *s, int n, pipe_done *done)
{
	struct arena *a = arena_new();
	struct waiting *it = arena_alloc(a, sizeof(*it));

	it->a = a;
	it->r = r;
	it->n = n;
	it->done = done;
	it->statements = arena_alloc(a, (size_t)n * sizeof(*s));
	for (int i = 0; i < n; i++) {
		it->statements[i] = s[i];
		it->statements[i].args = sql_args_copy(a, s[i].args, s[i].n_args);
	}
	if (!l->first)
		DL_APPEND(r->worker->shares.turns, l);
	DL_APPEND(l->first, it);
	l->n_waiting++;
}

enum err
share_send(struct req *r, const struct pipe_statement *statements, int n, pipe_done *done)
{
	struct worker *w = r->worker;
	struct line *l = line_of(&w->shares, r->subject);
	enum err e = ERR_OK;

	if (w->shares.last != l->hh.hashv)
		w->shares.others_until_ms = loop_now(w->loop) + OTHERS_MS;
	w->shares.last = l->hh.hashv;
	if (!l->first && fits(w, l))
		e = line_send(w, l, r, statements, n, done);
	else if (is_too_much(w, l))
		e = refuse(r, ERR_RATE_LIMITED, "Too many of your requests are waiting.");
	else
		line_wait(l, r, statements, n, done);
	line_settle(&w->shares, l);
	return e;
}
