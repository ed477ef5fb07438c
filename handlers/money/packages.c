/* What is sold: packages, and campaigns that lower a price; and the caller's subscriptions. */
#include "handlers/money/money.h"
#include "sql_api.h"

struct package_in {
	struct str name, description;
	struct str price_usd, period, credits_usd;
	struct str_list features;
	struct str stripe_price_id;
	bool active;
};

static const char *const periods[] = { "month", "year", "once", NULL };

static const struct field package_fields[] = {
	F_SHOWN(struct package_in, name, 200, REQUIRED),
	F_STR(struct package_in, description, 0, 10000, OPTIONAL),
	F_DECIMAL(struct package_in, price_usd, 0, MONEY_MAX, REQUIRED),
	F_ENUM(struct package_in, period, periods, OPTIONAL),
	F_DECIMAL(struct package_in, credits_usd, 0, MONEY_MAX, OPTIONAL),
	F_STRS(struct package_in, features, 100, OPTIONAL),
	F_STR(struct package_in, stripe_price_id, 1, 255, OPTIONAL),
	F_BOOL(struct package_in, active, OPTIONAL),
};
FIELD_TABLE(package_create_body, struct package_in, package_fields, package_create);
FIELD_TABLE(package_change_body, struct package_in, package_fields, package_change);

struct campaign_in {
	struct uuid package_id;
	struct str name, price_usd, starts_at, ends_at;
};

static const struct field campaign_fields[] = {
	F_UUID(struct campaign_in, package_id, REQUIRED),
	F_SHOWN(struct campaign_in, name, 200, REQUIRED),
	F_DECIMAL(struct campaign_in, price_usd, 0, MONEY_MAX, REQUIRED),
	F_TIME(struct campaign_in, starts_at, REQUIRED),
	F_TIME(struct campaign_in, ends_at, REQUIRED),
};
FIELD_TABLE(campaign_create_body, struct campaign_in, campaign_fields, campaign_create);
FIELD_TABLE(campaign_change_body, struct campaign_in, campaign_fields, campaign_change);

/* GET /api/pricing/packages: those that are active; for an administrator all. */
enum err
package_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_package_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* POST /api/pricing/packages */
enum err
package_create(struct req *r)
{
	struct package_in in = { .active = true };
	enum err e;

	if ((e = body_bind(r, package_create_body, &in)) != ERR_OK)
		return e;
	return sql_package_create(r, res_created, in.name, in.description, in.price_usd, in.period,
	    in.credits_usd, in.features, in.stripe_price_id, in.active);
}

/* PUT /api/pricing/packages/{id}: all of it; what is not given has its default again. */
enum err
package_change(struct req *r)
{
	struct package_in in = { .active = true };
	enum err e;

	if ((e = body_bind(r, package_change_body, &in)) != ERR_OK)
		return e;
	return sql_package_change(r, res_one, path_uuid(r, 0), in.name, in.description,
	    in.price_usd, in.period, in.credits_usd, in.features, in.stripe_price_id, in.active);
}

/* DELETE /api/pricing/packages/{id}: with its campaigns; subscriptions stay, without a package. */
enum err
package_delete(struct req *r)
{
	return sql_package_delete(r, res_empty, path_uuid(r, 0));
}

/* GET /api/pricing/campaigns */
enum err
campaign_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_campaign_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* POST /api/pricing/campaigns */
enum err
campaign_create(struct req *r)
{
	struct campaign_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, campaign_create_body, &in)) != ERR_OK)
		return e;
	return sql_campaign_create(
	    r, res_created, in.package_id, in.name, in.price_usd, in.starts_at, in.ends_at);
}

/* PUT /api/pricing/campaigns/{id} */
enum err
campaign_change(struct req *r)
{
	struct campaign_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, campaign_change_body, &in)) != ERR_OK)
		return e;
	return sql_campaign_change(r, res_one, path_uuid(r, 0), in.package_id, in.name,
	    in.price_usd, in.starts_at, in.ends_at);
}

/* DELETE /api/pricing/campaigns/{id} */
enum err
campaign_delete(struct req *r)
{
	return sql_campaign_delete(r, res_empty, path_uuid(r, 0));
}

/* GET /api/subscriptions */
enum err
subscription_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_subscription_list(r, res_list, list_rows(r, in.limit), in.before);
}
