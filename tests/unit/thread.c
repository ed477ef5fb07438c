/* runner/thread.c: threads that are lent, and their locale. */
#include <locale.h>
#include <stdatomic.h>

#include "runner/thread.h"
#include "test.h"

/* What the work has seen of the thread that it ran on. */
struct seen {
	pthread_t thread;
	locale_t copy; /* of its locale */
	atomic_bool is_done;
};

static void
look(void *arg)
{
	struct seen *s = arg;

	s->thread = pthread_self();
	s->copy = duplocale(uselocale((locale_t)0));
	atomic_store(&s->is_done, true);
}

static bool
lend(struct seen *s)
{
	atomic_store(&s->is_done, false);
	if (!thread_lend(look, s))
		return false;
	while (!atomic_load(&s->is_done))
		sleep_ms(1);
	return true;
}

int
main(void)
{
	struct seen first, again;
	bool is_same = false;

	CHECK("work is done on a thread of its own",
	    lend(&first) && !pthread_equal(first.thread, pthread_self()));
	CHECK("whose locale is the one that is copied without a lock",
	    first.copy == newlocale(LC_ALL_MASK, "C", (locale_t)0));
	/* A thread is idle a moment after its work has ended. */
	for (int tries = 0; tries < 100 && !is_same; tries++) {
		sleep_ms(1);
		is_same = lend(&again) && pthread_equal(again.thread, first.thread);
		first = again;
	}
	CHECK("and who comes next has that thread", is_same);
	return test_end();
}
