/* Accounts under /api/v1: one's own, and everybody's for an administrator; and the export of all that is held. */
#include <millrace/address.h>
#include <millrace/fields.h>

#include "handlers/handlers.h"
#include "sql_api.h"

struct account_in {
	struct str username;
	struct str password;
	struct str email;
	struct str name;
	struct str timezone;
	struct str role;
};

static bool
is_role(struct str s)
{
	return str_eq(s, S("user")) || str_eq(s, S("admin")) || str_eq(s, S("service"));
}

#define ACCOUNT_FIELDS                                                                \
	F_CHECKED(struct account_in, username, 3, 64, OPTIONAL, session_is_username,  \
	    "must be letters, digits, and . _ - after the first"),                    \
	    F_CHECKED(struct account_in, email, 3, 254, OPTIONAL, address_is_email,   \
		"must be an e-mail address"),                                         \
	    F_STR(struct account_in, name, 1, 200, OPTIONAL),                         \
	    F_CHECKED(struct account_in, timezone, 1, 64, OPTIONAL, user_is_timezone, \
		"must be an IANA time zone, such as Europe/Berlin"),                  \
	    F_CHECKED(struct account_in, role, 1, 16, OPTIONAL, is_role,              \
		"must be user, admin or service")

static const struct field change_fields[] = { ACCOUNT_FIELDS };
const struct field_table account_change_body = FIELD_TABLE(struct account_in, change_fields);

static const struct field make_fields[] = {
	ACCOUNT_FIELDS,
	F_CHECKED(struct account_in, password, 1, 1024, OPTIONAL, auth_is_password,
	    "must have 8 to 1024 bytes"),
};
const struct field_table account_make_body = FIELD_TABLE(struct account_in, make_fields);

static enum err
made(struct req *r)
{
	return row_bool(r, 0, 1) ? res_created(r) : res_one(r);
}

static enum err
make(struct req *r, struct str hash)
{
	const struct account_in *in = r->state;

	return sql_account_make(
	    r, made, in->username, hash, in->email, in->name, in->timezone, in->role);
}

static enum err
make_with_password(struct req *r)
{
	const struct account_in *in = r->state;

	if (!row_bool(r, 0, 0))
		return refuse(r, ERR_FORBIDDEN, "Only an administrator makes accounts for others.");
	return make(r, password_hash(r->a, in->password));
}

/* POST /api/v1/user/dao: an administrator makes an account (201); anybody else completes their own (200), without a password. Who it is
   is looked at first, so that nobody else can have passwords hashed. */
enum err
account_make(struct req *r)
{
	struct account_in *in = arena_alloc(r->a, sizeof(*in));
	enum err e;

	if ((e = body_bind(r, in)) != ERR_OK)
		return e;
	r->state = in;
	if (in->password.p)
		return sql_account_is_admin(r, make_with_password);
	return make(r, (struct str){ NULL, 0 });
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

/* PUT /api/v1/user/dao/{id}: any subset; a role is for an administrator to give. */
enum err
account_change(struct req *r)
{
	struct account_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return sql_account_change(
	    r, res_one, path_uuid(r, 0), in.username, in.email, in.name, in.timezone, in.role);
}

/* DELETE /api/v1/user/dao/{id} */
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
	F_INT(struct search_in, limit, 1, LIST_LIMIT_MAX, OPTIONAL),
	F_UUID(struct search_in, before, OPTIONAL),
	F_STR(struct search_in, q, 0, 254, OPTIONAL),
};
const struct field_table account_search_query = FIELD_TABLE(struct search_in, search_fields);

/* GET /api/v1/user/manager: every account, or those that hold ?q= in a name or the address. */
enum err
account_search(struct req *r)
{
	struct search_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, &in)) != ERR_OK)
		return e;
	return sql_account_search(
	    r, res_list, in.q, list_rows(r, &(struct list_in){ in.limit, in.before }), in.before);
}

/* Where the export stands; place 0 is its beginning, an absent one its end. */
struct exporting {
	bool over;
	int64_t place, part;
	struct uuid key;
};

static enum err
export_paged(struct req *r)
{
	struct exporting *x = r->state;

	if (row_count(r) != 1)
		return ERR_INTERNAL;
	x->over = !row_text(r, 0, 1).p;
	if (!x->over) {
		x->key = row_uuid(r, 0, 2);
		if (!str_int(row_text(r, 0, 1), &x->place) || !str_int(row_text(r, 0, 3), &x->part))
			return ERR_INTERNAL;
	}
	return reply_piece(r, row_text(r, 0, 0));
}

static enum err
export_next(struct req *r)
{
	const struct exporting *x = r->state;

	if (x->over)
		return reply_end(r);
	return sql_export_page(r, export_paged, x->place, x->key, x->part);
}

static enum err
export_begun(struct req *r)
{
	struct str piece = row_text(r, 0, 0);
	enum err e;

	if (!piece.p)
		return ERR_INTERNAL;
	reply_header(r, "Content-Disposition", S("attachment; filename=\"millrace-export.json\""));
	reply_header(r, "Cache-Control", S("no-store"));
	if (str_eq(r->method, S("HEAD")))
		return reply_json(r, 200, S(""));
	if ((e = reply_start(r, 200, "application/json", export_next)) != ERR_OK)
		return e;
	return reply_piece(r, piece);
}

/* GET /api/v1/user/export: as one JSON file that is written while it is read. */
enum err
account_export(struct req *r)
{
	struct exporting *x = arena_alloc(r->a, sizeof(*x));

	x->key = (struct uuid){ "00000000-0000-0000-0000-000000000000" };
	r->state = x;
	return sql_export_begin(r, export_begun);
}
