/*
 * Figures of all users, for administrators and for API keys with the scope analytics:read: an
 * overview, series, what each model did, and what was paid.
 */
#include "handlers/insight/insight.h"
#include "sql_api.h"

#define DAYS_DEFAULT 30
#define DAYS_MAX 366

struct overview_in {
	int64_t days;
	struct str currency; /* of the revenue */
};

static const struct field overview_fields[] = {
	F_INT(struct overview_in, days, 1, DAYS_MAX, OPTIONAL),
	F_STR(struct overview_in, currency, 3, 3, OPTIONAL),
};
FIELD_TABLE(analytics_overview_query, struct overview_in, overview_fields, analytics_overview);

struct period_in {
	struct str start_date; /* absent: DAYS_DEFAULT before now; of revenue a year */
	struct str end_date; /* absent: now */
	struct str aggregation;
	struct str timezone; /* of days, weeks and months, and of dates without a time */
	struct str currency; /* of the revenue */
};

static const char *const aggregations[] = { "daily", "weekly", "monthly", NULL };

#define PERIOD_FIELDS                                     \
	F_TIME(struct period_in, start_date, OPTIONAL),   \
	    F_TIME(struct period_in, end_date, OPTIONAL), \
	    F_TIMEZONE(struct period_in, timezone, OPTIONAL)

static const struct field series_fields[] = {
	PERIOD_FIELDS,
	F_ENUM(struct period_in, aggregation, aggregations, OPTIONAL),
	F_STR(struct period_in, currency, 3, 3, OPTIONAL),
};
FIELD_TABLE(analytics_series_query, struct period_in, series_fields, analytics_series);

static const struct field span_fields[] = { PERIOD_FIELDS };
FIELD_TABLE(analytics_models_query, struct period_in, span_fields, analytics_models);
FIELD_TABLE(analytics_revenue_query, struct period_in, span_fields, analytics_revenue);

/* GET /api/analytics/overview: the last ?days= and how they compare with as many before. */
enum err
analytics_overview(struct req *r)
{
	struct overview_in in = { .days = DAYS_DEFAULT, .currency = S("usd") };
	enum err e;

	if ((e = query_bind(r, analytics_overview_query, &in)) != ERR_OK)
		return e;
	return sql_analytics_overview(r, res_one, r->caller.key_hash, in.days, in.currency);
}

/* GET /api/analytics/{leads,conversations,models,revenue}/trends */
enum err
analytics_series(struct req *r)
{
	struct period_in in = {
		.aggregation = S("daily"), .timezone = S("UTC"), .currency = S("usd")
	};
	struct str rest = str_from(r->route->path), part = { NULL, 0 };
	enum err e;

	if ((e = query_bind(r, analytics_series_query, &in)) != ERR_OK)
		return e;
	for (int i = 0; i < 4; i++) /* "", api, analytics, what */
		rest = str_cut(rest, '/', &part);
	return sql_analytics_series(r, res_one, r->caller.key_hash, part, in.start_date,
	    in.end_date, in.aggregation, in.timezone, in.currency);
}

/* GET /api/analytics/models: what each model did in a time, the busiest first. */
enum err
analytics_models(struct req *r)
{
	struct period_in in = { .timezone = S("UTC") };
	enum err e;

	if ((e = query_bind(r, analytics_models_query, &in)) != ERR_OK)
		return e;
	return sql_analytics_models(
	    r, res_one, r->caller.key_hash, in.start_date, in.end_date, in.timezone);
}

/* GET /api/analytics/revenue: what each package brought, by month. */
enum err
analytics_revenue(struct req *r)
{
	struct period_in in = { .timezone = S("UTC") };
	enum err e;

	if ((e = query_bind(r, analytics_revenue_query, &in)) != ERR_OK)
		return e;
	return sql_analytics_revenue(
	    r, res_one, r->caller.key_hash, in.start_date, in.end_date, in.timezone);
}
