/* Sign-in for pages: a name and a password for a session in cookies. */
#include <ctype.h>

#include <millrace/config.h>
#include <millrace/token.h>
#include <millrace/unicode.h>

#include "fcgi/caller.h"
#include "handlers/identity/identity.h"
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
	struct str invitation;
};

bool
session_username(struct arena *a, struct str given, struct str *out)
{
	struct str s = unicode_name(a, given);

	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (i == 0 || !strchr("._-", s.p[i])))
			return false;
	*out = s;
	return true;
}

static const struct field login_fields[] = {
	F_LOGIN(struct login_in, username, REQUIRED),
	F_STR(struct login_in, password, 1, PASSWORD_BYTES_MAX, REQUIRED),
};
FIELD_TABLE(session_login_body, struct login_in, login_fields, session_login);

static const struct field register_fields[] = {
	F_USERNAME(struct register_in, username, REQUIRED),
	F_PASSWORD(struct register_in, password, REQUIRED),
	F_EMAIL(struct register_in, email, OPTIONAL),
	F_SHOWN(struct register_in, name, 200, OPTIONAL),
	F_INVITATION(struct register_in, invitation),
};
FIELD_TABLE(session_register_body, struct register_in, register_fields, session_register);

static void
set_cookie(struct req *r, const char *name, struct str value, int64_t seconds, const char *flags)
{
	reply_header(r, "Set-Cookie",
	    arena_printf(r->a, "%s=%.*s; Path=/; Max-Age=%lld; %sSecure; SameSite=Strict", name,
		S_ARG(value), (long long)seconds, flags));
}

/* RFC 6265bis. The page's own script reads the second one, and sends it back as X-CSRF-Token. */
void
session_set_cookies(struct req *r, struct str token, struct str csrf, int64_t seconds)
{
	struct str rest = req_param(r, "HTTP_COOKIE"), old;

	set_cookie(r, SESSION_COOKIE, token, seconds, "HttpOnly; ");
	set_cookie(r, CSRF_COOKIE, csrf, seconds, "");
	if (cookie_next(&rest, S(SESSION_COOKIE_OLD), &old))
		set_cookie(r, SESSION_COOKIE_OLD, S(""), 0, "HttpOnly; ");
}

static enum err
session_opened(struct req *r)
{
	const struct signing_in *in = r->state;
	struct claims c = { .user = in->user };
	enum err e;

	if (row_count(r) == 0)
		return auth_refused(r);
	if ((e = auth_check_wait(r, 4)) != ERR_OK)
		return e;
	c.session = row_uuid(r, 0, 0);
	if (!str_int(row_text(r, 0, 1), &c.issued_at) || !str_int(row_text(r, 0, 2), &c.expires_at))
		return ERR_INTERNAL;
	session_set_cookies(
	    r, token_mint(r->a, &c), csrf_token(r->a, &c), config()->session_seconds);
	device_set_cookie(r, &c.user);
	return reply_json(r, 200, row_text(r, 0, 3));
}

static enum err
session_open_cookies(struct req *r, const struct signing_in *in)
{
	return sql_session_open(r, session_opened, in->user, in->name, in->hash,
	    config()->session_seconds, auth_client(r), in->device, config()->login_address_tries);
}

/* POST /api/v1/auth/login: a new session each time, so that a planted cookie is worth nothing. */
enum err
session_login(struct req *r)
{
	struct login_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, session_login_body, &in)) != ERR_OK)
		return e;
	return auth_sign_in(r, in.username, in.password, session_open_cookies, auth_refused);
}

static enum err
session_closed(struct req *r)
{
	session_set_cookies(r, S(""), S(""), 0);
	return res_one(r);
}

/* POST /api/v1/auth/logout: ends the session and clears its cookies. */
enum err
session_logout(struct req *r)
{
	return auth_sign_out(r, session_closed);
}

/* POST /api/v1/user/register */
enum err
session_register(struct req *r)
{
	struct register_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, session_register_body, &in)) != ERR_OK)
		return e;
	return sql_session_register(r, res_created, in.username,
	    registration_password(r, in.password, in.invitation), in.email, in.name,
	    str_from(config()->registration), registration_token(r, in.invitation));
}
