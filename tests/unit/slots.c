/* runner/queue/slots.c: who has a slot, who waits, and what ends a wait. */
#include <stdatomic.h>

#include <millrace/clock.h>

#include "runner/queue/slots.h"
#include "runner/thread.h"
#include "test.h"

static struct slots slots = SLOTS(2, 4);

/* Somebody who takes a slot and keeps it until told. */
struct worker {
	pthread_t thread;
	struct uuid owner;
	struct stop stop;
	atomic_int has; /* 0: waits, 1: holds one, -1: was stopped */
	atomic_bool give;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct slot mine;

	if (!slot_acquire(&mine, &slots, w->owner, &w->stop)) {
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

	pthread_mutex_lock(&slots.lock);
	for (struct slot *p = slots.waiting; p; p = p->next)
		n++;
	pthread_mutex_unlock(&slots.lock);
	return n;
}

/* Starts one and lets it come to its slot, or to its wait. */
static void
start(struct worker *w, const char *owner)
{
	int before = waiting();

	*w = (struct worker){ .give = false };
	snprintf(w->owner.text, sizeof(w->owner.text), "%s", owner);
	stop_init(&w->stop);
	(void)thread_start(&w->thread, work, w, true);
	while (atomic_load(&w->has) == 0 && waiting() == before)
		sleep_ms(1);
}

static void
finish(struct worker *w)
{
	atomic_store(&w->give, true);
	pthread_join(w->thread, NULL);
	stop_destroy(&w->stop);
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
	CHECK("nothing is left", slots.n_held == 0 && !slots.held && !slots.waiting);
	return test_end();
}
