/*
 * Stripe: checkouts and the customer portal, for which a client waits; events of the inbox; and the
 * comparison with what Stripe has. A repeated attempt does nothing twice: what is made has the
 * run's id as its Idempotency-Key, what is stored is what Stripe says.
 */
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/oauth.h>

#include "runner/jobs/kinds.h"
#include "runner/jobs/stripe_sync.h"
#include "sql_job.h"

#define AGAIN_MS 5000

struct stripe_in {
	struct str task, event;
	struct str price, mode, success_url, cancel_url, email;
	struct str metadata; /* an object's text */
	struct uuid package;
	int64_t cents; /* credits that are bought; 0: a price */
};

static const struct field stripe_fields[] = {
	F_STR(struct stripe_in, task, 1, 100, REQUIRED),
	F_STR(struct stripe_in, event, 1, 255, OPTIONAL),
	F_STR(struct stripe_in, price, 1, 255, OPTIONAL),
	F_STR(struct stripe_in, mode, 1, 100, OPTIONAL),
	F_STR(struct stripe_in, success_url, 1, 2000, OPTIONAL),
	F_STR(struct stripe_in, cancel_url, 1, 2000, OPTIONAL),
	F_STR(struct stripe_in, email, 1, 1000, OPTIONAL),
	F_STR(struct stripe_in, metadata, 1, INT32_MAX, OPTIONAL),
	F_UUID(struct stripe_in, package, OPTIONAL),
	F_INT(struct stripe_in, cents, 0, INT64_MAX, OPTIONAL),
};

static struct outcome
answer(struct job *j, int status, struct str body)
{
	return job_end_runner_job_end_done(j, S("{}"),
	    arena_printf(
		j->a, "{\"status\":%d,\"headers\":{},\"body\":%.*s}", status, S_ARG(body)));
}

/* The reply of an error, whose status is the client's to see; the run has done what it can. */
static struct outcome
answer_error(struct job *j, enum err e, const char *text)
{
	struct buf b = { .a = j->a };

	buf_put(&b, S("{\"error\":"));
	buf_json(&b, str_from(text));
	buf_printf(&b, ",\"code\":\"%s\",\"detail\":", err_info(e)->code);
	buf_json(&b, str_from(text));
	buf_printf(&b, ",\"request_id\":\"%s\"}", j->run.text);
	return answer(j, err_info(e)->status, buf_str(&b));
}

/* What a call that did not come out makes of a job whose client waits. */
static struct outcome
call_failed(struct job *j, enum stripe_end end, const struct stripe_reply *reply)
{
	if (end == STRIPE_STOPPED)
		return job_stopped();
	log_warn("stripe: a call failed", "problem", reply->problem);
	if (end == STRIPE_AWAY && j->attempt < j->max_attempts)
		return job_again(arena_cstr(j->a, str_from(reply->problem)), 0);
	return answer_error(j, end == STRIPE_AWAY ? ERR_UPSTREAM_FAILED : ERR_BAD_REQUEST,
	    arena_cstr(j->a, str_from(reply->problem)));
}

/* -- the checkout -- */

struct buyer {
	struct str customer, email;
	struct str name, period; /* a package's, where it has a campaign */
	int64_t cents; /* what it costs then; -1: as at Stripe */
};

static enum err
read_buyer(struct job *j, const struct stripe_in *in, struct buyer *b)
{
	PGresult *res = NULL;
	enum err e = job_runner_stripe_buyer(j, &res, j->owner, in->package);

	if (e != ERR_OK)
		return e;
	b->customer = sql_get(res, 0, 0);
	b->email = sql_get(res, 0, 1);
	b->name = sql_get(res, 0, 3);
	b->period = sql_get(res, 0, 4);
	if (!str_int(sql_get(res, 0, 2), &b->cents))
		b->cents = -1;
	return ERR_OK;
}

/* False: the database failed. */
static bool
forget_customer(struct job *j, struct str customer)
{
	PGresult *res = NULL;

	log_warn("stripe: a customer is gone", "id", arena_cstr(j->a, customer));
	return job_runner_stripe_customer_gone(j, &res, j->owner, customer) == ERR_OK;
}

static void
put_price_data(struct buf *form, struct job *j, struct str name, struct str period, int64_t cents)
{
	form_put(form, "line_items[0][price_data][currency]", S("usd"));
	form_put(form, "line_items[0][price_data][unit_amount]",
	    arena_printf(j->a, "%lld", (long long)cents));
	form_put(form, "line_items[0][price_data][product_data][name]", name);
	if (period.p && !str_eq(period, S("once")))
		form_put(form, "line_items[0][price_data][recurring][interval]", period);
}

/* `prefix` is "" for the session's own, else of what it makes. */
static void
put_metadata(struct buf *form, struct job *j, const struct stripe_in *in, const char *prefix)
{
	json_object *o = NULL;
	const char *why;
	const char *end = *prefix ? "]" : "";
	const char *open = *prefix ? "[metadata" : "metadata";

	if (in->metadata.p && json_parse(j->a, in->metadata, &o, &why) == ERR_OK) {
		json_object_object_foreach (o, name, value) {
			form_put(form, arena_printf(j->a, "%s%s%s[%s]", prefix, open, end, name).p,
			    str_from(json_object_get_string(value)));
		}
	}
	form_put(form, arena_printf(j->a, "%s%s%s[millrace_user]", prefix, open, end).p,
	    str_from(j->owner.text));
	if (*in->package.text)
		form_put(form, arena_printf(j->a, "%s%s%s[millrace_package]", prefix, open, end).p,
		    str_from(in->package.text));
}

static struct str
checkout_form(struct job *j, const struct stripe_in *in, const struct buyer *b)
{
	struct buf form = { .a = j->a };
	bool once = in->cents > 0 || str_eq(in->mode, S("payment"));

	form_put(&form, "mode", once ? S("payment") : S("subscription"));
	form_put(&form, "success_url", in->success_url);
	form_put(&form, "cancel_url", in->cancel_url);
	form_put(&form, "client_reference_id", str_from(j->owner.text));
	if (b->customer.p)
		form_put(&form, "customer", b->customer);
	else if (in->email.p || b->email.p)
		form_put(&form, "customer_email", in->email.p ? in->email : b->email);
	if (once && !b->customer.p)
		form_put(&form, "customer_creation", S("always"));
	if (in->cents > 0)
		put_price_data(&form, j, S("Credits"), S("once"), in->cents);
	else if (b->cents >= 0)
		put_price_data(&form, j, b->name, b->period, b->cents);
	else
		form_put(&form, "line_items[0][price]", in->price);
	form_put(&form, "line_items[0][quantity]", S("1"));
	put_metadata(&form, j, in, "");
	put_metadata(&form, j, in, once ? "payment_intent_data" : "subscription_data");
	return buf_str(&form);
}

/*
 * Makes what the form asks for; again without a customer whom Stripe does not have any more, who is
 * forgotten: else the user could never buy again. The key goes with the form.
 */
static enum stripe_end
post_session(struct job *j, const struct stripe_in *in, struct buyer *b, struct stripe_reply *reply)
{
	enum stripe_end end =
	    stripe_post(&j->stop, j->a, "/v1/checkout/sessions", checkout_form(j, in, b),
		arena_printf(j->a, "millrace-%s%s", j->run.text, b->customer.p ? "" : "-new").p,
		"checkout.session", reply);

	if (end != STRIPE_REFUSED || !b->customer.p || !reply->lacks_customer ||
	    !forget_customer(j, b->customer))
		return end;
	b->customer = (struct str){ NULL, 0 };
	return post_session(j, in, b, reply);
}

static struct outcome
checkout(struct job *j, const struct stripe_in *in)
{
	struct stripe_reply reply = { 0 };
	struct buyer b = { 0 };
	struct buf body = { .a = j->a };
	struct str url;
	enum stripe_end end;
	enum err e;

	if ((e = read_buyer(j, in, &b)) != ERR_OK)
		return job_db_error(j, e, "the buyer could not be read");
	end = post_session(j, in, &b, &reply);
	if (end != STRIPE_OK)
		return call_failed(j, end, &reply);
	url = json_text(reply.o, "url");
	if (in->cents > 0) {
		buf_put(&body, S("{\"checkoutUrl\":"));
	} else {
		buf_put(&body, S("{\"id\":"));
		buf_json(&body, json_text(reply.o, "id"));
		buf_put(&body, S(",\"url\":"));
	}
	buf_json(&body, url.p ? url : S(""));
	buf_put(&body, S("}"));
	return answer(j, 200, buf_str(&body));
}

static struct outcome
portal(struct job *j, const struct stripe_in *in)
{
	struct stripe_reply reply = { 0 };
	struct buyer b = { 0 };
	struct buf form = { .a = j->a }, body = { .a = j->a };
	enum stripe_end end;
	enum err e;

	if ((e = read_buyer(j, in, &b)) != ERR_OK)
		return job_db_error(j, e, "the customer could not be read");
	if (!b.customer.p)
		return answer_error(j, ERR_CONFLICT, "Nothing was bought by Stripe yet.");
	form_put(&form, "customer", b.customer);
	form_put(&form, "return_url", in->success_url);
	end = stripe_post(&j->stop, j->a, "/v1/billing_portal/sessions", buf_str(&form),
	    arena_printf(j->a, "millrace-%s", j->run.text).p, "billing_portal.session", &reply);
	if (end == STRIPE_REFUSED && reply.lacks_customer && forget_customer(j, b.customer))
		return answer_error(j, ERR_CONFLICT, "Stripe has no such customer any more.");
	if (end != STRIPE_OK)
		return call_failed(j, end, &reply);
	buf_put(&body, S("{\"url\":"));
	buf_json(&body, json_text(reply.o, "url"));
	buf_put(&body, S("}"));
	return answer(j, 200, buf_str(&body));
}

/* -- what Stripe says -- */

static struct outcome
sync_failed(struct job *j, enum stripe_end end, const struct stripe_sync *s)
{
	if (end == STRIPE_STOPPED)
		return job_stopped();
	log_warn("stripe: an object could not be read", "problem", s->last.problem);
	return job_again(arena_cstr(j->a, str_from(s->last.problem)), AGAIN_MS);
}

static struct str
differences(struct job *j, const struct stripe_sync *s)
{
	return arena_printf(
	    j->a, "{\"differences\":[%.*s]}", (int)s->said.n, s->said.p ? s->said.p : "");
}

static struct outcome
event(struct job *j, const struct stripe_in *in)
{
	struct stripe_sync s = { .j = j, .said = { .a = j->a } };
	PGresult *res = NULL;
	enum stripe_end end = STRIPE_OK;
	struct str version;
	enum err e;

	if ((e = job_runner_stripe_event(j, &res, in->event)) != ERR_OK)
		return job_db_error(j, e, "the event could not be read");
	if (PQntuples(res) > 0) {
		version = sql_get(res, 0, 3);
		if (version.p && !str_eq(version, S(STRIPE_VERSION)))
			log_info("stripe: an event of another version than ours", "version",
			    arena_cstr(j->a, version), "event", arena_cstr(j->a, in->event));
		end = stripe_sync_object(
		    &s, sql_get(res, 0, 0), sql_get(res, 0, 1), sql_get(res, 0, 2));
	}
	if (end != STRIPE_OK)
		return sync_failed(j, end, &s);
	return job_end_runner_stripe_event_done(j, in->event, differences(j, &s));
}

static struct outcome
reconcile(struct job *j)
{
	struct stripe_sync s = { .j = j, .said = { .a = j->a } };
	enum stripe_end end = stripe_sync_all(&s);

	if (end != STRIPE_OK)
		return sync_failed(j, end, &s);
	if (s.said.n > 0)
		log_warn("stripe: what differed was stored as Stripe has it", "differences",
		    arena_printf(j->a, "%.*s", (int)s.said.n, s.said.p).p);
	return job_end_runner_job_end_done(j, differences(j, &s), (struct str){ NULL, 0 });
}

struct outcome
stripe_run(struct job *j)
{
	struct stripe_in in = { 0 };
	struct outcome o;
	bool waits;

	if (!job_input(j, stripe_fields, sizeof(stripe_fields) / sizeof(*stripe_fields), &in, &o))
		return o;
	waits = str_eq(in.task, S("checkout")) || str_eq(in.task, S("portal"));
	if (!stripe_is_set_up() && waits)
		return answer_error(j, ERR_CONFLICT, "Stripe is not set up: STRIPE_API_KEY.");
	if (!stripe_is_set_up())
		return job_failed("CONFLICT", "Stripe is not set up: STRIPE_API_KEY.");
	if (str_eq(in.task, S("checkout")))
		return checkout(j, &in);
	if (str_eq(in.task, S("portal")))
		return portal(j, &in);
	return str_eq(in.task, S("event")) ? event(j, &in) : reconcile(j);
}
