#include "runner/jobs/stripe_sync.h"

#include <millrace/clock.h>
#include <millrace/log.h>

#include "sql_job.h"

#define LOOK_BACK_S ((int64_t)35 * 24 * 3600)

static void
note(struct stripe_sync *s, struct str difference)
{
	if (!difference.p)
		return;
	log_info("stripe: stored", "what", arena_cstr(s->j->a, difference));
	if (s->said.n > 0)
		buf_put(&s->said, S(","));
	buf_json(&s->said, difference);
}

/* A statement of the job's that failed: the job stops, or begins again. */
static enum stripe_end
db_failed(struct stripe_sync *s)
{
	snprintf(s->last.problem, sizeof(s->last.problem), "the database");
	return stop_why(&s->j->stop) == STOP_NOT ? STRIPE_AWAY : STRIPE_STOPPED;
}

static bool
begin(struct stripe_sync *s, struct str id, int64_t *version)
{
	PGresult *res = NULL;

	return job_runner_stripe_begin(s->j, &res, id) == ERR_OK &&
	       str_int(sql_get(res, 0, 0), version);
}

static enum stripe_end
get(struct stripe_sync *s, struct arena *a, const char *object, struct str path)
{
	return stripe_get(&s->j->stop, a, path.p, object, &s->last);
}

/* A member that is an id, or the object where Stripe has expanded it. */
static struct str
id_at(json_object *o, const char *name)
{
	struct str id = json_text(o, name);

	return id.p ? id : json_text(json_at(o, name), "id");
}

static size_t
count_of(json_object *list)
{
	return (size_t)json_length(json_at(list, "data"));
}

static json_object *
nth_of(json_object *list, size_t i)
{
	return i < count_of(list) ? json_object_array_get_idx(json_at(list, "data"), i) : NULL;
}

static enum stripe_end
sync_subscription(struct stripe_sync *s, struct arena *a, struct str id)
{
	PGresult *res = NULL;
	enum stripe_end end;
	int64_t version;

	if (!begin(s, id, &version))
		return db_failed(s);
	end = get(s, a, "subscription", arena_printf(a, "/v1/subscriptions/%.*s", S_ARG(id)));
	if (end != STRIPE_OK)
		return end;
	if (job_runner_stripe_subscription(s->j, &res, id, version, s->last.text) != ERR_OK)
		return db_failed(s);
	note(s, sql_get(res, 0, 0));
	return STRIPE_OK;
}

struct paid {
	struct str object; /* the checkout's session, or the invoice */
	struct str subscription; /* the invoice's; absent: it is a checkout's session */
	struct str_list intents; /* none: nothing was to pay */
	struct buf charges, disputes; /* objects, with commas between */
};

static void
put_intent(struct paid *p, struct str intent)
{
	if (intent.p)
		p->intents.p[p->intents.n++] = intent;
}

/* Adds what an intent has of a kind to `out`. */
static enum stripe_end
read_list(
    struct stripe_sync *s, struct arena *a, const char *kind, struct str intent, struct buf *out)
{
	enum stripe_end end = get(s, a, "list",
	    arena_printf(a, "/v1/%s?payment_intent=%.*s&limit=100", kind, S_ARG(intent)));

	for (size_t i = 0; end == STRIPE_OK && i < count_of(s->last.o); i++) {
		buf_put(out, out->n > 0 ? S(",") : S(""));
		buf_put(out, json_serialised(nth_of(s->last.o, i)));
	}
	return end;
}

/* Refunds and disputes are at the charges of the payments, of which an invoice may have several. */
static enum stripe_end
read_charges(struct stripe_sync *s, struct arena *a, struct paid *p)
{
	enum stripe_end end = STRIPE_OK;

	p->charges.a = p->disputes.a = a;
	for (size_t i = 0; i < p->intents.n && end == STRIPE_OK; i++)
		if ((end = read_list(s, a, "charges", p->intents.p[i], &p->charges)) == STRIPE_OK)
			end = read_list(s, a, "disputes", p->intents.p[i], &p->disputes);
	return end;
}

static struct str
as_list(struct arena *a, const struct buf *objects)
{
	return arena_printf(a, "{\"data\":[%.*s]}", S_ARG(buf_str(objects)));
}

static enum stripe_end
store_payment(
    struct stripe_sync *s, struct arena *a, struct str id, int64_t version, struct paid *p)
{
	PGresult *res = NULL;
	enum stripe_end end = read_charges(s, a, p);

	if (end != STRIPE_OK)
		return end;
	if (job_runner_stripe_payment(s->j, &res, id, version, p->object, p->subscription,
		p->intents, as_list(a, &p->charges), as_list(a, &p->disputes)) != ERR_OK)
		return db_failed(s);
	note(s, sql_get(res, 0, 0));
	return STRIPE_OK;
}

static enum stripe_end
sync_session(struct stripe_sync *s, struct arena *a, struct str id)
{
	struct str intent, subscription;
	struct paid p = { .intents.p = &intent };
	enum stripe_end end;
	int64_t version;

	if (!begin(s, id, &version))
		return db_failed(s);
	end =
	    get(s, a, "checkout.session", arena_printf(a, "/v1/checkout/sessions/%.*s", S_ARG(id)));
	if (end != STRIPE_OK)
		return end;
	p.object = s->last.text;
	put_intent(&p, id_at(s->last.o, "payment_intent"));
	subscription = id_at(s->last.o, "subscription");
	end = store_payment(s, a, id, version, &p);
	return end == STRIPE_OK && subscription.p ? sync_subscription(s, a, subscription) : end;
}

/* The invoice's subscription first: it says whose the invoice is. */
static enum stripe_end
sync_invoice(struct stripe_sync *s, struct arena *a, struct str id)
{
	struct str path = arena_printf(a, "/v1/invoices/%.*s", S_ARG(id)), subscription;
	struct paid p = { 0 };
	enum stripe_end end = get(s, a, "invoice", path);
	int64_t version;

	if (end != STRIPE_OK)
		return end;
	subscription =
	    id_at(json_at(json_at(s->last.o, "parent"), "subscription_details"), "subscription");
	if (!subscription.p)
		return STRIPE_OK;
	if ((end = sync_subscription(s, a, subscription)) != STRIPE_OK)
		return end;
	p.subscription = s->last.text;
	if (!begin(s, id, &version))
		return db_failed(s);
	if ((end = get(s, a, "invoice", path)) != STRIPE_OK)
		return end;
	p.object = s->last.text;
	end = get(s, a, "list",
	    arena_printf(a, "/v1/invoice_payments?invoice=%.*s&limit=100", S_ARG(id)));
	if (end != STRIPE_OK)
		return end;
	p.intents.p = arena_alloc(a, (count_of(s->last.o) + 1) * sizeof(*p.intents.p));
	for (size_t i = 0; i < count_of(s->last.o); i++)
		put_intent(&p, id_at(json_at(nth_of(s->last.o, i), "payment"), "payment_intent"));
	return store_payment(s, a, id, version, &p);
}

/* Charges, refunds and disputes name the payment alone: by a checkout, else by an invoice. */
static enum stripe_end
sync_intent(struct stripe_sync *s, struct arena *a, struct str intent)
{
	struct str id;
	enum stripe_end end = get(s, a, "list",
	    arena_printf(a, "/v1/checkout/sessions?payment_intent=%.*s&limit=1", S_ARG(intent)));

	if (end != STRIPE_OK)
		return end;
	id = json_text(nth_of(s->last.o, 0), "id");
	if (id.p)
		return sync_session(s, a, id);
	end = get(s, a, "list",
	    arena_printf(a,
		"/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]=%.*s",
		S_ARG(intent)));
	if (end != STRIPE_OK)
		return end;
	id = id_at(nth_of(s->last.o, 0), "invoice");
	return id.p ? sync_invoice(s, a, id) : STRIPE_OK;
}

/* Ids go into paths. */
static bool
is_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
			id.p[i]))
			return false;
	return id.n > 0 && id.n <= 255;
}

enum stripe_end
stripe_sync_object(struct stripe_sync *s, struct str kind, struct str id, struct str payment_intent)
{
	struct arena *a = arena_new();
	enum stripe_end end = STRIPE_OK;

	if (str_eq(kind, S("subscription")) && is_id(id))
		end = sync_subscription(s, a, id);
	else if (str_eq(kind, S("checkout.session")) && is_id(id))
		end = sync_session(s, a, id);
	else if (str_eq(kind, S("invoice")) && is_id(id))
		end = sync_invoice(s, a, id);
	else if (is_id(payment_intent))
		end = sync_intent(s, a, payment_intent);
	if (end == STRIPE_GONE) {
		log_warn("stripe: an object is gone", "id", arena_cstr(a, id));
		end = STRIPE_OK;
	}
	arena_free(a);
	return end;
}

/* -- the comparison -- */

static enum stripe_end
sync_suspects(struct stripe_sync *s, struct str list)
{
	enum stripe_end end = STRIPE_OK;
	PGresult *res = NULL;

	if (job_runner_stripe_suspects(s->j, &res, list) != ERR_OK)
		return db_failed(s);
	for (int i = 0; i < PQntuples(res) && end == STRIPE_OK; i++)
		end = stripe_sync_object(
		    s, sql_get(res, i, 0), sql_get(res, i, 1), sql_get(res, i, 2));
	return end;
}

/* Notes the ids of a page in `seen`; the last of them, absent where the list ends with it. */
static struct str
read_page(struct stripe_sync *s, struct buf *seen, json_object *list)
{
	json_object *more = json_at(list, "has_more");
	struct str id = { NULL, 0 };

	for (size_t i = 0; i < count_of(list); i++) {
		id = json_text(nth_of(list, i), "id");
		if (seen->n > 0)
			buf_put(seen, S(","));
		buf_json(seen, id);
	}
	if (!json_object_is_type(more, json_type_boolean) || !json_object_get_boolean(more))
		return (struct str){ NULL, 0 };
	return is_id(id) ? str_from(arena_cstr(s->j->a, id)) : (struct str){ NULL, 0 };
}

/* Walks a list, a page at a time. */
static enum stripe_end
sync_list(struct stripe_sync *s, const char *path, struct buf *seen)
{
	enum stripe_end end = STRIPE_OK;
	struct str after = S("");

	while (after.p && end == STRIPE_OK) {
		struct arena *a = arena_new();

		end = get(s, a, "list",
		    after.n > 0 ? arena_printf(a, "%s&starting_after=%.*s", path, S_ARG(after))
				: str_from(path));
		if (end == STRIPE_OK) {
			struct str text = s->last.text;

			after = read_page(s, seen, s->last.o);
			end = sync_suspects(s, text);
		}
		arena_free(a);
	}
	return end;
}

/* The list may be older than the row: who subscribed meanwhile is not in it, and is at Stripe. */
static enum stripe_end
note_unknown(struct stripe_sync *s, const struct buf *seen)
{
	PGresult *res = NULL;
	struct str list = arena_printf(s->j->a, "[%.*s]", (int)seen->n, seen->p ? seen->p : "");
	enum stripe_end end = STRIPE_OK;

	if (job_runner_stripe_unknown(s->j, &res, list) != ERR_OK)
		return db_failed(s);
	for (int i = 0; i < PQntuples(res) && end == STRIPE_OK; i++) {
		struct arena *a = arena_new();
		struct str id = sql_get(res, i, 0);

		if ((end = sync_subscription(s, a, id)) == STRIPE_GONE) {
			note(s, arena_printf(s->j->a, "%.*s is not at Stripe", S_ARG(id)));
			end = STRIPE_OK;
		}
		arena_free(a);
	}
	return end;
}

enum stripe_end
stripe_sync_all(struct stripe_sync *s)
{
	static const char *const lists[] = { "checkout/sessions?status=complete&",
		"invoices?status=paid&", "charges?" };
	struct buf seen = { .a = s->j->a }, others = { .a = s->j->a };
	long long since = (long long)(clock_unix_us() / 1000000 - LOOK_BACK_S);
	enum stripe_end end = sync_list(s, "/v1/subscriptions?status=all&limit=100", &seen);

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists) && end == STRIPE_OK; i++)
		end = sync_list(s,
		    arena_printf(s->j->a, "/v1/%screated[gte]=%lld&limit=100", lists[i], since).p,
		    &others);
	return end == STRIPE_OK ? note_unknown(s, &seen) : end;
}
