/* The caller's settings, and the API key that belongs to them. */
#include "handlers/handlers.h"
#include "sql_api.h"

#define KEY_BYTES 32
#define KEY_SHOWN 8 /* its first characters, for telling keys apart */

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
	struct sha256 *h = sha256_new(r->a);
	struct str *key = arena_alloc(r->a, sizeof(*key));
	char bytes[KEY_BYTES];

	random_bytes(bytes, sizeof(bytes));
	*key = arena_printf(
	    r->a, "mr_%.*s", S_ARG(base64url(r->a, (struct str){ bytes, sizeof(bytes) })));
	sha256_add(h, *key);
	r->state = key;
	return sql_settings_new_key(
	    r, key_made, sha256_end(h), arena_printf(r->a, "%.*s…", KEY_SHOWN, key->p));
}
