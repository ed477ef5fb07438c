/*
 * Stripe's API: calls with a form, one fixed version, the secret key (STRIPE_API_KEY) and an
 * Idempotency-Key for what makes something (docs.stripe.com/api). What is asked twice is done once,
 * so a reply that was lost is asked for again. A success is a reply with status 2xx that is the
 * object which was wanted. Blocks; any thread.
 */
#ifndef RUNNER_OUTSIDE_STRIPE_H
#define RUNNER_OUTSIDE_STRIPE_H

#include <millrace/json.h>

#include "runner/queue/stop.h"

#define STRIPE_VERSION "2026-10-28.endive"

enum stripe_end {
	STRIPE_OK = 1,
	STRIPE_GONE, /* 404: there is no such object */
	STRIPE_REFUSED, /* for good, in `problem` */
	STRIPE_AWAY, /* it may pass, in `problem` */
	STRIPE_STOPPED /* the stop is set */
};

struct stripe_reply {
	struct str text; /* the object, the arena's */
	json_object *o; /* the same */
	char problem[400]; /* Stripe's words, or the client's: for whoever asked, and the log */
	bool lacks_customer; /* refused: the customer was deleted there, or is of the other mode */
};

/* Is there a key to ask Stripe with? */
bool stripe_is_set_up(void);
/* GET `path` ("/v1/…" with its query); `object` is what the reply has to be. */
enum stripe_end stripe_get(struct stop *stop, struct arena *a, const char *path, const char *object,
    struct stripe_reply *out);
/* POST of a form (form_put). `key` is the Idempotency-Key: one for each thing that is made. */
enum stripe_end stripe_post(struct stop *stop, struct arena *a, const char *path, struct str form,
    const char *key, const char *object, struct stripe_reply *out);

#endif
