/* A forgotten password: a mailed link (runner/jobs/mail.c), which is good for one new password. */
#include "handlers/identity/identity.h"
#include "sql_api.h"

struct request_in {
	struct str email;
};

struct confirm_in {
	struct str token;
	struct str password;
};

static const struct field request_fields[] = {
	F_EMAIL(struct request_in, email, REQUIRED),
};
FIELD_TABLE(reset_request_body, struct request_in, request_fields, reset_request);

static const struct field confirm_fields[] = {
	F_STR(struct confirm_in, token, 1, 128, REQUIRED),
	F_PASSWORD(struct confirm_in, password, REQUIRED),
};
FIELD_TABLE(reset_confirm_body, struct confirm_in, confirm_fields, reset_confirm);

/* A reset under way. */
struct confirming {
	struct str hash; /* of the token */
	struct str password;
};

/*
 * POST /api/auth/reset-password: the reply is the same for everybody; the runner looks later
 * whether there is such an account.
 */
enum err
reset_request(struct req *r)
{
	struct request_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, reset_request_body, &in)) != ERR_OK)
		return e;
	return sql_reset_request(r, res_one, in.email);
}

static enum err
reset_token_checked(struct req *r)
{
	const struct confirming *c = r->state;

	if (!row_bool(r, 0, 0))
		return refuse(
		    r, ERR_BAD_REQUEST, "The link has been used or is too old; ask for a new one.");
	return sql_reset_confirm(r, res_one, c->hash, password_hash(r->a, c->password));
}

/* POST /api/auth/reset-password/confirm: checks the token first; a wrong one costs no hash. */
enum err
reset_confirm(struct req *r)
{
	struct confirm_in in = { 0 };
	struct confirming *c = arena_alloc(r->a, sizeof(*c));
	enum err e;

	if ((e = body_bind(r, reset_confirm_body, &in)) != ERR_OK)
		return e;
	*c = (struct confirming){ .hash = sha256(r->a, in.token), .password = in.password };
	r->state = c;
	return sql_reset_is_valid(r, reset_token_checked, c->hash);
}
