/* The way in for pages: a name and a password for a session in cookies. */
#include <ctype.h>

#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/fields.h>
#include <millrace/token.h>

#include "handlers/handlers.h"
#include "sql_api.h"

struct login_in {
	struct str username;
	struct str password;
};

struct register_in {
	struct str username;
	struct str password;
	struct str email;
	struct str name;
};

bool
session_is_username(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (i == 0 || !strchr("._-", s.p[i])))
			return false;
	return true;
}

static const struct field login_fields[] = {
	F_STR(struct login_in, username, 1, 254, REQUIRED),
	F_STR(struct login_in, password, 1, 1024, REQUIRED),
};
const struct field_table session_login_body = FIELD_TABLE(struct login_in, login_fields);

static const struct field register_fields[] = {
	F_CHECKED(struct register_in, username, 3, 64, REQUIRED, session_is_username,
	    "must be letters, digits, and . _ - after the first"),
	F_CHECKED(struct register_in, password, 1, 1024, REQUIRED, auth_is_password,
	    "must have 8 to 1024 bytes"),
	F_CHECKED(struct register_in, email, 3, 254, OPTIONAL, address_is_email,
	    "must be an e-mail address"),
	F_STR(struct register_in, name, 1, 200, OPTIONAL),
};
const struct field_table session_register_body = FIELD_TABLE(struct register_in, register_fields);

/* Both cookies (RFC 6265bis). The second one is for the page's own script to read, and to send back as X-CSRF-Token. */
void
session_set_cookies(struct req *r, struct str token, struct str csrf, int64_t seconds)
{
	reply_header(r, "Set-Cookie",
	    arena_printf(r->a,
		"access_token=%.*s; Path=/; Max-Age=%lld; HttpOnly; Secure; SameSite=Strict",
		S_ARG(token), (long long)seconds));
	reply_header(r, "Set-Cookie",
	    arena_printf(r->a,
		"csrf_access_token=%.*s; Path=/; Max-Age=%lld; Secure; SameSite=Strict",
		S_ARG(csrf), (long long)seconds));
}

static enum err
opened(struct req *r)
{
	struct claims c = { .user = *(struct uuid *)r->state };
	enum err e;

	if (row_count(r) == 0)
		return auth_refused(r);
	if ((e = auth_has_to_wait(r, 4)) != ERR_OK)
		return e;
	c.session = row_uuid(r, 0, 0);
	if (!str_int(row_text(r, 0, 1), &c.issued_at) || !str_int(row_text(r, 0, 2), &c.expires_at))
		return ERR_INTERNAL;
	session_set_cookies(
	    r, token_mint(r->a, &c), csrf_token(r->a, &c), config()->session_seconds);
	return reply_json(r, 200, row_text(r, 0, 3));
}

static enum err
open_cookies(struct req *r, struct uuid user, struct str name, struct str hash)
{
	struct uuid *kept = arena_alloc(r->a, sizeof(*kept));

	*kept = user;
	r->state = kept;
	return sql_session_open(r, opened, user, name, hash, config()->session_seconds,
	    auth_client(r), config()->login_address_tries);
}

/* POST /api/v1/auth/login: a session of its own each time, so that one planted before is worth nothing. */
enum err
session_login(struct req *r)
{
	struct login_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return auth_sign_in(r, in.username, in.password, open_cookies);
}

static enum err
closed(struct req *r)
{
	session_set_cookies(r, S(""), S(""), 0);
	return res_one(r);
}

/* POST /api/v1/auth/logout: ends the session and clears both cookies. */
enum err
session_logout(struct req *r)
{
	return auth_sign_out(r, closed);
}

/* POST /api/v1/user/register */
enum err
session_register(struct req *r)
{
	struct register_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return sql_session_register(
	    r, res_created, in.username, password_hash(r->a, in.password), in.email, in.name);
}
