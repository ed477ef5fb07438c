/* The caller's settings, and the API key that belongs to them. */
#include "handlers/account/account.h"
#include "sql_api.h"

/* GET /api/settings: with the defaults of whatever was never set. */
enum err
settings_show(struct req *r)
{
	return sql_settings_show(r, res_one);
}

/* PUT /api/settings: merges into the settings; apiKey, usage, uid and the like are ignored. */
enum err
settings_merge(struct req *r)
{
	json_object *o;
	enum err e;

	if ((e = body_object(r, &o)) != ERR_OK)
		return e;
	return sql_settings_merge(r, res_one, r->body);
}

static enum err
settings_key_made(struct req *r)
{
	struct buf b = { .a = r->a };

	buf_put(&b, S("{\"apiKey\":"));
	buf_json(&b, *(struct str *)r->state);
	buf_put(&b, S("}"));
	return reply_json(r, 200, buf_str(&b));
}

/* POST /api/settings/regenerate-api-key: shows the key this once; the old one stops at once. */
enum err
settings_new_key(struct req *r)
{
	struct str *key = arena_alloc(r->a, sizeof(*key));

	*key = api_key_new(r->a);
	r->state = key;
	return sql_settings_new_key(r, settings_key_made, sha256(r->a, *key),
	    api_key_shown(r->a, *key), api_key_of_caller(r));
}
