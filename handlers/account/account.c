/* Accounts under /api/v1: one's own, and everybody's for an administrator. */
#include <time.h>

#include <millrace/config.h>

#include "handlers/account/account.h"
#include "handlers/identity/identity.h"
#include "sql_api.h"

struct account_in {
	struct str username;
	struct str password;
	struct str email;
	struct str name;
	struct str timezone;
	struct str role;
};

#define FRESH_SECONDS (15 * 60) /* sql/functions/account.sql names it to people */

static const char *const account_roles[] = { "user", "admin", "service", NULL };

#define ACCOUNT_FIELDS                                         \
	F_USERNAME(struct account_in, username, OPTIONAL),     \
	    F_EMAIL(struct account_in, email, OPTIONAL),       \
	    F_SHOWN(struct account_in, name, 200, OPTIONAL),   \
	    F_TIMEZONE(struct account_in, timezone, OPTIONAL), \
	    F_ENUM(struct account_in, role, account_roles, OPTIONAL)

static const struct field change_fields[] = {
	ACCOUNT_FIELDS,
	F_STR(struct account_in, password, 1, PASSWORD_BYTES_MAX, OPTIONAL),
};
FIELD_TABLE(account_change_body, struct account_in, change_fields, account_change);

static const struct field make_fields[] = {
	ACCOUNT_FIELDS,
	F_PASSWORD(struct account_in, password, OPTIONAL),
};
FIELD_TABLE(account_make_body, struct account_in, make_fields, account_make);

/* Did the caller sign in just before? Other issuers' tokens are short-lived themselves. */
static bool
account_is_fresh(const struct req *r)
{
	return r->caller.how == CALLER_EXTERNAL ||
	       (r->caller.how == CALLER_SESSION &&
		   r->caller.claims.issued_at > time(NULL) - FRESH_SECONDS);
}

static enum err
account_made(struct req *r)
{
	return row_bool(r, 0, 1) ? res_created(r) : res_one(r);
}

static enum err
account_store(struct req *r, struct str hash)
{
	const struct account_in *in = r->state;

	return sql_account_make(r, account_made, in->username, hash, in->email, in->name,
	    in->timezone, in->role, account_is_fresh(r), config_has_mail());
}

static enum err
account_admin_checked(struct req *r)
{
	const struct account_in *in = r->state;

	if (!row_bool(r, 0, 0))
		return refuse(r, ERR_FORBIDDEN, "Only an administrator makes accounts for others.");
	return account_store(r, password_hash(r->a, in->password));
}

/*
 * POST /api/v1/user/dao: an administrator makes an account (201); anybody else completes their own
 * (200), without a password. The role is checked first, so that nobody else has passwords hashed.
 */
enum err
account_make(struct req *r)
{
	struct account_in *in = arena_alloc(r->a, sizeof(*in));
	enum err e;

	if ((e = body_bind(r, account_make_body, in)) != ERR_OK)
		return e;
	r->state = in;
	if (in->password.p)
		return sql_account_is_admin(r, account_admin_checked);
	return account_store(r, (struct str){ NULL, 0 });
}

/* GET /api/v1/admin/user: the caller's own account. */
enum err
account_show(struct req *r)
{
	return sql_account_show(r, res_one);
}

/* GET /api/v1/user/dao/{id} */
enum err
account_find(struct req *r)
{
	return sql_account_find(r, res_one, path_uuid(r, 0));
}

/* `hash` is what the caller's password was checked against; absent: it was not. */
static enum err
account_update(struct req *r, const struct account_in *in, struct str hash)
{
	return sql_account_change(r, res_one, path_uuid(r, 0), in->username, in->email, in->name,
	    in->timezone, in->role, hash, account_is_fresh(r), config_has_mail());
}

/* The input is bound once more: auth_sign_in had r->state. */
static enum err
account_password_right(struct req *r, const struct signing_in *right)
{
	struct account_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, account_change_body, &in)) != ERR_OK)
		return e;
	return account_update(r, &in, right->hash);
}

static enum err
account_password_wrong(struct req *r)
{
	return refuse(r, ERR_FORBIDDEN, "The password is wrong.");
}

static enum err
account_check_password(struct req *r)
{
	const struct account_in *in = r->state;

	if (row_count(r) == 0)
		return account_update(r, in, (struct str){ NULL, 0 });
	return auth_sign_in(r, arena_str(r->a, row_text(r, 0, 0)), in->password,
	    account_password_right, account_password_wrong);
}

/*
 * PUT /api/v1/user/dao/{id}: any subset; a role is for an administrator to give, and another
 * address of one's own needs the password.
 */
enum err
account_change(struct req *r)
{
	struct account_in *in = arena_alloc(r->a, sizeof(*in));
	enum err e;

	if ((e = body_bind(r, account_change_body, in)) != ERR_OK)
		return e;
	r->state = in;
	if (in->email.p && in->password.p)
		return sql_account_address_begin(
		    r, account_check_password, path_uuid(r, 0), in->email);
	return account_update(r, in, (struct str){ NULL, 0 });
}

/* DELETE /api/v1/user/dao/{id}: shuts the account; its data then goes in steps. */
enum err
account_erase(struct req *r)
{
	return sql_account_erase(r, res_empty, path_uuid(r, 0));
}

struct search_in {
	int64_t limit;
	struct uuid before;
	struct str q;
};

static const struct field search_fields[] = {
	F_PAGE(struct search_in),
	F_SEARCH(struct search_in, q),
};
FIELD_TABLE(account_search_query, struct search_in, search_fields, account_search);

static enum err
accounts_searched(struct req *r)
{
	struct search_in *in = r->state;

	if (!list_goes_on(r, &in->before))
		return res_list(r);
	return sql_account_search(
	    r, accounts_searched, in->q, list_rows(r, in->limit), in->before, LIST_LOOK);
}

/* GET /api/v1/user/manager: every account, or those that hold ?q= in a name or the address. */
enum err
account_search(struct req *r)
{
	struct search_in *in = arena_alloc(r->a, sizeof(*in));
	enum err e;

	*in = (struct search_in){ 0 };
	if ((e = query_bind(r, account_search_query, in)) != ERR_OK)
		return e;
	r->state = in;
	return sql_account_search(
	    r, accounts_searched, in->q, list_rows(r, in->limit), in->before, LIST_LOOK);
}

enum err
account_reply_once(struct req *r, struct str once)
{
	struct str object = row_text(r, 0, 0);
	struct buf b = { .a = r->a };

	if (object.n < 2)
		return ERR_INTERNAL;
	buf_printf(&b, "{%.*s,%.*s", S_ARG(once), (int)object.n - 1, object.p + 1);
	return reply_json(r, 201, buf_str(&b));
}
