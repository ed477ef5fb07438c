#include "handlers/gateway/gateway.h"
#include "sql_api.h"

/* GET /v1/models */
enum err
model_list(struct req *r)
{
	return sql_model_list(r, res_one);
}

/* GET /v1/models/{model}; clients write a slash within the name as %2F, which nginx decodes. */
enum err
model_show(struct req *r)
{
	struct str name = path_text(r, 0);

	if (r->match.n_parts > 1)
		name = arena_printf(r->a, "%.*s/%.*s", S_ARG(name), S_ARG(path_text(r, 1)));
	return sql_model_show(r, res_one, name);
}
