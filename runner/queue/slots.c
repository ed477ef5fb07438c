#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include <millrace/clock.h>

#include "runner/queue/slots.h"
#include "runner/thread.h"

#define OTHERS_MS 5000 /* who came beside somebody within that time is here */
#define REST_MOST_MS 500

static int
held_by(const struct slots *of, const struct uuid *owner)
{
	const struct slot *p;
	int n = 0;

	DL_FOREACH (of->held, p)
		n += strcmp(p->owner.text, owner->text) == 0;
	return n;
}

static bool
is_anothers(const struct slot *list, const struct uuid *owner)
{
	const struct slot *p;

	DL_FOREACH (list, p)
		if (strcmp(p->owner.text, owner->text) != 0)
			return true;
	return false;
}

static int64_t *
rest_of(struct slots *of, const struct uuid *owner)
{
	unsigned hash;

	HASH_VALUE(owner->text, strlen(owner->text), hash);
	return &of->rests_until_ms[hash % SLOTS_REMEMBERED];
}

/* Is no further slot of the owner's, who holds n? */
static bool
has_enough(struct slots *of, const struct slot *p, int n, bool beside)
{
	if (p->is_short)
		return n >= of->open;
	if (beside && (n >= of->most / 4 || clock_ms() < *rest_of(of, &p->owner)))
		return true;
	return n > 0 && of->n_held >= of->open;
}

static struct slot *
next_of(struct slots *of)
{
	bool beside = clock_ms() < of->others_until_ms;
	struct slot *best = NULL, *p;
	int fewest = 0;

	if (of->n_held >= of->most)
		return NULL;
	DL_FOREACH (of->waiting, p) {
		int n = held_by(of, &p->owner);

		if (has_enough(of, p, n, beside) || (best && n >= fewest))
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
		p->since_ms = clock_ms();
		pthread_cond_signal(&p->changed);
	}
}

/* What one user may have grows when a rest is over, or the others have been gone for a while, too.
 */
static void
wait_for_change(struct slot *mine)
{
	struct slots *of = mine->of;
	int64_t now = clock_ms(), until = of->others_until_ms, rest = *rest_of(of, &mine->owner);

	if (now < rest && rest < until)
		until = rest;
	if (now >= until)
		pthread_cond_wait(&mine->changed, &of->lock);
	else if (!thread_cond_wait_until(&mine->changed, &of->lock, until))
		hand_out(of);
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
slot_acquire(struct slot *mine, struct stop *stop)
{
	struct slots *of = mine->of;
	bool is_held;

	thread_cond_init(&mine->changed);
	stop_on_set(stop, slot_wake, mine);
	pthread_mutex_lock(&of->lock);
	if (is_anothers(of->held, &mine->owner) || is_anothers(of->waiting, &mine->owner))
		of->others_until_ms = clock_ms() + OTHERS_MS;
	DL_APPEND(of->waiting, mine);
	hand_out(of);
	while (!mine->is_held && stop_why(stop) == STOP_NOT)
		wait_for_change(mine);
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
	int64_t now = clock_ms(), rest = (now - mine->since_ms) * of->rest;

	pthread_mutex_lock(&of->lock);
	if (!mine->is_short)
		*rest_of(of, &mine->owner) = now + (rest < REST_MOST_MS ? rest : REST_MOST_MS);
	DL_DELETE(of->held, mine);
	of->n_held--;
	hand_out(of);
	pthread_mutex_unlock(&of->lock);
	pthread_cond_destroy(&mine->changed);
}
