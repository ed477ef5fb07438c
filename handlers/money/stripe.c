/*
 * Payments by Stripe: checkouts, the customer portal, and the webhook by which Stripe tells of
 * what has happened. The runner alone asks Stripe.
 */
#include <string.h>

#include <sodium.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/lenient.h>

#include "handlers/money/money.h"
#include "sql_api.h"

#define TOLERANCE_S 300
#define METADATA_MAX (16 * KIB)

static const char *const modes[] = { "subscription", "payment", NULL };

struct checkout_in {
	struct str price_id, mode, success_url, cancel_url, customer_email, metadata;
};

static const struct field checkout_fields[] = {
	F_STR(struct checkout_in, price_id, 1, 255, OPTIONAL),
	F_ENUM(struct checkout_in, mode, modes, OPTIONAL),
	F_STR(struct checkout_in, success_url, 1, 2000, OPTIONAL),
	F_STR(struct checkout_in, cancel_url, 1, 2000, OPTIONAL),
	F_EMAIL(struct checkout_in, customer_email, OPTIONAL),
	F_JSON(struct checkout_in, metadata, METADATA_MAX, OPTIONAL),
};
FIELD_TABLE(checkout_body, struct checkout_in, checkout_fields, payment_checkout);

struct purchase_in {
	struct str amount_usd;
};

static const struct field purchase_fields[] = {
	F_DECIMAL(struct purchase_in, amount_usd, 0, 100000, REQUIRED),
};
FIELD_TABLE(purchase_body, struct purchase_in, purchase_fields, credits_purchase);

struct event_in {
	struct str id, object, type, api_version;
	struct str data; /* an object, with the event's in `object` */
};

static const struct field event_fields[] = {
	F_STR(struct event_in, id, 1, 255, REQUIRED),
	F_STR(struct event_in, object, 1, 100, OPTIONAL),
	F_STR(struct event_in, type, 1, 255, REQUIRED),
	F_STR(struct event_in, api_version, 0, 100, OPTIONAL),
	F_JSON(struct event_in, data, MIB, OPTIONAL),
};
FIELD_TABLE(stripe_event_body, struct event_in, event_fields, payment_webhook);

/* Scheme, host and port of an address, as far as a path, query or fragment; absent: it has none. */
static struct str
origin_of(struct str url)
{
	size_t n = str_starts(url, S("https://")) ? 8 : str_starts(url, S("http://")) ? 7 : 0;
	size_t end = n;

	while (end < url.n && !strchr("/?#", url.p[end]))
		end++;
	if (n == 0 || end == n || memchr(url.p + n, '@', end - n))
		return (struct str){ NULL, 0 };
	return (struct str){ url.p, end };
}

/* Is the address on an origin of this installation: of its own two pages, or a further one? */
static bool
is_ours(struct str url)
{
	const struct config *c = config();
	struct str rest = str_from(c->checkout_origins), one, origin = origin_of(url);

	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f || url.p[i] == '\\')
			return false;
	if (!origin.p)
		return false;
	if (str_eq(origin, origin_of(str_from(c->stripe_success_url))) ||
	    str_eq(origin, origin_of(str_from(c->stripe_cancel_url))))
		return true;
	while (rest.n > 0) {
		rest = str_cut(rest, ' ', &one);
		if (str_eq(origin, one))
			return true;
	}
	return false;
}

/*
 * The page that a browser comes back to: the given one, or the setting's. What is wrong with it is
 * left in `problem`, for the statement to refuse: the caller is asked first.
 */
static struct str
page(struct req *r, const char *name, struct str given, const char *setting, struct str *problem)
{
	struct str url = given.p ? given : str_from(setting);

	if (url.n == 0)
		*problem = arena_printf(r->a,
		    "%s is missing, and no page is set for it (STRIPE_SUCCESS_URL, "
		    "STRIPE_CANCEL_URL).",
		    name);
	else if (!is_ours(url))
		*problem = arena_printf(r->a,
		    "%s must be on an origin of this installation (MILLRACE_CHECKOUT_ORIGINS).",
		    name);
	return url;
}

static enum err
payment_wait(struct req *r)
{
	return res_run_reply(r, 0);
}

/* POST /api/payments/create-checkout-session */
enum err
payment_checkout(struct req *r)
{
	const struct config *c = config();
	struct checkout_in in = { 0 };
	struct str success, cancel, problem = { NULL, 0 };
	enum err e;

	if ((e = body_bind(r, checkout_body, &in)) != ERR_OK)
		return e;
	success = page(r, "success_url", in.success_url, c->stripe_success_url, &problem);
	cancel = page(r, "cancel_url", in.cancel_url, c->stripe_cancel_url, &problem);
	return sql_stripe_checkout_start(r, payment_wait, in.price_id, str_from(c->stripe_price_id),
	    in.mode.p ? in.mode : str_from(c->stripe_mode), success, cancel, problem,
	    in.customer_email, in.metadata, c->queue_max);
}

/* POST /api/credits/purchase */
enum err
credits_purchase(struct req *r)
{
	const struct config *c = config();
	struct purchase_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, purchase_body, &in)) != ERR_OK)
		return e;
	return sql_stripe_purchase_start(r, payment_wait, str_from(c->stripe_success_url),
	    str_from(c->stripe_cancel_url), in.amount_usd, c->queue_max);
}

/* POST /api/payments/portal */
enum err
payment_portal(struct req *r)
{
	const struct config *c = config();

	return sql_stripe_portal_start(
	    r, payment_wait, str_from(c->stripe_success_url), c->queue_max);
}

/* HMAC-SHA-256 of "time.body" in lower-case hexadecimal digits. */
static struct str
signature_of(struct req *r, const char *secret, struct str at)
{
	crypto_auth_hmacsha256_state state;
	unsigned char sum[crypto_auth_hmacsha256_BYTES];
	char *digits = arena_alloc(r->a, 2 * sizeof(sum) + 1);

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, strlen(secret));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)at.p, at.n);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)".", 1);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)r->body.p, r->body.n);
	crypto_auth_hmacsha256_final(&state, sum);
	sodium_memzero(&state, sizeof(state));
	sodium_bin2hex(digits, 2 * sizeof(sum) + 1, sum, sizeof(sum));
	return str_from(digits);
}

/* Is one of the header's v1 values the one that a secret makes? */
static bool
is_among(struct str header, struct str wanted)
{
	struct str one, name;

	while (header.n > 0) {
		header = str_cut(header, ',', &one);
		one = str_cut(one, '=', &name);
		if (str_eq(name, S("v1")) && str_eq_secret(one, wanted))
			return true;
	}
	return false;
}

/*
 * Stripe-Signature: t=TIME,v1=SIGNATURE,… (docs.stripe.com/webhooks/signature). Any of several v1
 * suffices; of two t the last counts; a time that has not come passes, as in Stripe's own library.
 */
static bool
is_signed(struct req *r)
{
	const struct config *c = config();
	struct str header = req_param(r, "HTTP_STRIPE_SIGNATURE"), rest = header, at = { NULL, 0 };
	struct str one, name;
	int64_t seconds;

	while (rest.n > 0) {
		rest = str_cut(rest, ',', &one);
		one = str_cut(one, '=', &name);
		if (str_eq(name, S("t")))
			at = one;
	}
	if (!at.p || !str_int(at, &seconds) || seconds < clock_unix_us() / 1000000 - TOLERANCE_S)
		return false;
	return is_among(header, signature_of(r, c->stripe_webhook_secret, at)) ||
	       (*c->stripe_webhook_secret_old &&
		   is_among(header, signature_of(r, c->stripe_webhook_secret_old, at)));
}

/* POST /api/payments/webhook: stored when this is answered, worked on after that. */
enum err
payment_webhook(struct req *r)
{
	struct event_in in = { 0 };
	json_object *o = NULL;
	const char *why;
	bool is_good = is_signed(r); /* as it came */
	enum err e;

	r->body = json_mend(r->a, r->body);
	if ((e = body_bind(r, stripe_event_body, &in)) != ERR_OK)
		return e;
	if (!*config()->stripe_webhook_secret) {
		r->error_text = S("Stripe is not set up: STRIPE_WEBHOOK_SECRET.");
		return ERR_CONFLICT;
	}
	if (!is_good) {
		r->error_text = S("Stripe-Signature is missing, or does not fit the body.");
		return ERR_BAD_REQUEST;
	}
	if (in.data.p && (e = json_parse(r->a, in.data, &o, &why)) != ERR_OK)
		return e;
	o = json_at(o, "object");
	return sql_stripe_event_add(r, res_one, in.id, in.type, in.api_version,
	    o ? str_from(json_object_to_json_string(o)) : S("{}"));
}
