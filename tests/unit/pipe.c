/*
 * lib/pipe.c against a stand-in for PostgreSQL: units are answered in order, an error ends its own
 * unit alone, a lost or silent connection fails what is in flight and is made again with backoff.
 */
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/pipe.h>

#include "postgres.h"

#define UNITS_MAX 512
#define ALONE_MS 3000 /* for what needs no time to pass */

static const struct query plain = { .name = "plain", .sql = "plain" };
static const struct query kept = { .name = "kept", .sql = "kept", .sql_keep = "kept keep" };
static const struct query refused = { .name = "refused", .sql = "refused" };
static const struct query fault = { .name = "fault", .sql = "fault" };
static const struct query slow = { .name = "slow", .sql = "slow" };
static const struct query silent = { .name = "silent", .sql = "silent" };
static const struct query reads = { .name = "reads", .sql = "reads", .reads = true };
static const struct query wakes = { .name = "wakes", .sql = "wakes", .wakes = true };
static const struct query uncommitted = { .name = "uncommitted", .sql = "uncommitted" };
static const struct query hangup = { .name = "hangup", .sql = "hangup" };

static struct arena *mem;
static struct pipe *pipe_under_test;
static int n_ups, n_notified;
static char notified[64];
static void (*when_up)(void);

/* What became of the units, in the order that it was told. */
static struct {
	int unit;
	enum err e;
	int failed;
	char text[64];
	char values[64]; /* the first column of each result; "-" where there is none */
} done[UNITS_MAX];
static int n_done, n_sent, n_expected;

static enum fate batch_fate = FATE_ROW; /* the flush's */
static enum fate notify_fate = FATE_ROW;
static int64_t refused_ms; /* when the server did first refuse something */

static enum fate
fate(const char *statement)
{
	static const struct {
		const struct query *query;
		enum fate fate;
	} fates[] = { { &refused, FATE_ERROR }, { &fault, FATE_FAULT }, { &slow, FATE_SLOW },
		{ &silent, FATE_SILENT }, { &hangup, FATE_HANGUP },
		{ &uncommitted, FATE_UNCOMMITTED } };

	if (strcmp(statement, "batch_flush") == 0)
		return batch_fate;
	if (strcmp(statement, "batch_notify") == 0)
		return notify_fate;
	for (size_t i = 0; i < sizeof(fates) / sizeof(*fates); i++)
		if (strcmp(statement, fates[i].query->name) == 0)
			return fates[i].fate;
	return FATE_ROW;
}

static void
on_done(void *arg, const struct pipe_reply *reply)
{
	size_t n = 0;

	done[n_done].unit = (int)(intptr_t)arg;
	done[n_done].e = reply->e;
	done[n_done].failed = reply->failed;
	snprintf(done[n_done].text, sizeof(done[0].text), "%.*s", S_ARG(reply->text));
	for (int i = 0; i < reply->n; i++)
		n += (size_t)snprintf(done[n_done].values + n, sizeof(done[0].values) - n, "%s%s",
		    i > 0 ? " " : "",
		    reply->res[i] && PQntuples(reply->res[i]) == 1 ? PQgetvalue(reply->res[i], 0, 0)
								   : "-");
	n_done++;
}

/* Sends a unit of these statements; false where it was refused. */
static bool
send_unit(const struct query *const *queries, int n, bool keep)
{
	struct pipe_statement statements[4];

	for (int i = 0; i < n; i++)
		statements[i] = (struct pipe_statement){ .query = queries[i], .keep = keep };
	if (pipe_send(pipe_under_test, mem, statements, n, on_done, (void *)(intptr_t)n_sent) !=
	    ERR_OK)
		return false;
	n_sent++;
	return true;
}

#define SEND(...)                                               \
	send_unit((const struct query *const[]){ __VA_ARGS__ }, \
	    (int)(sizeof((const struct query *const[]){ __VA_ARGS__ }) / sizeof(void *)), false)

static void
on_up(void *arg)
{
	(void)arg;
	n_ups++;
	if (when_up)
		when_up();
}

static void
on_notify(void *arg, struct str channel, struct str payload)
{
	(void)arg;
	n_notified++;
	snprintf(notified, sizeof(notified), "%.*s=%.*s", S_ARG(channel), S_ARG(payload));
}

static void
begin(void (*up)(void))
{
	postgres_open();
	postgres.fate = fate;
	when_up = up;
	n_ups = n_notified = n_done = n_sent = n_expected = 0;
	memset(done, 0, sizeof(done));
	if (!config()->db)
		config_load(CONFIG_NO_SECRETS);
	pipe_under_test = pipe_open(postgres.loop, "unit", "unit", on_notify, on_up, NULL);
}

static void
end(void)
{
	pipe_close(pipe_under_test);
	postgres_close();
}

static bool
all_done(void)
{
	return n_done >= n_expected && n_expected > 0;
}

static bool
in_order(void)
{
	for (int i = 0; i < n_done; i++)
		if (done[i].unit != i)
			return false;
	return n_done == n_expected;
}

static void
send_three(void)
{
	n_expected = 3;
	if (!SEND(&plain) || !SEND(&plain, &kept) || !SEND(&kept))
		abort();
}

static void
order(void)
{
	begin(send_three);
	CHECK("not connected: refused at once", !SEND(&plain) && !pipe_is_up(pipe_under_test));
	CHECK("units are answered", postgres_run(all_done, 0, ALONE_MS));
	CHECK("in the order that they were sent", in_order());
	CHECK("each with its results", strcmp(done[0].values, "plain") == 0 &&
					   strcmp(done[1].values, "plain kept") == 0 &&
					   strcmp(done[2].values, "kept") == 0);
	CHECK("a statement is prepared once", postgres.n_parses == 2);
	end();
}

static void
send_kept(void)
{
	static const struct query *const one[] = { &kept };

	n_expected = 2;
	if (!SEND(&kept) || !send_unit(one, 1, true))
		abort();
}

static void
keeping(void)
{
	begin(send_kept);
	(void)postgres_run(all_done, 0, ALONE_MS);
	CHECK("its keeping form is another statement",
	    in_order() && strcmp(postgres.seen, "kept kept keep ") == 0 && postgres.n_parses == 2);
	end();
}

static void
send_errors(void)
{
	n_expected = 4;
	if (!SEND(&plain) || !SEND(&plain, &refused, &kept) || !SEND(&kept) || !SEND(&fault))
		abort();
}

static void
errors(void)
{
	begin(send_errors);
	(void)postgres_run(all_done, 0, ALONE_MS);
	CHECK("an error in the middle: which statement, its err and its text",
	    in_order() && done[1].e == ERR_NOT_FOUND && done[1].failed == 1 &&
		strcmp(done[1].text, "No such thing.") == 0);
	CHECK(
	    "results before it are there, none after it", strcmp(done[1].values, "plain - -") == 0);
	CHECK("the server executes nothing after it",
	    strcmp(postgres.seen, "plain plain refused kept fault ") == 0);
	CHECK("units around it are not touched",
	    done[0].e == ERR_OK && done[2].e == ERR_OK && strcmp(done[2].values, "kept") == 0);
	CHECK("a fault of the server's has no text for the client",
	    done[3].e == ERR_INTERNAL && done[3].failed == 0 && done[3].text[0] == '\0');
	end();
}

static void
send_and_lose(void)
{
	if (n_ups > 1)
		return;
	n_expected = 4;
	if (!SEND(&plain) || !SEND(&plain, &hangup) || !SEND(&kept) || !SEND(&plain))
		abort();
}

static bool
is_up_again(void)
{
	return n_ups == 2;
}

static void
lost(void)
{
	begin(send_and_lose);
	CHECK("a lost connection is made again", postgres_run(is_up_again, 20, 10000));
	CHECK("what was answered stays so", n_done == 4 && done[0].e == ERR_OK);
	CHECK("all else in flight fails, in order", in_order() && done[1].e == ERR_OVERLOADED &&
							done[2].e == ERR_OVERLOADED &&
							done[3].e == ERR_OVERLOADED);
	CHECK("with no result of a half-done unit", done[3].values[0] == '-');
	CHECK("and nothing is in flight", pipe_in_flight(pipe_under_test) == 0);
	CHECK("statements are prepared anew", SEND(&plain) && pipe_in_flight(pipe_under_test) == 2);
	n_expected = 5;
	end();
	CHECK("closing fails what is in flight", n_done == 5 && done[4].e == ERR_OVERLOADED);
}

static bool
has_tried_often(void)
{
	return postgres.n_connects == 10;
}

static void
backoff(void)
{
	static const int64_t waits[] = { 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000 };
	bool good = true;

	begin(NULL);
	postgres.refuses = true;
	CHECK("a server that refuses is tried again", postgres_run(has_tried_often, 10, 60000));
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		int64_t waited = postgres.connect_ms[i + 1] - postgres.connect_ms[i];

		EACH(good, waited >= waits[i] - 10 && waited <= waits[i] + 100, "%zu: %lld ms", i,
		    (long long)waited);
	}
	CHECK("after 0.1 s, twice as long each time, 5 s at most", good);
	end();
}

static bool
has_tried_thrice(void)
{
	return postgres.n_connects == 3;
}

static void
mute(void)
{
	begin(NULL);
	postgres.mute = true;
	CHECK("a server that accepts and says nothing is tried again",
	    postgres_run(has_tried_thrice, 50, 60000));
	CHECK("it is given 10 s each time",
	    postgres.connect_ms[1] - postgres.connect_ms[0] >= 10000 &&
		postgres.connect_ms[2] - postgres.connect_ms[1] >= 10000);
	end();
}

static void
send_silent(void)
{
	if (n_ups > 1)
		return;
	n_expected = 2;
	if (!SEND(&silent) || !SEND(&plain))
		abort();
}

static void
gives_up(void)
{
	int64_t start = clock_ms();

	begin(send_silent);
	CHECK("a silent server is given up", postgres_run(is_up_again, 50, 60000));
	CHECK("some time after the statement limit",
	    clock_ms() - start >= 20000 && clock_ms() - start < 50000);
	CHECK("and its units fail",
	    in_order() && done[0].e == ERR_OVERLOADED && done[1].e == ERR_OVERLOADED);
	end();
}

static void
send_slow(void)
{
	n_expected = 4;
	postgres.slow_ms = 12000;
	for (int i = 0; i < 4; i++)
		if (!SEND(&slow))
			abort();
}

static void
waits(void)
{
	begin(send_slow);
	CHECK("a slow one is not: each answer counts as life", postgres_run(all_done, 50, 90000));
	CHECK("and its answers arrive", in_order() && done[3].e == ERR_OK && n_ups == 1);
	end();
}

static void
listen_once(void)
{
	pipe_listen(pipe_under_test, "things");
}

static bool
is_notified(void)
{
	if (strstr(postgres.listening, "LISTEN") && n_notified == 0)
		postgres_notify("things", "17");
	return n_notified > 0;
}

static void
notifications(void)
{
	begin(listen_once);
	CHECK("notifications come with channel and payload",
	    postgres_run(is_notified, 0, ALONE_MS) && strcmp(notified, "things=17") == 0);
	CHECK("after LISTEN", strcmp(postgres.listening, "LISTEN \"things\"") == 0);
	end();
}

static void
send_many(void)
{
	n_expected = 300;
	for (int i = 0; i < 300; i++)
		if (!SEND(&plain))
			abort();
	CHECK("many units in flight: busy", pipe_is_busy(pipe_under_test));
}

static void
busy(void)
{
	begin(send_many);
	(void)postgres_run(all_done, 0, ALONE_MS);
	CHECK("and not when they are answered", in_order() && !pipe_is_busy(pipe_under_test));
	end();
}

static void
begin_batches(void (*up)(void))
{
	begin(up);
	pipe_batch(pipe_under_test, false);
}

static void
send_one(void)
{
	n_expected = 1;
	if (!SEND(&plain, &kept))
		abort();
}

static bool
is_notifying(void)
{
	return all_done() && strstr(postgres.seen, "batch_notify");
}

static void
writes_alone(void)
{
	begin_batches(send_one);
	CHECK("a writer alone flushes by itself, and then notifies",
	    postgres_run(is_notifying, 0, ALONE_MS) &&
		strcmp(postgres.seen, "batch_begin batch_alone plain kept batch_notify ") == 0);
	CHECK("its results are its own statements'",
	    in_order() && done[0].e == ERR_OK && strcmp(done[0].values, "plain kept") == 0);
	end();
}

static void
send_waker(void)
{
	n_expected = 1;
	if (!SEND(&plain, &wakes))
		abort();
}

static void
wakes_before(void)
{
	static const char seen[] = "batch_begin batch_waker plain wakes batch_flush batch_notify ";

	begin_batches(send_waker);
	CHECK("a writer alone that makes a job wakes a runner first, and then flushes",
	    postgres_run(is_notifying, 0, ALONE_MS) && strcmp(postgres.seen, seen) == 0 &&
		done[0].e == ERR_OK && strcmp(done[0].values, "plain wakes") == 0);
	end();
	batch_fate = FATE_FAULT;
	begin_batches(send_waker);
	CHECK("and is stored for nobody where the flush fails",
	    postgres_run(all_done, 0, ALONE_MS) && done[0].e == ERR_OVERLOADED);
	end();
	batch_fate = FATE_ROW;
}

static void
send_three_kinds(void)
{
	n_expected = 3;
	if (!SEND(&plain) || !SEND(&kept) || !SEND(&reads))
		abort();
}

static void
notifies_directly(void)
{
	begin(send_one);
	pipe_batch(pipe_under_test, true);
	CHECK("a writer alone notifies with its commit where that is wanted",
	    postgres_run(all_done, 0, ALONE_MS) && done[0].e == ERR_OK &&
		strcmp(postgres.seen, "batch_begin batch_direct plain kept ") == 0);
	end();
	begin(send_three_kinds);
	pipe_batch(pipe_under_test, true);
	CHECK("one beside it does so after the flush",
	    postgres_run(is_notifying, 0, ALONE_MS) &&
		strcmp(postgres.seen,
		    "batch_begin batch_direct plain kept reads batch_flush batch_notify ") == 0);
	end();
}

static void
send_uncommitted(void)
{
	n_expected = 1;
	if (!SEND(&uncommitted))
		abort();
}

/* What the server did not commit is done again, and a second later once more. */
static bool
done_again(void)
{
	if (n_done == 1 && n_expected == 1) {
		n_expected = 2;
		if (!SEND(&plain))
			abort();
		refused_ms = clock_ms();
	}
	if (n_done == 2 && n_expected == 2 && clock_ms() > refused_ms + 1100) {
		n_expected = 3;
		if (!SEND(&kept))
			abort();
	}
	return n_done == 3;
}

static void
commit_refused(void)
{
	begin(send_uncommitted);
	pipe_batch(pipe_under_test, true);
	CHECK("where the server refuses that, it is to be done again",
	    postgres_run(done_again, 20, 10000) && in_order() && done[0].e == ERR_OVERLOADED &&
		done[1].e == ERR_OK && done[2].e == ERR_OK);
	CHECK("and notifies behind its commit for a second",
	    strcmp(postgres.seen,
		"batch_begin batch_direct uncommitted batch_alone plain batch_notify "
		"batch_direct kept ") == 0);
	end();
}

static void
send_batch(void)
{
	n_expected = 6;
	if (!SEND(&plain) || !SEND(&plain) || !SEND(&kept, &refused) || !SEND(&reads) ||
	    !SEND(&kept) || !SEND(&slow))
		abort();
}

static void
shares(void)
{
	static const int order_told[] = { 0, 2, 3, 1, 4, 5 };
	bool good = true;

	begin_batches(send_batch);
	CHECK("several writers of a turn share a flush", postgres_run(all_done, 0, ALONE_MS));
	CHECK("which is sent behind them",
	    strcmp(postgres.seen,
		"batch_begin batch_alone plain plain kept refused reads kept slow "
		"batch_flush batch_notify ") == 0);
	for (int i = 0; i < n_done; i++)
		EACH(good, done[i].unit == order_told[i], "%d: unit %d", i, done[i].unit);
	CHECK("what failed and what reads is answered before it, the others after", good);
	CHECK("each with its own", done[1].e == ERR_NOT_FOUND && done[1].failed == 1 &&
				       done[3].e == ERR_OK && strcmp(done[3].values, "plain") == 0);
	end();
}

static void
send_batches(void)
{
	n_expected = 1 + 2 * 32;
	for (int i = 0; i < n_expected; i++)
		if (!SEND(&plain))
			abort();
}

static void
shares_with_some(void)
{
	int flushes = 0;

	begin_batches(send_batches);
	CHECK("many writers of a turn", postgres_run(all_done, 0, ALONE_MS) && in_order());
	for (const char *s = postgres.seen; (s = strstr(s, "batch_flush batch_notify ")); s++)
		flushes++;
	CHECK("share a flush with 31 others at most", flushes == 2);
	end();
}

static void
lose_flush(void)
{
	if (n_ups > 1)
		return;
	batch_fate = FATE_HANGUP;
	n_expected = 3;
	if (!SEND(&plain) || !SEND(&plain) || !SEND(&kept))
		abort();
}

static bool
is_in_doubt(void)
{
	return strstr(postgres.seen, "batch_doubt");
}

static void
flush_lost(void)
{
	begin_batches(lose_flush);
	CHECK("a connection that is lost with a flush is made again, and somebody told",
	    postgres_run(is_in_doubt, 20, 10000));
	CHECK("what waited for it fails",
	    in_order() && done[0].e == ERR_OK && done[1].e == ERR_OVERLOADED &&
		done[2].e == ERR_OVERLOADED && done[2].values[0] == '-');
	end();
	batch_fate = FATE_ROW;
}

static void
fail_flush(void)
{
	batch_fate = FATE_FAULT;
	n_expected = 2;
	if (!SEND(&plain) || !SEND(&plain))
		abort();
}

static void
flush_failed(void)
{
	begin_batches(fail_flush);
	CHECK("a flush that fails: nobody is told that it is stored",
	    postgres_run(all_done, 0, ALONE_MS) && in_order() && done[1].e == ERR_OVERLOADED);
	end();
	batch_fate = FATE_ROW;
}

/* How often that was executed. */
static int
n_seen(const char *name)
{
	int n = 0;

	for (const char *at = postgres.seen; (at = strstr(at, name)); at++)
		n++;
	return n;
}

static int64_t told_ms, taken_ms;
static int n_refused;

/* More is written once the server has refused a notification; five refusals later it takes them. */
static bool
full_for_a_while(void)
{
	int n_doubts = n_seen("batch_doubt");

	if (n_doubts == 1 && n_expected == 1) {
		refused_ms = clock_ms();
		n_expected = 3;
		if (!SEND(&plain) || !SEND(&plain))
			abort();
	}
	if (told_ms == 0 && n_expected == 3 && all_done())
		told_ms = clock_ms();
	if (taken_ms == 0 && n_doubts >= 6) {
		taken_ms = clock_ms();
		n_refused = n_doubts;
		notify_fate = FATE_ROW;
	}
	return taken_ms > 0 && clock_ms() - taken_ms > 5000;
}

static void
notify_failed(void)
{
	notify_fate = FATE_FAULT;
	begin_batches(send_one);
	CHECK("notifications that the server refuses are given up for one that says: look again",
	    postgres_run(full_for_a_while, 20, 20000));
	CHECK("who writes meanwhile does not wait for that",
	    told_ms - refused_ms < 900 && in_order() && done[1].e == ERR_OK && done[2].e == ERR_OK);
	CHECK("which is tried once a second",
	    taken_ms - refused_ms > 2000 && taken_ms - refused_ms < 8000);
	CHECK("until it comes through",
	    n_seen("batch_doubt") == n_refused && n_seen("batch_notify") == n_refused + 1);
	CHECK("on the same connection", n_ups == 1);
	end();
}

int
main(void)
{
	mem = arena_new();
	log_open("unit", LOG_ERROR + 1);
	order();
	keeping();
	errors();
	lost();
	backoff();
	mute();
	gives_up();
	waits();
	notifications();
	busy();
	writes_alone();
	wakes_before();
	notifies_directly();
	commit_refused();
	shares();
	shares_with_some();
	flush_lost();
	flush_failed();
	notify_failed();
	postgres_end();
	arena_free(mem);
	return test_end();
}
