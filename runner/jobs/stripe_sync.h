/*
 * Stripe's objects into our tables: each is fetched afresh and stored as a whole, whatever event
 * told of it. A job's thread.
 */
#ifndef RUNNER_JOBS_STRIPE_SYNC_H
#define RUNNER_JOBS_STRIPE_SYNC_H

#include "runner/outside/stripe.h"
#include "runner/queue/job.h"

struct stripe_sync {
	struct job *j;
	struct buf said; /* differences, as the members of a JSON array */
	struct stripe_reply last; /* its `problem`, where something failed */
};

/*
 * Reads again what an event, or a list, was about: `kind` is the object's, payment_intent is
 * absent where it has none. What is gone, or nobody's here, is no failure.
 */
enum stripe_end stripe_sync_object(
    struct stripe_sync *s, struct str kind, struct str id, struct str payment_intent);
/* Compares all subscriptions, and the payments of the last 35 days; stores what differs. */
enum stripe_end stripe_sync_all(struct stripe_sync *s);

#endif
