#include "runner/outside/stripe.h"

#include <stdio.h>
#include <string.h>

#include <millrace/config.h>
#include <millrace/lenient.h>
#include <millrace/log.h>

#include "runner/outside/http.h"
#include "runner/outside/refusal.h"

#define WITHIN_MS 30000
#define PATIENCE_MS 10000
#define TRIES 3
#define REPLY_MAX (8 * 1024 * 1024)

bool
stripe_is_set_up(void)
{
	return *config()->stripe_key != '\0';
}

/* 409: the same key is being worked on; 429: too many; 5xx: Stripe's own. */
static bool
may_pass(int status)
{
	return status == 409 || status == 429 || status >= 500;
}

static enum stripe_end
read_error(struct arena *a, const struct http_request *q, struct stripe_reply *out)
{
	struct str said = refusal_words(a, q->reply);
	json_object *o = NULL, *error;

	error = lenient_parse(a, q->reply, &o) ? json_at(o, "error") : NULL;
	out->lacks_customer = str_eq(json_text(error, "code"), S("resource_missing")) &&
			      str_eq(json_text(error, "param"), S("customer"));
	if (said.n > 0)
		snprintf(out->problem, sizeof(out->problem), "Stripe: %.*s", S_ARG(said));
	else
		snprintf(out->problem, sizeof(out->problem), "Stripe answers with %d", q->status);
	if (q->status == 404)
		return STRIPE_GONE;
	if (q->status == 401 || q->status == 403)
		log_error("stripe: STRIPE_API_KEY is refused", "problem", out->problem);
	return may_pass(q->status) ? STRIPE_AWAY : STRIPE_REFUSED;
}

/* Something in between may answer with 200, too: only the wanted object counts. */
static enum stripe_end
read_object(struct arena *a, struct http_request *q, const char *object, struct stripe_reply *out)
{
	if (q->status / 100 != 2)
		return read_error(a, q, out);
	if (!mended_parse(a, &q->reply, &out->o) ||
	    !str_eq(json_text(out->o, "object"), str_from(object)) ||
	    (strcmp(object, "list") != 0 && json_text(out->o, "id").n == 0)) {
		snprintf(out->problem, sizeof(out->problem),
		    "Stripe's reply is no %s: something else may answer in its place", object);
		return STRIPE_AWAY;
	}
	out->text = q->reply;
	return STRIPE_OK;
}

static enum stripe_end
call(struct stop *stop, struct arena *a, struct http_request *q, const char *path,
    const char *object, struct stripe_reply *out)
{
	q->url = arena_printf(a, "%s%s", config()->stripe_url, path).p;
	q->bearer = config()->stripe_key;
	q->within_ms = WITHIN_MS;
	q->patience_ms = PATIENCE_MS;
	q->reply_max = REPLY_MAX;
	q->tries = TRIES;
	q->idempotent = true;
	switch (http_call(stop, a, q)) {
	case HTTP_DONE:
		return read_object(a, q, object, out);
	case HTTP_STOPPED:
		return STRIPE_STOPPED;
	case HTTP_OPEN:
	case HTTP_NO_CONNECT:
	case HTTP_FORBIDDEN:
	case HTTP_SILENT:
	case HTTP_CUT:
	case HTTP_TOO_LONG:
	case HTTP_ENDED:
		break;
	}
	snprintf(out->problem, sizeof(out->problem), "Stripe cannot be reached: %.300s", q->error);
	return STRIPE_AWAY;
}

enum stripe_end
stripe_get(struct stop *stop, struct arena *a, const char *path, const char *object,
    struct stripe_reply *out)
{
	static const char *const headers[] = { "Stripe-Version: " STRIPE_VERSION, NULL };
	struct http_request q = { .headers = headers };

	return call(stop, a, &q, path, object, out);
}

enum stripe_end
stripe_post(struct stop *stop, struct arena *a, const char *path, struct str form, const char *key,
    const char *object, struct stripe_reply *out)
{
	const char *headers[] = { "Stripe-Version: " STRIPE_VERSION,
		"Content-Type: application/x-www-form-urlencoded",
		arena_printf(a, "Idempotency-Key: %s", key).p, NULL };
	struct http_request q = { .headers = headers, .body = form };

	return call(stop, a, &q, path, object, out);
}
