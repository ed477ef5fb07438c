/*
 * lib/batch.c against a stand-in for PostgreSQL: writers share a flush, are answered after it, and
 * notify after it; one alone needs none, or wakes runners before it.
 */
#include "units.h"

static int64_t refused_ms; /* when the server did first refuse something */

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

/* One after the other; then two at once, and one more. */
static bool
sent_one_by_one(void)
{
	if (n_ups > 0 && n_done == n_sent && n_sent < 7) {
		bool is_last = n_sent == 6;

		if (!SEND(&plain) || (is_last && !SEND(&kept)))
			abort();
	}
	return is_notifying();
}

static void
send_first(void)
{
	n_expected = 8;
	(void)sent_one_by_one();
}

static void
stays_direct(void)
{
	begin(send_first);
	pipe_batch(pipe_under_test, true);
	CHECK("writers alone, one after the other, change what the connection's run under",
	    postgres_run(sent_one_by_one, 0, ALONE_MS) && in_order());
	CHECK("once, until one shares a flush",
	    strcmp(postgres.seen,
		"batch_begin batch_direct plain batch_direct plain batch_direct plain plain plain "
		"plain plain batch_shared kept batch_flush batch_notify ") == 0);
	for (int i = 0; i < n_done; i++)
		if (done[i].e != ERR_OK || strcmp(done[i].values, i < 7 ? "plain" : "kept") != 0)
			CHECK("each with its own results", false);
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
	writes_alone();
	wakes_before();
	notifies_directly();
	stays_direct();
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
