#include <millrace/clock.h>

#include "runner/queue/stop.h"
#include "runner/thread.h"

void
stop_init(struct stop *s)
{
	*s = (struct stop){ .why = STOP_NOT };
	pthread_mutex_init(&s->lock, NULL);
	thread_cond_init(&s->set);
}

void
stop_destroy(struct stop *s)
{
	pthread_cond_destroy(&s->set);
	pthread_mutex_destroy(&s->lock);
}

void
stop_set(struct stop *s, enum stop_why why)
{
	int not_yet = STOP_NOT;

	pthread_mutex_lock(&s->lock);
	if (why == STOP_LOST)
		atomic_store(&s->why, why);
	else
		atomic_compare_exchange_strong(&s->why, &not_yet, why);
	pthread_cond_broadcast(&s->set);
	if (s->wake)
		s->wake(s->wake_arg);
	pthread_mutex_unlock(&s->lock);
}

bool
stop_sleep(struct stop *s, int64_t ms)
{
	int64_t until = clock_ms() + ms;

	pthread_mutex_lock(&s->lock);
	while (stop_why(s) == STOP_NOT && thread_cond_wait_until(&s->set, &s->lock, until))
		;
	pthread_mutex_unlock(&s->lock);
	return stop_why(s) == STOP_NOT;
}

void
stop_on_set(struct stop *s, void (*fn)(void *), void *arg)
{
	pthread_mutex_lock(&s->lock);
	s->wake = fn;
	s->wake_arg = arg;
	pthread_mutex_unlock(&s->lock);
}
