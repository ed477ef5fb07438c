/*
 * runner/queue/periodic.c: what is due runs, what is woken runs at once, nobody starves, and
 * nothing polls.
 */
#include <stdatomic.h>

#include <millrace/clock.h>
#include <millrace/config.h>

#include "runner/queue/periodic.h"
#include "runner/thread.h"
#include "test.h"

static atomic_int n_often, n_woken, n_gap, n_long, n_apart, n_soon;
static atomic_int at_once, most_at_once;
static atomic_bool is_blocked = false, is_stopped = false;
static int64_t started_ms, first_often_ms;

static int64_t
often(struct db *db, struct arena *a, struct stop *stop)
{
	int now = atomic_fetch_add(&at_once, 1) + 1;

	(void)db, (void)stop;
	(void)arena_alloc(a, 1000);
	if (now > atomic_load(&most_at_once))
		atomic_store(&most_at_once, now);
	if (atomic_fetch_add(&n_often, 1) == 0)
		first_often_ms = clock_ms();
	atomic_fetch_sub(&at_once, 1);
	return 20;
}

static int64_t
woken(struct db *db, struct arena *a, struct stop *stop)
{
	(void)db, (void)a, (void)stop;
	atomic_fetch_add(&n_woken, 1);
	return PERIODIC_WHEN_WOKEN;
}

static int64_t
gap(struct db *db, struct arena *a, struct stop *stop)
{
	(void)db, (void)a, (void)stop;
	atomic_fetch_add(&n_gap, 1);
	return PERIODIC_AS_TABLED;
}

/* Blocks until it is stopped, while that is asked for. */
static int64_t
blocks(struct db *db, struct arena *a, struct stop *stop)
{
	(void)db, (void)a;
	atomic_fetch_add(&n_long, 1);
	while (atomic_load(&is_blocked) && stop_sleep(stop, 60000))
		;
	if (stop_why(stop) != STOP_NOT)
		atomic_store(&is_stopped, true);
	return PERIODIC_WHEN_WOKEN;
}

static int64_t
apart(struct db *db, struct arena *a, struct stop *stop)
{
	(void)db, (void)a, (void)stop;
	atomic_fetch_add(&n_apart, 1);
	return 20;
}

static int64_t
soon(struct db *db, struct arena *a, struct stop *stop)
{
	(void)db, (void)a, (void)stop;
	atomic_fetch_add(&n_soon, 1);
	return PERIODIC_AS_TABLED;
}

#define GAP_MS 300

static const struct periodic table[] = {
	{ "often", 60000, 0, 0, PERIODIC_SHORT, often },
	{ "woken", 60000, 0, 0, PERIODIC_SHORT, woken },
	{ "gap", 60000, GAP_MS, 0, PERIODIC_SHORT, gap },
	{ "soon", 60000, 0, 0, PERIODIC_SHORT, soon },
	{ "long 1", 60000, 0, 0, PERIODIC_LONG, blocks },
	{ "long 2", 60000, 0, 0, PERIODIC_LONG, blocks },
	{ "long 3", 60000, 0, 0, PERIODIC_LONG, blocks },
	{ "long 4", 60000, 0, 0, PERIODIC_LONG, blocks },
	{ "long 5", 60000, 0, 0, PERIODIC_LONG, blocks },
	{ "apart", 60000, 0, 0, PERIODIC_APART, apart },
	{ NULL, 0, 0, 0, 0, NULL },
};

static bool
reaches(atomic_int *n, int wanted, int64_t within_ms)
{
	int64_t until = clock_ms() + within_ms;

	while (atomic_load(n) < wanted && clock_ms() < until)
		sleep_ms(1);
	return atomic_load(n) >= wanted;
}

/* Five rows that block take what they may of the pool. */
static void
starving(void)
{
	int before;

	sleep_ms(50);
	before = atomic_load(&n_long);
	atomic_store(&is_blocked, true);
	for (int i = 1; i <= 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "long %d", i);
		periodic_wake(str_from(name));
	}
	CHECK("three that take long run at once", reaches(&n_long, before + 3, 20000));
	sleep_ms(50);
	CHECK("and no more", atomic_load(&n_long) == before + 3);
	before = atomic_load(&n_often);
	CHECK("short ones go on beside them", reaches(&n_often, before + 5, 20000));
	before = atomic_load(&n_apart);
	CHECK("so does what stands apart", reaches(&n_apart, before + 5, 20000));
}

static void
hurrying(void)
{
	int64_t start;
	int before = atomic_load(&n_woken);

	start = clock_ms();
	periodic_wake(S("woken"));
	CHECK("what is woken runs long before its time",
	    reaches(&n_woken, before + 1, 20000) && clock_ms() - start < 50000);
	start = clock_ms();
	before = atomic_load(&n_gap);
	for (int i = 0; i < 100; i++) {
		periodic_wake(S("gap"));
		sleep_ms(5);
	}
	CHECK("but not more often than its gap allows",
	    atomic_load(&n_gap) >= before + 1 &&
		atomic_load(&n_gap) <= before + 2 + (clock_ms() - start) / GAP_MS);
	before = atomic_load(&n_soon);
	start = clock_ms();
	periodic_within(S("soon"), 100);
	periodic_within(S("soon"), 50000);
	CHECK("the soonest wish counts",
	    reaches(&n_soon, before + 1, 20000) && clock_ms() - start >= 100);
	periodic_wake(S("nothing of that name"));
	before = atomic_load(&n_woken);
	periodic_wake_all();
	CHECK("all may be woken", reaches(&n_woken, before + 1, 20000));
}

int
main(void)
{
	setenv("MILLRACE_DB", "host=/nowhere dbname=none", 1);
	config_load(CONFIG_RUNNER);
	periodic_wake(S("often"));
	CHECK("nothing is to be woken before the start", atomic_load(&n_often) == 0);
	started_ms = clock_ms();
	periodic_start(table);
	CHECK("all run at the start", reaches(&n_often, 1, 20000) && reaches(&n_woken, 1, 20000) &&
					  reaches(&n_gap, 1, 20000) && reaches(&n_long, 5, 20000) &&
					  reaches(&n_apart, 1, 20000) &&
					  reaches(&n_soon, 1, 20000));
	CHECK("and again when they say", reaches(&n_often, 10, 20000));
	CHECK("not before", clock_ms() - first_often_ms >= 9 * 20);
	hurrying();
	starving();
	CHECK("a row never runs twice at once", atomic_load(&most_at_once) == 1);
	periodic_stop();
	CHECK("the end stops what takes long", atomic_load(&is_stopped));
	return test_end();
}
