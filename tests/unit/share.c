/*
 * fcgi/share.c: how much of the pipe a caller has, alone and beside others, and in which order what
 * waits goes in. The pipe is the test's.
 */
#include <millrace/clock.h>

#include "fcgi/share.h"
#include "fcgi/worker.h"
#include "test.h"

#define UNITS_MAX 512

static struct worker worker;
static struct {
	pipe_done *done;
	void *arg;
	char text[8]; /* the first statement's first argument */
} units[UNITS_MAX];
static int first, end; /* those in the pipe */
static bool is_down;

enum err
pipe_send(struct pipe *p, struct arena *scratch, const struct pipe_statement *statements, int n,
    pipe_done *done, void *arg)
{
	(void)p, (void)scratch, (void)n;
	if (is_down)
		return ERR_OVERLOADED;
	units[end].done = done;
	units[end].arg = arg;
	snprintf(units[end++].text, sizeof(units->text), "%.*s", S_ARG(statements->args->s));
	return ERR_OK;
}

enum err
refuse(struct req *r, enum err e, const char *text)
{
	r->error_text = str_from(text);
	return e;
}

/* The pipe's first unit is replied to, after so much time of its own. */
static void
reply(enum err e, int64_t us)
{
	int i = first++;

	worker.shares.ended_us = clock_us() - us;
	units[i].done(units[i].arg, &(struct pipe_reply){ .e = e });
}

static int done_ok, done_failed;

static void
count_done(void *arg, const struct pipe_reply *got)
{
	(void)arg;
	if (got->e == ERR_OK)
		done_ok++;
	else
		done_failed++;
}

/* Sends `n` units of a caller's, each with `who` as an argument that is overwritten afterwards. */
static enum err
send(struct req *r, int n)
{
	enum err e = ERR_OK;

	for (int i = 0; i < n && e == ERR_OK; i++) {
		char text[8];
		struct sql_arg arg = { .type = SQL_TEXT, .s = { text, r->subject.n } };
		struct pipe_statement s = { .args = &arg, .n_args = 1 };

		memcpy(text, r->subject.p, r->subject.n);
		e = share_send(r, &s, 1, count_done);
		memset(text, '?', sizeof(text));
		arg.s.n = 0;
	}
	return e;
}

static struct req
caller(const char *who)
{
	return (struct req){ .worker = &worker, .a = arena_new(), .subject = str_from(who) };
}

/* How many of the pipe's units are of this caller. */
static int
held(const char *who)
{
	int n = 0;

	for (int i = first; i < end; i++)
		n += strcmp(units[i].text, who) == 0;
	return n;
}

/* Everything as at a worker's start. */
static void
begin(void)
{
	first = end = done_ok = done_failed = 0;
	worker.shares = (struct shares){ .load = 0 };
}

static void
shares(void)
{
	struct req a = caller("a"), b = caller("b"), c = caller("c");
	bool good = true;

	CHECK("somebody is sent at once", send(&a, 1) == ERR_OK && held("a") == 1);
	worker.shares.others_until_ms = 0;
	CHECK("alone one has all of it", send(&a, 99) == ERR_OK && held("a") == 64);
	CHECK("another waits while it is full", send(&b, 40) == ERR_OK && held("b") == 0);
	for (int i = 0; i < 16; i++)
		reply(ERR_OK, 0);
	CHECK("and has all that gets free, up to a quarter", held("a") == 48 && held("b") == 16);
	for (int i = 0; i < 32; i++)
		reply(ERR_OK, 0);
	CHECK("the first has no more than a quarter then", held("a") == 16 && held("b") == 16);
	CHECK("a third has its own", send(&c, 3) == ERR_OK && held("c") == 3);
	while (first < end && done_ok < 143) {
		reply(ERR_OK, 0);
		EACH(good, held("a") <= 16 && held("b") <= 16, "%d of %d", held("a"), held("b"));
	}
	CHECK("nobody ever more", good);
	CHECK("all were done, with their own arguments",
	    done_ok == 143 && done_failed == 0 && first == end && !worker.shares.lines);
	arena_free(a.a), arena_free(b.a), arena_free(c.a);
}

/* Long statements count for more: one at a time, where others are here. */
static void
weights(void)
{
	struct req a = caller("a"), b = caller("b");

	(void)!send(&a, 1);
	reply(ERR_OK, 20000);
	(void)!send(&a, 12);
	CHECK("one at least", held("a") == 1);
	(void)!send(&b, 5);
	CHECK("beside it others have theirs", held("b") == 5);
	while (first < end)
		reply(ERR_OK, 0);
	CHECK("in the end all", done_ok == 18 && !worker.shares.lines);
	arena_free(a.a), arena_free(b.a);
}

static void
refusals(void)
{
	struct req a = caller("a"), b = caller("b");

	worker.connections_max = worker.n_connections = 8;
	CHECK("a quarter of the connections may wait", send(&a, 18) == ERR_OK && held("a") == 16);
	CHECK("more is refused where few are left",
	    send(&a, 1) == ERR_RATE_LIMITED && a.error_text.n > 0);
	CHECK("others are taken", send(&b, 1) == ERR_OK && held("b") == 1);
	worker.n_connections = 5;
	{
		struct req gone = caller("a");
		struct sql_arg arg = { .type = SQL_TEXT, .s = gone.subject };
		struct pipe_statement s = { .args = &arg, .n_args = 1 };

		CHECK("without a second half the request may end first",
		    share_send(&gone, &s, 1, NULL) == ERR_OK);
		arena_free(gone.a);
		memset(&gone, 0, sizeof(gone));
	}
	CHECK("and where there are others left, too", send(&a, 1) == ERR_OK);
	is_down = true;
	while (first < end)
		reply(ERR_OVERLOADED, 0);
	CHECK("a lost connection fails what waits, too",
	    done_failed == 20 && done_ok == 0 && !worker.shares.lines && !worker.shares.turns);
	CHECK("and what comes then", send(&b, 1) == ERR_OVERLOADED && !worker.shares.lines);
	is_down = false;
	arena_free(a.a), arena_free(b.a);
}

int
main(void)
{
	worker.loop = loop_new();
	worker.scratch = arena_new();
	worker.connections_max = 1000;
	shares();
	begin();
	weights();
	begin();
	refusals();
	arena_free(worker.scratch);
	loop_free(worker.loop);
	return test_end();
}
