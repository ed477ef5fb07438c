/*
 * A caller's API keys: several, each with a name, scopes and perhaps an end. A key that makes keys
 * hands on no more than it has (sql/functions/account.sql).
 */
#include <millrace/scope.h>

#include "handlers/account/account.h"
#include "sql_api.h"

#define SCOPES_MAX 10

struct key_in {
	struct str name;
	struct str_list scopes;
	struct str expires_at;
};

static const struct field create_fields[] = {
	F_SHOWN(struct key_in, name, 200, REQUIRED),
	F_NAMES(struct key_in, scopes, scope_names, SCOPES_MAX, OPTIONAL),
	F_TIME(struct key_in, expires_at, OPTIONAL),
};
FIELD_TABLE(api_key_create_body, struct key_in, create_fields, api_key_create);

struct str
api_key_of_caller(const struct req *r)
{
	return r->caller.how == CALLER_KEY ? r->caller.key_hash : (struct str){ NULL, 0 };
}

static enum err
api_key_created(struct req *r)
{
	struct buf once = { .a = r->a };

	buf_put(&once, S("\"apiKey\":"));
	buf_json(&once, *(struct str *)r->state);
	return account_reply_once(r, buf_str(&once));
}

/* POST /api/settings/api-keys: shows the key this once. */
enum err
api_key_create(struct req *r)
{
	static struct str usual[] = { { "read", 4 }, { "write", 5 } };
	struct str *key = arena_alloc(r->a, sizeof(*key));
	struct key_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, api_key_create_body, &in)) != ERR_OK)
		return e;
	if (in.scopes.n == 0)
		in.scopes = (struct str_list){ usual, 2 };
	*key = api_key_new(r->a);
	r->state = key;
	return sql_api_key_create(r, api_key_created, sha256(r->a, *key), api_key_shown(r->a, *key),
	    in.name, in.scopes, in.expires_at, api_key_of_caller(r));
}

/* GET /api/settings/api-keys: those that were not revoked; never a key itself. */
enum err
api_key_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_api_key_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* DELETE /api/settings/api-keys/{id}: ends at once whatever the key is used for. */
enum err
api_key_revoke(struct req *r)
{
	return sql_api_key_revoke(r, res_empty, path_uuid(r, 0));
}
