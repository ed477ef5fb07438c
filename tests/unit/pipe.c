/*
 * lib/pipe.c against a stand-in for PostgreSQL: units are answered in order, an error ends its own
 * unit alone, a lost or silent connection fails what is in flight and is made again with backoff.
 */
#include "units.h"

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
	postgres_end();
	arena_free(mem);
	return test_end();
}
