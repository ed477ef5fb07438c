/* The caller's settings, and the API key that belongs to them. */
#include "handlers/handlers.h"
#include "sql_api.h"

/* GET /api/settings: the defaults where nothing was ever set. */
enum err
settings_show(struct req *r)
{
	return sql_settings_show(r, res_one);
}

/* PUT /api/settings: merged into what is there; apiKey, usage, uid and the like are ignored. */
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
key_made(struct req *r)
{
	struct buf b = { .a = r->a };

	buf_put(&b, S("{\"apiKey\":"));
	buf_json(&b, *(struct str *)r->state);
	buf_put(&b, S("}"));
	return reply_json(r, 200, buf_str(&b));
}

/* POST /api/settings/regenerate-api-key: shown this once; the one before stops at once. */
enum err
settings_new_key(struct req *r)
{
	struct str *key = arena_alloc(r->a, sizeof(*key));

	*key = api_key_new(r->a);
	r->state = key;
	return sql_settings_new_key(r, key_made, sha256(r->a, *key), api_key_shown(r->a, *key));
}
