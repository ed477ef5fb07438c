/*
 * Users and their projects: what they may spend, and on what. A service account names both itself,
 * and what it sets or spends makes them; anybody else is named by their id.
 */
#include "handlers/money/money.h"
#include "sql_api.h"

#define POLICY_ENTRIES 100
#define MODELS_MAX 32768 /* bytes */

struct budget_in {
	struct str daily_limit, monthly_limit, per_request_limit;
};

static const struct field budget_fields[] = {
	F_DECIMAL(struct budget_in, daily_limit, 0, MONEY_MAX, OPTIONAL),
	F_DECIMAL(struct budget_in, monthly_limit, 0, MONEY_MAX, OPTIONAL),
	F_DECIMAL(struct budget_in, per_request_limit, 0, MONEY_MAX, OPTIONAL),
};
FIELD_TABLE(budget_body, struct budget_in, budget_fields, budget_set);

struct budget_show_in {
	bool reserved;
};

static const struct field show_fields[] = {
	F_BOOL(struct budget_show_in, reserved, OPTIONAL),
};
FIELD_TABLE(budget_query, struct budget_show_in, show_fields, budget_show);

struct rates_in {
	int64_t requests_per_minute, tokens_per_hour; /* 0: no limit */
};

static const struct field rates_fields[] = {
	F_INT(struct rates_in, requests_per_minute, 1, 1000000000, OPTIONAL),
	F_INT(struct rates_in, tokens_per_hour, 1, 1000000000000, OPTIONAL),
};

struct policies_in {
	struct str_list allowed_providers;
	struct str allowed_models; /* an object */
	struct rates_in rate_limits;
	struct str_list forbidden_operations;
	struct str require_approval_above;
};

static const struct field policies_fields[] = {
	F_STRS(struct policies_in, allowed_providers, POLICY_ENTRIES, OPTIONAL),
	F_JSON(struct policies_in, allowed_models, MODELS_MAX, OPTIONAL),
	F_OBJECT(struct policies_in, rate_limits, rates_fields, OPTIONAL),
	F_STRS(struct policies_in, forbidden_operations, POLICY_ENTRIES, OPTIONAL),
	F_DECIMAL(struct policies_in, require_approval_above, 0, MONEY_MAX, OPTIONAL),
};
FIELD_TABLE(policies_body, struct policies_in, policies_fields, policies_set);

struct spending_in {
	struct str amount, request_id, timestamp;
};

static const struct field spending_fields[] = {
	F_DECIMAL(struct spending_in, amount, 0, MONEY_MAX, REQUIRED),
	F_STR(struct spending_in, request_id, 1, 200, REQUIRED),
	F_TIME(struct spending_in, timestamp, OPTIONAL),
};
FIELD_TABLE(spending_body, struct spending_in, spending_fields, spending_add);

/* GET /api/v1/users/{user_id} */
enum err
user_money(struct req *r)
{
	return sql_user_money(r, res_one, path_text(r, 0));
}

/* GET /api/v1/users/{user_id}/projects/{project_id}/budget: what is reserved, where it is asked
 * for. */
enum err
budget_show(struct req *r)
{
	struct budget_show_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, budget_query, &in)) != ERR_OK)
		return e;
	return sql_budget_show(r, res_one, path_text(r, 0), path_text(r, 1), in.reserved);
}

/* PUT /api/v1/users/{user_id}/projects/{project_id}/budget: what is not given has no limit. */
enum err
budget_set(struct req *r)
{
	struct budget_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, budget_body, &in)) != ERR_OK)
		return e;
	return sql_budget_set(r, res_one, path_text(r, 0), path_text(r, 1), in.daily_limit,
	    in.monthly_limit, in.per_request_limit);
}

/* GET /api/v1/users/{user_id}/projects/{project_id}/policies */
enum err
policies_show(struct req *r)
{
	return sql_policies_show(r, res_one, path_text(r, 0), path_text(r, 1));
}

/* PUT /api/v1/users/{user_id}/projects/{project_id}/policies: what is not given is not limited. */
enum err
policies_set(struct req *r)
{
	struct policies_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, policies_body, &in)) != ERR_OK)
		return e;
	return sql_policies_set(r, res_one, path_text(r, 0), path_text(r, 1), in.allowed_providers,
	    in.allowed_models, in.rate_limits.requests_per_minute, in.rate_limits.tokens_per_hour,
	    in.forbidden_operations, in.require_approval_above, !in.allowed_providers.p);
}

/* POST /api/v1/users/{user_id}/projects/{project_id}/spending */
enum err
spending_add(struct req *r)
{
	struct spending_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, spending_body, &in)) != ERR_OK)
		return e;
	return sql_spending_add(
	    r, res_one, path_text(r, 0), path_text(r, 1), in.amount, in.request_id, in.timestamp);
}
