/*
 * Payments in USDC, which a service account asks for. The recipient is the settings', never the
 * request's; the runner signs and sends (runner/jobs/payment.c).
 */
#include <millrace/config.h>
#include <millrace/payments.h>

#include "handlers/money/money.h"
#include "sql_api.h"

#define NAME_CHARS 200

/* What is read of `metadata`; all of it is kept (SQL: payment_metadata). */
struct payment_of {
	struct str request_id, provider, model;
};

static const struct field of_fields[] = {
	F_STR(struct payment_of, request_id, 1, NAME_CHARS, OPTIONAL),
	F_STR(struct payment_of, provider, 1, NAME_CHARS, OPTIONAL),
	F_STR(struct payment_of, model, 1, NAME_CHARS, OPTIONAL),
};

static const char *const currencies[] = { "USDC", NULL };

struct payment_in {
	struct str user_id, project_id;
	struct str amount;
	struct str currency, network;
	struct payment_of metadata;
};

static const struct field payment_fields[] = {
	F_STR(struct payment_in, user_id, 1, NAME_CHARS, REQUIRED),
	F_STR(struct payment_in, project_id, 1, NAME_CHARS, OPTIONAL),
	F_DECIMAL(struct payment_in, amount, 0, MONEY_MAX, REQUIRED),
	F_ENUM(struct payment_in, currency, currencies, REQUIRED),
	F_STR(struct payment_in, network, 1, NAME_CHARS, REQUIRED),
	F_OBJECT(struct payment_in, metadata, of_fields, REQUIRED),
};
FIELD_TABLE(payment_body, struct payment_in, payment_fields, payment_execute);

static enum err
payment_started(struct req *r)
{
	struct str verdict = row_text(r, 0, 1), body = row_text(r, 0, 3);

	if (body.p)
		return reply_json(r, 200, body);
	if (!verdict.p)
		return res_run_reply(r, 0);
	r->error_text = row_text(r, 0, 2);
	return err_from_code(arena_cstr(r->a, verdict));
}

/* Can so much be sent there? What is more exact than the network would not be paid exactly. */
static enum err
check_amount(struct req *r, const struct payment_in *in, const struct payment_network *n)
{
	evm_int units;

	if (!evm_units(in->amount, n->decimals, &units))
		return refuse(r, ERR_BAD_REQUEST,
		    arena_printf(r->a, "amount has more than %d decimals, which USDC on %.*s has.",
			n->decimals, S_ARG(n->name))
			.p);
	if (units == 0)
		return refuse(r, ERR_BAD_REQUEST, "amount must be more than 0.");
	return ERR_OK;
}

/* POST /api/v1/payments/execute: once a request_id. */
enum err
payment_execute(struct req *r)
{
	struct payment_in in = { 0 };
	struct payment_network n;
	struct str to = { NULL, 0 };
	enum err e;

	if ((e = body_bind(r, payment_body, &in)) != ERR_OK)
		return e;
	if (!in.metadata.request_id.p || !in.metadata.provider.p)
		return refuse(r, ERR_BAD_REQUEST, "metadata must have request_id and provider.");
	if (!payment_network_find(config()->payment_networks, in.network, &n))
		return refuse(r, ERR_BAD_REQUEST, "network must be one that the settings name.");
	if ((e = check_amount(r, &in, &n)) != ERR_OK)
		return e;
	(void)!payment_recipient(config()->payment_recipients, in.metadata.provider, n.name, &to);
	return sql_payment_start(r, payment_started, in.user_id,
	    in.project_id.p ? in.project_id : S("default"), in.metadata.request_id, in.amount,
	    n.name, to, in.metadata.provider, in.metadata.model, r->body, config_credits_required(),
	    config()->queue_max);
}

/* GET /api/v1/payments/{id}/status: by a transaction's hash, or the payment's id. */
enum err
payment_status(struct req *r)
{
	return sql_payment_status(r, res_one, path_text(r, 0));
}
