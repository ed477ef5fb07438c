/* Own accounts: register, sign in, sign out. Routes that hash a password are the pool `login`'s. */
#include <time.h>

#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/token.h>

#include "handlers/identity/identity.h"
#include "sql_api.h"

struct register_in {
	struct str email;
	struct str password;
	struct str display_name;
	struct str invitation;
};

struct login_in {
	struct str email;
	struct str password;
};

static const struct field register_fields[] = {
	F_EMAIL(struct register_in, email, REQUIRED),
	F_PASSWORD(struct register_in, password, REQUIRED),
	F_SHOWN(struct register_in, display_name, 200, REQUIRED),
	F_INVITATION(struct register_in, invitation),
};
FIELD_TABLE(auth_register_body, struct register_in, register_fields, auth_register);

static const struct field login_fields[] = {
	F_LOGIN(struct login_in, email, REQUIRED),
	F_STR(struct login_in, password, 1, PASSWORD_BYTES_MAX, REQUIRED),
};
FIELD_TABLE(auth_login_body, struct login_in, login_fields, auth_login);

/* Replies with the first row, an opened session, and its token. */
static enum err
auth_reply_session(struct req *r, int status)
{
	struct claims c = { .session = row_uuid(r, 0, 0), .user = row_uuid(r, 0, 3) };
	struct buf b = { .a = r->a };

	if (!str_int(row_text(r, 0, 1), &c.issued_at) || !str_int(row_text(r, 0, 2), &c.expires_at))
		return ERR_INTERNAL;
	device_set_cookie(r, &c.user);
	buf_put(&b, S("{\"uid\":"));
	buf_json(&b, uuid_str(&c.user));
	buf_put(&b, S(",\"email\":"));
	buf_json(&b, row_text(r, 0, 4));
	buf_put(&b, S(",\"displayName\":"));
	buf_json(&b, row_text(r, 0, 5));
	buf_put(&b, S(",\"token\":"));
	buf_json(&b, token_mint(r->a, &c));
	buf_put(&b, S("}"));
	return reply_json(r, status, buf_str(&b));
}

static enum err
auth_registered(struct req *r)
{
	return auth_reply_session(r, 201);
}

enum err
auth_refused(struct req *r)
{
	return refuse(r, ERR_UNAUTHORIZED, "The address or the password is wrong.");
}

struct str
auth_client(struct req *r)
{
	return address_network(r->a, r->address);
}

enum err
auth_check_wait(struct req *r, int column)
{
	int64_t account, address;

	if (!str_int(row_text(r, 0, column), &account) ||
	    !str_int(row_text(r, 0, column + 1), &address))
		return ERR_INTERNAL;
	if (account <= 0 && address <= 0)
		return ERR_OK;
	r->rate_reset = time(NULL) + (account > address ? account : address);
	r->rate_remaining = 0; /* reply_error tells that wait, and not another refusal's */
	return refuse(r, ERR_RATE_LIMITED,
	    account > address
		? "Too many wrong passwords for this account; wait before the next try."
		: "Too many wrong passwords from this address; wait before the next try.");
}

static enum err
auth_logged_in(struct req *r)
{
	enum err e;

	if (row_count(r) == 0)
		return auth_refused(r);
	if ((e = auth_check_wait(r, 6)) != ERR_OK)
		return e;
	return auth_reply_session(r, 200);
}

/* POST /api/auth/register: a new account, signed in. 409 where the address is in use. */
enum err
auth_register(struct req *r)
{
	struct register_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, auth_register_body, &in)) != ERR_OK)
		return e;
	return sql_auth_register(r, auth_registered, in.email,
	    registration_password(r, in.password, in.invitation), in.display_name,
	    config()->session_seconds, str_from(config()->registration),
	    registration_token(r, in.invitation));
}

static enum err auth_check_password(struct req *r);

static enum err
auth_find_account(struct req *r)
{
	const struct signing_in *in = r->state;

	return sql_auth_find(
	    r, auth_check_password, in->name, auth_client(r), config()->login_address_tries);
}

/* No row: another request has auth_rehashed it meanwhile, so begin again. */
static enum err
auth_rehashed(struct req *r)
{
	struct signing_in *in = r->state;

	if (row_count(r) == 0)
		return auth_find_account(r);
	in->hash = arena_str(r->a, row_text(r, 0, 0));
	return in->open(r, in);
}

/* Of many passwords tried at once, those beyond the limit learn no more than that. */
static enum err
auth_wrong_password(struct req *r)
{
	const struct signing_in *in = r->state;
	enum err e = auth_check_wait(r, 0);

	return e != ERR_OK ? e : in->refused(r);
}

/*
 * An unknown address and a wrong password cost the same time and get the same words. A browser that
 * is known waits for its own wrong passwords alone, which the next statement counts.
 */
static enum err
auth_check_password(struct req *r)
{
	struct signing_in *in = r->state;
	bool outdated;
	enum err e;

	in->hash = arena_str(r->a, row_text(r, 0, 3));
	in->user = row_uuid(r, 0, 2);
	in->device = device_nonce(r, &in->user);
	if (!in->device.p && (e = auth_check_wait(r, 0)) != ERR_OK)
		return e;
	if (!password_matches(r->a, in->hash, in->password, &outdated))
		return sql_auth_failed(r, auth_wrong_password, in->name, auth_client(r), in->device,
		    config()->login_address_tries);
	/* Only now is the password known, to be hashed as it would be today. */
	if (outdated)
		return sql_password_rehash(
		    r, auth_rehashed, in->user, in->hash, password_hash(r->a, in->password));
	return in->open(r, in);
}

enum err
auth_sign_in(
    struct req *r, struct str name, struct str password, auth_open_fn *open, answer_fn *refused)
{
	struct signing_in *in = arena_alloc(r->a, sizeof(*in));

	*in = (struct signing_in){
		.name = name, .password = password, .open = open, .refused = refused
	};
	r->state = in;
	return auth_find_account(r);
}

static enum err
auth_open_token(struct req *r, const struct signing_in *in)
{
	return sql_auth_session_open(r, auth_logged_in, in->user, in->name, in->hash,
	    config()->session_seconds, auth_client(r), in->device, config()->login_address_tries);
}

/* POST /api/auth/login */
enum err
auth_login(struct req *r)
{
	struct login_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, auth_login_body, &in)) != ERR_OK)
		return e;
	return auth_sign_in(r, in.email, in.password, auth_open_token, auth_refused);
}

/* Called after the database has seen that there is such a key, and that its scope suffices. */
static enum err
auth_key_has_no_session(struct req *r)
{
	return refuse(r, ERR_BAD_REQUEST, "An API key has no session that could end.");
}

enum err
auth_sign_out(struct req *r, answer_fn *answer)
{
	const struct external *token = r->caller.external;

	if (r->caller.how == CALLER_KEY)
		answer = auth_key_has_no_session;
	if (token)
		return sql_external_deny(r, answer,
		    (struct str){ (const char *)token->hash, sizeof(token->hash) },
		    token->expires_at);
	return sql_auth_session_close(r, answer, r->caller.claims.session);
}

/* POST /api/auth/logout: revokes the token. */
enum err
auth_logout(struct req *r)
{
	return auth_sign_out(r, res_one);
}

/* GET /api/auth/me */
enum err
auth_me(struct req *r)
{
	return sql_auth_me(r, res_one);
}
