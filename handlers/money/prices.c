/* What models cost, by the thousand tokens; each price stays, with the time it counts from. */
#include "handlers/money/money.h"
#include "sql_api.h"

#define PRICE_MAX 1000000 /* US dollars a thousand tokens */

struct price_in {
	struct str input_cost_per_1k, output_cost_per_1k;
	struct str cached_input_cost_per_1k, cache_write_cost_per_1k; /* absent: as input */
	struct str reasoning_cost_per_1k; /* absent: as output */
	struct str unit_cost; /* an image, or a second of sound; absent: none */
	struct str source;
};

static const struct field price_fields[] = {
	F_DECIMAL(struct price_in, input_cost_per_1k, 0, PRICE_MAX, REQUIRED),
	F_DECIMAL(struct price_in, output_cost_per_1k, 0, PRICE_MAX, REQUIRED),
	F_DECIMAL(struct price_in, cached_input_cost_per_1k, 0, PRICE_MAX, OPTIONAL),
	F_DECIMAL(struct price_in, cache_write_cost_per_1k, 0, PRICE_MAX, OPTIONAL),
	F_DECIMAL(struct price_in, reasoning_cost_per_1k, 0, PRICE_MAX, OPTIONAL),
	F_DECIMAL(struct price_in, unit_cost, 0, PRICE_MAX, OPTIONAL),
	F_STR(struct price_in, source, 1, 500, OPTIONAL),
};
FIELD_TABLE(price_body, struct price_in, price_fields, price_set);

/* GET /api/v1/providers: those that have prices, with the models that do. */
enum err
provider_list(struct req *r)
{
	return sql_provider_list(r, res_one);
}

/* GET /api/v1/providers/{provider}/models/{model}/cost */
enum err
price_show(struct req *r)
{
	return sql_price_show(r, res_one, path_text(r, 0), path_text(r, 1));
}

/* PUT /api/v1/providers/{provider}/models/{model}/cost: from now on. */
enum err
price_set(struct req *r)
{
	struct price_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, price_body, &in)) != ERR_OK)
		return e;
	return sql_price_set(r, res_one, path_text(r, 0), path_text(r, 1), in.input_cost_per_1k,
	    in.output_cost_per_1k, in.cached_input_cost_per_1k, in.cache_write_cost_per_1k,
	    in.reasoning_cost_per_1k, in.unit_cost, in.source);
}

/* GET /api/v1/providers/{provider}/models/{model}/prices: that price, and those before it. */
enum err
price_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_price_list(
	    r, res_list, path_text(r, 0), path_text(r, 1), list_rows(r, in.limit), in.before);
}
