/*
 * fcgi/share.c: how much of the pipe a caller has, alone and beside others, and in which order what
 * waits goes in. The pipes are the test's.
 */
#include <millrace/clock.h>

#include "fcgi/share.h"
#include "fcgi/worker.h"
#include "test.h"

#define UNITS_MAX 512
#define MS 1000 /* microseconds */
#define SECOND (1000 * MS)

static struct worker worker;
static struct {
	pipe_done *done;
	pipe_held *held;
	void *arg;
	bool is_slow; /* in the pipe of the slow */
	char text[8]; /* the first statement's first argument */
} units[UNITS_MAX];
static int first, end; /* those in the pipe */
static bool is_down, slow_is_down;
static struct pipe *the_slow = (struct pipe *)&worker; /* only compared */

enum err
pipe_send_held(struct pipe *p, struct arena *scratch, const struct pipe_statement *statements,
    int n, pipe_held *held, pipe_done *done, void *arg)
{
	(void)scratch, (void)n;
	if (is_down)
		return ERR_OVERLOADED;
	units[end].done = done;
	units[end].held = held;
	units[end].arg = arg;
	units[end].is_slow = p == the_slow;
	snprintf(units[end++].text, sizeof(units->text), "%.*s", S_ARG(statements->args->s));
	return ERR_OK;
}

struct pipe *
pipe_open(struct loop *l, const char *role, const char *application,
    void (*notify)(void *arg, struct str channel, struct str payload), void (*up)(void *arg),
    void *arg)
{
	(void)l, (void)role, (void)application, (void)notify, (void)up, (void)arg;
	return the_slow;
}

bool
pipe_is_up(const struct pipe *p)
{
	return (p == the_slow ? !slow_is_down : p == worker.pipe) && !is_down;
}

void
pipe_close(struct pipe *p)
{
	(void)p;
}

enum err
refuse(struct req *r, enum err e, const char *text)
{
	r->error_text = str_from(text);
	return e;
}

/* The first unit of both pipes is replied to, after so much time of its own. */
static void
reply(enum err e, int64_t us)
{
	int i = first++;

	worker.shares.quick.ended_us = worker.shares.slow.ended_us = clock_us() - us;
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

/* No line is there but the idle one, which goes. */
static bool
nothing_is_left(void)
{
	shares_free(&worker.shares);
	return !worker.shares.lines;
}

/* Everything as at a worker's start. */
static void
begin(void)
{
	first = end = done_ok = done_failed = 0;
	loop_disarm(worker.loop, &worker.shares.rest);
	shares_free(&worker.shares);
	worker.shares = (struct shares){ .last = 0 };
}

static void
shares(void)
{
	struct req a = caller("a"), b = caller("b"), c = caller("c");
	bool good = true;

	CHECK("somebody is sent at once", send(&a, 1) == ERR_OK && held("a") == 1);
	worker.shares.others_until_ms = 0;
	CHECK("alone one has half of it", send(&a, 99) == ERR_OK && held("a") == 64);
	CHECK("another has an eighth at once", send(&b, 40) == ERR_OK && held("b") == 16);
	for (int i = 0; i < 16; i++)
		reply(ERR_OK, 0);
	CHECK("and all that gets free is others'", held("a") == 48 && held("b") == 16);
	for (int i = 0; i < 32; i++)
		reply(ERR_OK, 0);
	CHECK("the first has no more than an eighth then", held("a") == 16 && held("b") == 16);
	CHECK("a third has its own", send(&c, 3) == ERR_OK && held("c") == 3);
	while (first < end && done_ok < 143) {
		reply(ERR_OK, 0);
		EACH(good, held("a") <= 16 && held("b") <= 16, "%d of %d", held("a"), held("b"));
	}
	CHECK("nobody ever more", good);
	CHECK("all were done, with their own arguments",
	    done_ok == 143 && done_failed == 0 && first == end && nothing_is_left());
	arena_free(a.a), arena_free(b.a), arena_free(c.a);
}

/* As if so much time had passed. */
static void
later(int64_t us)
{
	for (int i = 0; i < SHARES_REMEMBERED; i++)
		worker.shares.habits[i].rests_until_us -= us;
	if (worker.shares.rest.fire)
		worker.shares.rest.fire(&worker.shares.rest);
}

/* What has committed and waits for a flush leaves its room to the next. */
static void
waits_for_disk(void)
{
	struct req a = caller("a");

	(void)!send(&a, 1);
	worker.shares.others_until_ms = 0;
	(void)!send(&a, 69);
	CHECK("it has what one may have", held("a") == 64);
	for (int i = 0; i < 4; i++) {
		worker.shares.quick.ended_us = clock_us(); /* as if it had taken no time */
		units[i].held(units[i].arg);
	}
	CHECK("those that are held make room", held("a") == 68 && done_ok == 0);
	reply(ERR_OK, 0);
	CHECK("and none once more when they are done", held("a") == 67 && done_ok == 1);
	while (first < end)
		reply(ERR_OK, 0);
	CHECK("all were done", done_ok == 70 && nothing_is_left());
	arena_free(a.a);
}

/* Long statements count for more: one at a time, where others are here. */
static void
weights(void)
{
	struct route get = { .method = M_GET };
	struct req a = caller("a"), b = caller("b"), reads = caller("r");

	reads.route = &get;
	(void)!send(&reads, 1);
	reply(ERR_OK, 600);
	(void)!send(&reads, 12);
	CHECK("some", held("r") == 4);
	while (first < end)
		reply(ERR_OK, 0);
	begin();
	(void)!send(&a, 1);
	reply(ERR_OK, 3000);
	(void)!send(&a, 12);
	CHECK("more of those that write", held("a") == 4);
	reply(ERR_OK, 20000);
	for (int i = 0; i < 3; i++)
		reply(ERR_OK, 0);
	later(SECOND);
	CHECK("one at least", held("a") == 1);
	(void)!send(&b, 5);
	CHECK("beside it others have theirs", held("b") == 5);
	for (int i = 0; i < 100 && done_ok < 18; i++) {
		while (first < end)
			reply(ERR_OK, 0);
		later(SECOND);
	}
	CHECK("in the end all", done_ok == 18 && nothing_is_left());
	arena_free(a.a), arena_free(b.a), arena_free(reads.a);
}

/*
 * Who has read for long rests for three times as long, while others are here, and for three
 * quarters of a second at most; who writes does not.
 */
static void
rests(void)
{
	struct route get = { .method = M_GET }, post = { .method = M_POST };
	struct req a = caller("a"), writes = caller("a"), b = caller("b");

	a.route = b.route = &get;
	writes.route = &post;
	(void)!send(&a, 1);
	reply(ERR_OK, 5 * MS);
	CHECK("not for a little", send(&a, 1) == ERR_OK && held("a") == 1);
	reply(ERR_OK, 20 * SECOND);
	CHECK("it waits", send(&a, 2) == ERR_OK && held("a") == 0);
	CHECK("others do not", send(&b, 1) == ERR_OK && held("b") == 1);
	later(300 * MS);
	CHECK("for longer than that", held("a") == 0);
	later(700 * MS);
	CHECK("and then has its turn", held("a") == 1);
	worker.shares.others_until_ms = 0;
	reply(ERR_OK, 0);
	reply(ERR_OK, 20 * SECOND);
	CHECK("alone it does not rest", held("a") == 1);
	reply(ERR_OK, 20 * SECOND);
	(void)!send(&writes, 1);
	reply(ERR_OK, 20 * SECOND);
	CHECK("nor what writes", send(&writes, 1) == ERR_OK && held("a") == 1);
	reply(ERR_OK, 0);
	CHECK("all were done", done_ok == 7 && nothing_is_left());
	arena_free(a.a), arena_free(b.a), arena_free(writes.a);
}

/* However many long ones were in the pipe already, the rest behind them is no longer. */
static void
rests_once(void)
{
	struct route get = { .method = M_GET };
	struct req a = caller("a"), b = caller("b");

	a.route = b.route = &get;
	(void)!send(&a, 1);
	worker.shares.others_until_ms = 0;
	(void)!send(&a, 39);
	(void)!send(&b, 1);
	CHECK("all were sent before they were slow", held("a") == 40);
	for (int i = 0; i < 40; i++)
		reply(ERR_OK, SECOND);
	(void)!send(&a, 1);
	CHECK("it rests", held("a") == 0);
	later(SECOND);
	CHECK("but once", held("a") == 1);
	while (first < end)
		reply(ERR_OK, 0);
	CHECK("all were done", done_ok == 42 && nothing_is_left());
	arena_free(a.a), arena_free(b.a);
}

/* What is slow and only reads has a pipe of its own. */
static void
slow(void)
{
	struct route get = { .method = M_GET }, post = { .method = M_POST };
	struct req a = caller("a"), writes = caller("a"), b = caller("b");

	a.route = b.route = &get;
	writes.route = &post;
	(void)!send(&a, 1);
	CHECK("nobody is slow at first", !units[0].is_slow);
	reply(ERR_OK, 20 * MS);
	(void)!send(&a, 3);
	CHECK("then one at a time is there", held("a") == 1 && units[1].is_slow);
	(void)!send(&b, 64);
	CHECK("the pipe is all others'", held("b") == 16 && !units[end - 1].is_slow);
	worker.shares.others_until_ms = 0;
	reply(ERR_OK, 20 * MS);
	CHECK("alone two, so that the database is never without", held("a") == 2);
	while (first < end)
		reply(ERR_OK, 20 * MS);
	(void)!send(&writes, 1);
	worker.shares.others_until_ms = 0;
	CHECK("writes keep to the one pipe", held("a") == 1 && !units[end - 1].is_slow);
	reply(ERR_OK, 20 * MS);
	(void)!send(&a, 5);
	slow_is_down = true;
	reply(ERR_OVERLOADED, 20 * MS);
	reply(ERR_OVERLOADED, 20 * MS);
	CHECK("with the other those go who wait for it", held("a") == 0 && done_failed == 5);
	slow_is_down = false;
	worker.shares.slow.pipe = NULL;
	(void)!send(&a, 1);
	CHECK("and so does all without the other", held("a") == 1 && !units[end - 1].is_slow);
	reply(ERR_OK, 0);
	CHECK("all were done", done_ok == 70 && nothing_is_left());
	arena_free(a.a), arena_free(b.a), arena_free(writes.a);
}

/* A request of many short statements is a long one; one that takes long now and then is not. */
static void
reads_on(void)
{
	struct route get = { .method = M_GET };
	struct req a = caller("a"), b = caller("b"), more = caller("b");

	a.route = b.route = more.route = &get;
	for (int i = 0; i < 8; i++) {
		more.read_us = 0;
		(void)!send(&more, 1);
		reply(ERR_OK, i % 4 == 0 ? 2 * MS : 100);
	}
	(void)!send(&more, 1);
	CHECK("who is quick at best is not slow", !units[end - 1].is_slow);
	reply(ERR_OK, 100);
	for (int i = 0; i < 60; i++) {
		(void)!send(&a, 1);
		reply(ERR_OK, 200);
	}
	CHECK("who reads on and on is", units[end - 1].is_slow);
	(void)!send(&b, 1);
	CHECK("others are not", !units[end - 1].is_slow);
	reply(ERR_OK, 0);
	CHECK("all were done", done_ok == 70 && nothing_is_left());
	arena_free(a.a), arena_free(b.a), arena_free(more.a);
}

/* Who has waited for the disk does not read beside those who are slow. */
static void
writers(void)
{
	struct route get = { .method = M_GET }, post = { .method = M_POST };
	struct req a = caller("a"), b = caller("b"), writes = caller("b");

	a.route = b.route = &get;
	writes.route = &post;
	(void)!send(&a, 1);
	reply(ERR_OK, 20 * MS);
	(void)!send(&a, 1);
	(void)!send(&writes, 1);
	CHECK("both are in", held("a") == 1 && held("b") == 1);
	first++;
	reply(ERR_OK, 20 * MS);
	(void)!send(&b, 1);
	CHECK("what it reads waits for nobody", held("b") == 1 && !units[end - 1].is_slow);
	reply(ERR_OK, 0);
	first = 1;
	end = 2;
	reply(ERR_OK, 0);
	CHECK("all were done", done_ok == 4 && nothing_is_left());
	arena_free(a.a), arena_free(b.a), arena_free(writes.a);
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
	    done_failed == 20 && done_ok == 0 && nothing_is_left() && !worker.shares.turns);
	CHECK("and what comes then", send(&b, 1) == ERR_OVERLOADED && nothing_is_left());
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
	waits_for_disk();
	begin();
	weights();
	begin();
	rests();
	begin();
	rests_once();
	begin();
	slow();
	begin();
	reads_on();
	begin();
	writers();
	begin();
	refusals();
	begin();
	arena_free(worker.scratch);
	loop_free(worker.loop);
	return test_end();
}
