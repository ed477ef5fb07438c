/* What the caller used, day by day, and what became of their credits. */
#include "handlers/money/money.h"
#include "sql_api.h"

#define DAYS_DEFAULT 7
#define DAYS_MAX 366

struct usage_in {
	int64_t days;
};

static const struct field usage_fields[] = {
	F_INT(struct usage_in, days, 1, DAYS_MAX, OPTIONAL),
};
FIELD_TABLE(usage_query, struct usage_in, usage_fields, usage_show);

struct grant_in {
	struct uuid user_id;
	struct str amount_usd, reason;
};

static const struct field grant_fields[] = {
	F_UUID(struct grant_in, user_id, REQUIRED),
	F_DECIMAL(struct grant_in, amount_usd, -MONEY_MAX, MONEY_MAX, REQUIRED),
	F_SHOWN(struct grant_in, reason, 1000, REQUIRED),
};
FIELD_TABLE(grant_body, struct grant_in, grant_fields, credits_grant);

/* GET /api/usage */
enum err
usage_show(struct req *r)
{
	struct usage_in in = { .days = DAYS_DEFAULT };
	enum err e;

	if ((e = query_bind(r, usage_query, &in)) != ERR_OK)
		return e;
	return sql_usage_by_day(r, res_one, in.days);
}

/* GET /api/credits/history */
enum err
credit_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_credit_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* POST /api/v1/admin/credits/grant */
enum err
credits_grant(struct req *r)
{
	struct grant_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, grant_body, &in)) != ERR_OK)
		return e;
	return sql_credits_grant(r, res_created, in.user_id, in.amount_usd, in.reason);
}
