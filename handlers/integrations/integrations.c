/* Integrations: made, listed, read, changed, deleted. */
#include <millrace/config.h>

#include "handlers/integrations/integrations.h"
#include "sql_api.h"

struct config_in {
	struct str_list allowed_origins;
	struct str bot_token, signing_secret;
};

struct integration_in {
	struct str name;
	struct uuid chatbot_id;
	struct str status;
	struct config_in config;
};

static const char *const statuses[] = { "active", "inactive", NULL };
static const char *const shown_statuses[] = { "active", "inactive", "error", NULL };

/* What was read may be written back; a credential given here would never be looked at. */
static const char *const masks[] = { "••••••••", NULL };
#define ELSEWHERE "is given to POST /api/integrations/slack/{id}/credentials"
static const struct field config_fields[] = {
	F_ORIGINS(struct config_in, allowed_origins, 100, OPTIONAL),
	F_ENUM_OR(struct config_in, bot_token, masks, OPTIONAL, ELSEWHERE),
	F_ENUM_OR(struct config_in, signing_secret, masks, OPTIONAL, ELSEWHERE),
};

#define INTEGRATION_FIELDS(need, words)                             \
	F_SHOWN(struct integration_in, name, 200, need),            \
	    F_UUID(struct integration_in, chatbot_id, need),        \
	    F_ENUM(struct integration_in, status, words, OPTIONAL), \
	    F_OBJECT(struct integration_in, config, config_fields, OPTIONAL)

static const struct field create_fields[] = { INTEGRATION_FIELDS(REQUIRED, statuses) };
FIELD_TABLE(integration_create_body, struct integration_in, create_fields, integration_create);

static const struct field change_fields[] = { INTEGRATION_FIELDS(OPTIONAL, shown_statuses) };
FIELD_TABLE(integration_change_body, struct integration_in, change_fields, integration_change);

struct str
server_url(struct req *r)
{
	struct str host = req_param(r, "HTTP_HOST");

	if (*config()->public_url || !host.p)
		return config_public_url();
	return arena_printf(r->a, "https://%.*s", S_ARG(host));
}

/* What was given, as a JSON object. */
static struct str
config_json(struct arena *a, const struct config_in *in)
{
	struct buf b = { .a = a };

	if (!in->allowed_origins.p)
		return S("{}");
	buf_put(&b, S("{\"allowedOrigins\":["));
	for (size_t i = 0; i < in->allowed_origins.n; i++) {
		buf_put(&b, i ? S(",") : S(""));
		buf_json(&b, in->allowed_origins.p[i]);
	}
	buf_put(&b, S("]}"));
	return buf_str(&b);
}

/* GET /api/integrations */
enum err
integration_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_integration_list(r, res_list, server_url(r), list_rows(r, in.limit), in.before);
}

/* POST /api/integrations/{type} */
enum err
integration_create(struct req *r)
{
	struct integration_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, integration_create_body, &in)) != ERR_OK)
		return e;
	return sql_integration_create(r, res_created, path_text(r, 0), in.name, in.chatbot_id,
	    in.status, config_json(r->a, &in.config), server_url(r));
}

/* GET /api/integrations/{id} */
enum err
integration_show(struct req *r)
{
	return sql_integration_show(r, res_one, path_uuid(r, 0), server_url(r));
}

/* PUT /api/integrations/{id}: any subset. */
enum err
integration_change(struct req *r)
{
	struct integration_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, integration_change_body, &in)) != ERR_OK)
		return e;
	/* An integration comes to it by itself: written back it changes nothing. */
	if (str_eq(in.status, S("error")))
		in.status = (struct str){ NULL, 0 };
	return sql_integration_change(r, res_one, path_uuid(r, 0), in.name, in.chatbot_id,
	    in.status, config_json(r->a, &in.config), server_url(r));
}

/* DELETE /api/integrations/{id} */
enum err
integration_delete(struct req *r)
{
	return sql_integration_delete(r, res_empty, path_uuid(r, 0));
}
