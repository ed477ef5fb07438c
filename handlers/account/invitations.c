/*
 * Invitations: links that each make one account. Where there is a page for them, a link is that
 * page with the token in it; the token alone also does for a sign-in by a provider.
 */
#include <millrace/config.h>

#include "handlers/account/account.h"
#include "sql_api.h"

#define TOKEN_LEN 32 /* bytes */
#define DAYS_DEFAULT 7
#define DAYS_MAX 90

struct invitation_in {
	struct str email;
	int64_t days;
};

static const struct field create_fields[] = {
	F_EMAIL(struct invitation_in, email, OPTIONAL),
	F_INT(struct invitation_in, days, 1, DAYS_MAX, OPTIONAL),
};
FIELD_TABLE(invitation_create_body, struct invitation_in, create_fields, invitation_create);

struct inviting {
	struct str token;
	bool mails;
};

static enum err
invitation_created(struct req *r)
{
	const struct inviting *i = r->state;
	const char *page = config()->invite_url;
	struct buf once = { .a = r->a };

	buf_put(&once, S("\"token\":"));
	buf_json(&once, i->token);
	buf_put(&once, S(",\"link\":"));
	buf_json(
	    &once, *page ? arena_fill(r->a, page, "{token}", i->token) : (struct str){ NULL, 0 });
	buf_printf(&once, ",\"mailed\":%s", i->mails ? "true" : "false");
	return account_reply_once(r, buf_str(&once));
}

/* POST /api/v1/admin/invitations: shows the link this once, and mails one to a given address. */
enum err
invitation_create(struct req *r)
{
	struct inviting *i = arena_alloc(r->a, sizeof(*i));
	struct invitation_in in = { .days = DAYS_DEFAULT };
	enum err e;

	if ((e = body_bind(r, invitation_create_body, &in)) != ERR_OK)
		return e;
	if (strcmp(config()->registration, "closed") == 0)
		return refuse(r, ERR_CONFLICT,
		    "Registration is closed (MILLRACE_REGISTRATION): an invitation would be of no "
		    "use.");
	*i = (struct inviting){ random_text(r->a, TOKEN_LEN),
		in.email.p && config_has_mail() && *config()->invite_url };
	r->state = i;
	return sql_invitation_create(
	    r, invitation_created, in.email, in.days, sha256(r->a, i->token), i->mails);
}

/* GET /api/v1/admin/invitations */
enum err
invitation_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_invitation_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* DELETE /api/v1/admin/invitations/{id}: its links make no account any more. */
enum err
invitation_withdraw(struct req *r)
{
	return sql_invitation_withdraw(r, res_empty, path_uuid(r, 0));
}
