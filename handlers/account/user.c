/* The caller's own profile. */
#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>

#include <millrace/fields.h>

#include "handlers/handlers.h"
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

/* As tzdata installs it. (No dot is let through, so the path stays below.) */
bool
user_is_timezone(struct str s)
{
	char path[128];
	struct stat st;

	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (i == 0 || !strchr("_+-/", s.p[i])))
			return false;
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", S_ARG(s));
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const struct field assistant_fields[] = {
	F_STR(struct assistant_in, name, 1, 100, OPTIONAL),
	F_STRS(struct assistant_in, interests, 50, OPTIONAL),
};
static const struct field user_fields[] = {
	F_STR(struct user_in, name, 1, 200, OPTIONAL),
	F_CHECKED(struct user_in, timezone, 1, 64, OPTIONAL, user_is_timezone,
	    "must be an IANA time zone, such as Europe/Berlin"),
	F_OBJECT(struct user_in, assistant, assistant_fields, OPTIONAL),
};
const struct field_table user_change_body = FIELD_TABLE(struct user_in, user_fields);

/* GET /api/user */
enum err
user_show(struct req *r)
{
	return sql_user_show(r, res_one);
}

/* PATCH /api/user: any subset of name, timezone, assistant. */
enum err
user_change(struct req *r)
{
	struct user_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return sql_user_change(r, res_one, in.name, in.timezone, in.assistant.name,
	    in.assistant.interests, in.assistant.interests.p != NULL);
}
