/* The caller's own profile. */
#include "handlers/account/account.h"
#include "sql_api.h"

struct assistant_in {
	struct str name;
	struct str_list interests;
};

struct user_in {
	struct str name;
	struct str timezone;
	struct assistant_in assistant;
};

static const struct field assistant_fields[] = {
	F_SHOWN(struct assistant_in, name, 100, OPTIONAL),
	F_STRS(struct assistant_in, interests, 50, OPTIONAL),
};
static const struct field user_fields[] = {
	F_SHOWN(struct user_in, name, 200, OPTIONAL),
	F_TIMEZONE(struct user_in, timezone, OPTIONAL),
	F_OBJECT(struct user_in, assistant, assistant_fields, OPTIONAL),
};
FIELD_TABLE(user_change_body, struct user_in, user_fields, user_change);

/* GET /api/user */
enum err
user_show(struct req *r)
{
	return sql_user_show(r, res_one);
}

/* PATCH /api/user and POST /api/settings: any subset of name, timezone, assistant. */
enum err
user_change(struct req *r)
{
	struct user_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, user_change_body, &in)) != ERR_OK)
		return e;
	return sql_user_change(r, res_one, in.name, in.timezone, in.assistant.name,
	    in.assistant.interests, in.assistant.interests.p != NULL);
}
