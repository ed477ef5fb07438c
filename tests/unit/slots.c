/* runner/queue/slots.c: who has a slot, who waits, and what ends a wait. */
#include <stdatomic.h>

#include <millrace/clock.h>

#include "runner/queue/slots.h"
#include "runner/thread.h"
#include "test.h"

static struct slots slots = SLOTS(2, 4, 0), rested = SLOTS(2, 4, 2), *the_slots = &slots;

#define LONG_MS (clock_ms() + 3600000)

/* Somebody who takes a slot and keeps it until told. */
struct worker {
	pthread_t thread;
	struct uuid owner;
	bool is_short;
	struct stop stop;
	atomic_int has; /* 0: waits, 1: holds one, -1: was stopped */
	atomic_bool give;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct slot mine = { .of = the_slots, .owner = w->owner, .is_short = w->is_short };

	if (!slot_acquire(&mine, &w->stop)) {
		atomic_store(&w->has, -1);
		return NULL;
	}
	atomic_store(&w->has, 1);
	while (!atomic_load(&w->give))
		sleep_ms(1);
	slot_release(&mine);
	return NULL;
}

/* Until it is so; false after ten seconds. */
static bool
becomes(struct worker *w, int has)
{
	for (int64_t end = clock_ms() + 10000; atomic_load(&w->has) != has; sleep_ms(1))
		if (clock_ms() > end)
			return false;
	return true;
}

static int
waiting(void)
{
	int n = 0;

	pthread_mutex_lock(&the_slots->lock);
	for (struct slot *p = the_slots->waiting; p; p = p->next)
		n++;
	pthread_mutex_unlock(&the_slots->lock);
	return n;
}

/* Starts one and lets it come to its slot, or to its wait. */
static void
start_short(struct worker *w, const char *owner, bool is_short)
{
	int before = waiting();

	*w = (struct worker){ .is_short = is_short };
	snprintf(w->owner.text, sizeof(w->owner.text), "%s", owner);
	stop_init(&w->stop);
	(void)thread_start(&w->thread, work, w, true);
	while (atomic_load(&w->has) == 0 && waiting() == before)
		sleep_ms(1);
}

static void
start(struct worker *w, const char *owner)
{
	start_short(w, owner, false);
}

static void
finish(struct worker *w)
{
	atomic_store(&w->give, true);
	pthread_join(w->thread, NULL);
	stop_destroy(&w->stop);
}

/* Everybody's rest, as a test wants it. */
static void
set_rests(int64_t until_ms)
{
	pthread_mutex_lock(&rested.lock);
	for (int i = 0; i < SLOTS_REMEMBERED; i++)
		rested.rests_until_ms[i] = until_ms;
	pthread_mutex_unlock(&rested.lock);
}

static int64_t
longest_rest(void)
{
	int64_t until = 0;

	for (int i = 0; i < SLOTS_REMEMBERED; i++)
		if (rested.rests_until_ms[i] > until)
			until = rested.rests_until_ms[i];
	return until;
}

static void
rests(void)
{
	struct worker a[3];
	int64_t before;

	the_slots = &rested;
	rested.others_until_ms = LONG_MS;
	start(&a[0], "a");
	sleep_ms(20);
	before = clock_ms();
	finish(&a[0]);
	CHECK("who had one rests for twice as long", longest_rest() >= before + 40);
	set_rests(LONG_MS);
	start(&a[0], "a");
	CHECK("and waits meanwhile", a[0].has == 0);
	start_short(&a[1], "a", true);
	CHECK("but for what is short", a[1].has == 1);
	set_rests(0);
	finish(&a[1]);
	CHECK("a rest ends", becomes(&a[0], 1));
	finish(&a[0]);
	set_rests(clock_ms() + 50);
	start(&a[0], "a");
	CHECK("by itself, too", becomes(&a[0], 1));
	finish(&a[0]);
	set_rests(LONG_MS);
	rested.others_until_ms = 0;
	start(&a[0], "a");
	CHECK("there is none without others", a[0].has == 1);
	finish(&a[0]);
	the_slots = &slots;
}

int
main(void)
{
	struct worker a[5], b[2], c, d;

	for (int i = 0; i < 5; i++)
		start(&a[i], "a");
	CHECK("one user has what is open to all", a[0].has == 1 && a[1].has == 1 && waiting() == 3);
	start(&b[0], "b");
	start(&c, "c");
	CHECK("others do not wait for that", b[0].has == 1 && c.has == 1);
	start(&b[1], "b");
	start(&d, "d");
	CHECK("beyond the last one all wait", waiting() == 5);
	finish(&c);
	CHECK("who has none is next, though others came first", becomes(&d, 1));
	finish(&d);
	finish(&a[0]);
	CHECK("a slot beyond those open to all is for nobody else", waiting() == 4);
	finish(&a[1]);
	CHECK("then who has fewest", becomes(&a[2], 1) && b[1].has == 0 && waiting() == 3);
	stop_set(&a[3].stop, STOP_CANCELLED);
	CHECK("a stop ends a wait", becomes(&a[3], -1));
	finish(&a[3]);
	finish(&b[0]);
	CHECK("also where another came first", becomes(&b[1], 1) && a[4].has == 0);
	finish(&b[1]);
	CHECK("a second one is nobody's while others were here a moment ago", a[4].has == 0);
	finish(&a[2]);
	CHECK("a first one is", becomes(&a[4], 1));
	start(&a[0], "a");
	start(&a[1], "a");
	CHECK("and still no second", a[0].has == 0 && a[1].has == 0);
	CHECK("it is, once they have been gone for a while", becomes(&a[0], 1) && a[1].has == 0);
	finish(&a[4]);
	CHECK("and no third", becomes(&a[1], 1));
	finish(&a[0]);
	finish(&a[1]);
	start(&a[0], "a");
	for (int i = 1; i < 4; i++)
		start_short(&a[i], "b", true);
	CHECK("beside others two that are short", a[0].has == 1 && a[1].has == 1 && a[2].has == 1);
	start(&b[0], "a");
	CHECK("not three, nor two that are long", a[3].has == 0 && b[0].has == 0);
	start(&c, "c");
	CHECK("there is one left for who has none", c.has == 1);
	finish(&a[1]);
	CHECK("then the third", becomes(&a[3], 1) && b[0].has == 0);
	finish(&a[0]);
	CHECK("and the other long one", becomes(&b[0], 1));
	finish(&a[2]);
	finish(&a[3]);
	finish(&b[0]);
	finish(&c);
	CHECK("nothing is left", slots.n_held == 0 && !slots.held && !slots.waiting);
	rests();
	return test_end();
}
