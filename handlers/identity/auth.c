/* Own accounts: register, sign in, sign out. What hashes a password is served by the pool `login`. */
#include <time.h>

#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/fields.h>
#include <millrace/token.h>

#include "handlers/handlers.h"
#include "sql_api.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 1024 /* bytes */

struct register_in {
	struct str email;
	struct str password;
	struct str display_name;
};

struct login_in {
	struct str email;
	struct str password;
};

bool
auth_is_password(struct str s)
{
	return s.n >= PASSWORD_MIN && s.n <= PASSWORD_MAX;
}

static const struct field register_fields[] = {
	F_CHECKED(struct register_in, email, 3, 254, REQUIRED, address_is_email,
	    "must be an e-mail address"),
	F_CHECKED(struct register_in, password, 1, PASSWORD_MAX, REQUIRED, auth_is_password,
	    "must have 8 to 1024 bytes"),
	F_STR(struct register_in, display_name, 1, 200, REQUIRED),
};
const struct field_table auth_register_body = FIELD_TABLE(struct register_in, register_fields);

static const struct field login_fields[] = {
	F_STR(struct login_in, email, 1, 254, REQUIRED),
	F_STR(struct login_in, password, 1, PASSWORD_MAX, REQUIRED),
};
const struct field_table auth_login_body = FIELD_TABLE(struct login_in, login_fields);

/* A row of an opened session as the reply of registering and signing in, with the token. */
static enum err
reply_signed_in(struct req *r, int status)
{
	struct claims c = { .session = row_uuid(r, 0, 0), .user = row_uuid(r, 0, 3) };
	struct buf b = { .a = r->a };

	if (!str_int(row_text(r, 0, 1), &c.issued_at) || !str_int(row_text(r, 0, 2), &c.expires_at))
		return ERR_INTERNAL;
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
registered(struct req *r)
{
	return reply_signed_in(r, 201);
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
auth_has_to_wait(struct req *r, int column)
{
	int64_t account, address;

	if (!str_int(row_text(r, 0, column), &account) ||
	    !str_int(row_text(r, 0, column + 1), &address))
		return ERR_INTERNAL;
	if (account <= 0 && address <= 0)
		return ERR_OK;
	r->rate_reset = time(NULL) + (account > address ? account : address);
	return refuse(r, ERR_RATE_LIMITED,
	    account > address
		? "Too many wrong passwords for this account; wait before the next try."
		: "Too many wrong passwords from this address; wait before the next try.");
}

static enum err
logged_in(struct req *r)
{
	enum err e;

	if (row_count(r) == 0)
		return auth_refused(r);
	if ((e = auth_has_to_wait(r, 6)) != ERR_OK)
		return e;
	return reply_signed_in(r, 200);
}

/* POST /api/auth/register: a new account, signed in. 409 where the address is taken. */
enum err
auth_register(struct req *r)
{
	struct register_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return sql_auth_register(r, registered, in.email, password_hash(r->a, in.password),
	    in.display_name, config()->session_seconds);
}

/* A sign-in under way: what was given, and what answers where it is right. */
struct signing_in {
	struct str name;
	struct str password;
	enum err (*open)(struct req *r, struct uuid user, struct str name, struct str hash);
	struct uuid user; /* once the password was right */
};

static enum err check_password(struct req *r);

static enum err
find(struct req *r)
{
	const struct signing_in *in = r->state;

	return sql_auth_find(
	    r, check_password, in->name, auth_client(r), config()->login_address_tries);
}

/* Where somebody else was faster, all is looked at again. */
static enum err
rehashed(struct req *r)
{
	const struct signing_in *in = r->state;

	if (row_count(r) == 0)
		return find(r);
	return in->open(r, in->user, in->name, arena_str(r->a, row_text(r, 0, 0)));
}

/* The password was wrong: of many that were tried at once, those that are too many hear that alone. */
static enum err
failed(struct req *r)
{
	enum err e = auth_has_to_wait(r, 0);

	return e != ERR_OK ? e : auth_refused(r);
}

/* Unknown address and wrong password take the same time and get the same words. */
static enum err
check_password(struct req *r)
{
	struct signing_in *in = r->state;
	struct str hash = arena_str(r->a, row_text(r, 0, 3));
	enum err e;

	if ((e = auth_has_to_wait(r, 0)) != ERR_OK)
		return e;
	if (!password_matches(hash, in->password))
		return sql_auth_failed(
		    r, failed, in->name, auth_client(r), config()->login_address_tries);
	in->user = row_uuid(r, 0, 2);
	/* The cost has been changed since: now is when the password is known. */
	if (password_is_outdated(hash))
		return sql_password_rehash(
		    r, rehashed, in->user, hash, password_hash(r->a, in->password));
	return in->open(r, in->user, in->name, hash);
}

enum err
auth_sign_in(struct req *r, struct str name, struct str password,
    enum err (*open)(struct req *r, struct uuid user, struct str name, struct str hash))
{
	struct signing_in *in = arena_alloc(r->a, sizeof(*in));

	*in = (struct signing_in){ .name = name, .password = password, .open = open };
	r->state = in;
	return find(r);
}

static enum err
open_token(struct req *r, struct uuid user, struct str name, struct str hash)
{
	return sql_auth_session_open(r, logged_in, user, name, hash, config()->session_seconds,
	    auth_client(r), config()->login_address_tries);
}

/* POST /api/auth/login */
enum err
auth_login(struct req *r)
{
	struct login_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return auth_sign_in(r, in.email, in.password, open_token);
}

/* What becomes of it is asked of the database all the same: whether the key is one at all, and of what scope. */
static enum err
no_session(struct req *r)
{
	return refuse(r, ERR_BAD_REQUEST, "An API key has no session that could end.");
}

enum err
auth_sign_out(struct req *r, answer_fn *answer)
{
	const struct external *who = r->caller.external;

	if (r->caller.how == CALLER_KEY)
		answer = no_session;
	if (who)
		return sql_external_deny(r, answer,
		    (struct str){ (const char *)who->hash, sizeof(who->hash) }, who->expires_at);
	return sql_auth_session_close(r, answer, r->caller.claims.session);
}

/* POST /api/auth/logout: the token is of no use any more. */
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
