#include <string.h>

#include <utlist.h>

#include "runner/queue/slots.h"

static int
held_by(const struct slots *of, const struct uuid *owner)
{
	const struct slot *p;
	int n = 0;

	DL_FOREACH (of->held, p)
		n += strcmp(p->owner.text, owner->text) == 0;
	return n;
}

static struct slot *
next_of(const struct slots *of)
{
	struct slot *best = NULL, *p;
	int fewest = 0;

	if (of->n_held >= of->most)
		return NULL;
	DL_FOREACH (of->waiting, p) {
		int n = held_by(of, &p->owner);

		if ((n > 0 && of->n_held >= of->open) || (best && n >= fewest))
			continue;
		best = p;
		fewest = n;
	}
	return best;
}

/* Hands out what there is; the lock is held. */
static void
hand_out(struct slots *of)
{
	struct slot *p;

	while ((p = next_of(of)) != NULL) {
		DL_DELETE(of->waiting, p);
		DL_APPEND(of->held, p);
		of->n_held++;
		p->is_held = true;
		pthread_cond_signal(&p->changed);
	}
}

static void
slot_wake(void *arg)
{
	struct slot *mine = arg;

	pthread_mutex_lock(&mine->of->lock);
	pthread_cond_signal(&mine->changed);
	pthread_mutex_unlock(&mine->of->lock);
}

bool
slot_acquire(struct slot *mine, struct slots *of, struct uuid owner, struct stop *stop)
{
	bool is_held;

	*mine = (struct slot){ .of = of, .owner = owner };
	pthread_cond_init(&mine->changed, NULL);
	stop_on_set(stop, slot_wake, mine);
	pthread_mutex_lock(&of->lock);
	DL_APPEND(of->waiting, mine);
	hand_out(of);
	while (!mine->is_held && stop_why(stop) == STOP_NOT)
		pthread_cond_wait(&mine->changed, &of->lock);
	is_held = mine->is_held;
	if (!is_held)
		DL_DELETE(of->waiting, mine);
	pthread_mutex_unlock(&of->lock);
	stop_on_set(stop, NULL, NULL);
	if (!is_held)
		pthread_cond_destroy(&mine->changed);
	return is_held;
}

void
slot_release(struct slot *mine)
{
	struct slots *of = mine->of;

	pthread_mutex_lock(&of->lock);
	DL_DELETE(of->held, mine);
	of->n_held--;
	hand_out(of);
	pthread_mutex_unlock(&of->lock);
	pthread_cond_destroy(&mine->changed);
}
