/* A forgotten password: a mailed link (the runner's jobs/mail.c), and the new password that it is good for. */
#include <millrace/address.h>
#include <millrace/fields.h>

#include "handlers/handlers.h"
#include "sql_api.h"

struct ask_in {
	struct str email;
};

struct confirm_in {
	struct str token;
	struct str password;
};

static const struct field ask_fields[] = {
	F_CHECKED(
	    struct ask_in, email, 3, 254, REQUIRED, address_is_email, "must be an e-mail address"),
};
const struct field_table reset_ask_body = FIELD_TABLE(struct ask_in, ask_fields);

static const struct field confirm_fields[] = {
	F_STR(struct confirm_in, token, 1, 128, REQUIRED),
	F_CHECKED(struct confirm_in, password, 1, 1024, REQUIRED, auth_is_password,
	    "must have 8 to 1024 bytes"),
};
const struct field_table reset_confirm_body = FIELD_TABLE(struct confirm_in, confirm_fields);

/* A reset under way. */
struct confirming {
	struct str hash; /* of the token */
	struct str password;
};

/* POST /api/auth/reset-password: says the same to everybody. Whether there is such an account, the runner looks up later. */
enum err
reset_ask(struct req *r)
{
	struct ask_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return sql_reset_ask(r, res_one, in.email);
}

static enum err
is_valid(struct req *r)
{
	const struct confirming *c = r->state;

	if (!row_bool(r, 0, 0))
		return refuse(
		    r, ERR_BAD_REQUEST, "The link has been used or is too old; ask for a new one.");
	return sql_reset_confirm(r, res_one, c->hash, password_hash(r->a, c->password));
}

/* POST /api/auth/reset-password/confirm: a token is looked at first, so that a wrong one does not cost a hash. */
enum err
reset_confirm(struct req *r)
{
	struct confirm_in in = { 0 };
	struct confirming *c = arena_alloc(r->a, sizeof(*c));
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	*c = (struct confirming){ .hash = sha256(r->a, in.token), .password = in.password };
	r->state = c;
	return sql_reset_is_valid(r, is_valid, c->hash);
}
