/*
 * Sign-in by GitHub, Google or Microsoft (OAuth 2.0 with PKCE). A worker has no network and the
 * runner cannot sign our tokens, so the browser comes here three times: oauth_start sends it to the
 * provider; the provider sends it back with a code, which the runner exchanges while streamd holds
 * the connection; and the reply to that sends it here once more, with a ticket, for its session. A
 * cookie binds the three together, so that nobody is made to end a sign-in that another began.
 */
#include <stdlib.h>

#include <millrace/config.h>
#include <millrace/oauth.h>
#include <millrace/token.h>

#include "fcgi/caller.h"
#include "handlers/identity/identity.h"
#include "sql_api.h"

/* Lax: the browser sends it along when the provider redirects here. __Host-: no host on a subdomain
   can set it. */
#define COOKIE "__Host-oauth"
#define COOKIE_SECONDS 600
#define SECRET_LEN 32 /* bytes of state, verifier, nonce, cookie and ticket */
#define WAIT_SECONDS_MAX 30 /* for the exchange, during which the page is empty */

struct start_in {
	struct str return_to;
	struct str invitation;
};

struct callback_in {
	struct str state;
	struct str code;
	struct str error;
	struct str ticket;
};

/*
 * Is it a path on the return page's origin? It is appended to that origin as it stands, so it
 * begins with the one slash that ends an authority. Backslashes and control characters, which
 * browsers read as slashes or drop, are refused with all else that RFC 3986 does not allow in a
 * path and query.
 */
static bool
is_path(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
		    strchr("\\\"<>^`{|}", s.p[i]))
			return false;
	return s.n > 0 && s.p[0] == '/' && (s.n == 1 || s.p[1] != '/');
}

static const struct field start_fields[] = {
	F_CHECKED(struct start_in, return_to, 1, 500, OPTIONAL, is_path,
	    "must be a path on the page's own host, such as /welcome"),
	F_INVITATION(struct start_in, invitation),
};
FIELD_TABLE(oauth_start_query, struct start_in, start_fields, oauth_start);

static const struct field callback_fields[] = {
	F_STR(struct callback_in, state, 1, 200, OPTIONAL),
	F_STR(struct callback_in, code, 1, 4096, OPTIONAL),
	F_STR(struct callback_in, error, 1, 200, OPTIONAL),
	F_STR(struct callback_in, ticket, 1, 200, OPTIONAL),
};
FIELD_TABLE(oauth_callback_query, struct callback_in, callback_fields, oauth_callback);

static const struct oauth_provider *
oauth_route_provider(const struct req *r)
{
	const struct oauth_provider *p = oauth_provider(r->match.parts[0]);

	if (!p)
		abort();
	return p;
}

static enum err
oauth_not_set_up(struct req *r, const struct oauth_provider *p)
{
	r->error_text =
	    arena_printf(r->a, "Signing in by %s is not set up on this server.", p->title);
	return ERR_NOT_FOUND;
}

static void
oauth_set_cookie(struct req *r, struct str value, int seconds)
{
	reply_header(r, "Set-Cookie",
	    arena_printf(r->a, COOKIE "=%.*s; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Lax",
		S_ARG(value), seconds));
}

static enum err
oauth_redirect(struct req *r, struct str to)
{
	reply_header(r, "Location", to);
	return reply_body(r, 302, NULL, S(""));
}

/* To the page for errors, with the code and the provider in its query. */
static enum err
oauth_redirect_error(struct req *r, const struct oauth_provider *p, struct str code)
{
	const char *page =
	    *config()->oauth_error_url ? config()->oauth_error_url : config()->oauth_return_url;
	struct str head, fragment = str_cut(str_from(page), '#', &head);
	struct buf b = { .a = r->a };

	buf_printf(&b, "%.*s%serror=%.*s&provider=%s", S_ARG(head),
	    memchr(head.p, '?', head.n) ? "&" : "?", S_ARG(code), p->name);
	if (fragment.p)
		buf_printf(&b, "#%.*s", S_ARG(fragment));
	oauth_set_cookie(r, S(""), 0);
	return oauth_redirect(r, buf_str(&b));
}

/* The page after a sign-in, or another path on its host. */
static struct str
return_page(struct arena *a, struct str path)
{
	const char *page = config()->oauth_return_url, *host = strstr(page, "://");
	size_t origin = host ? (size_t)(host - page) + 3 : 0;

	if (!path.p)
		return str_from(page);
	origin += strcspn(page + origin, "/?#");
	return arena_printf(a, "%.*s%.*s", (int)origin, page, S_ARG(path));
}

/* --- to the provider --- */

struct starting {
	const struct oauth_provider *provider;
	struct str state, verifier, nonce, cookie;
};

static enum err
oauth_started(struct req *r)
{
	const struct starting *s = r->state;
	const struct oauth_config *c = oauth_config(s->provider);
	struct str url = oauth_url(r->a, c->authorize_url);
	struct buf b = { .a = r->a }, to = { .a = r->a };

	form_put(&b, "response_type", S("code"));
	form_put(&b, "client_id", str_from(c->client_id));
	form_put(&b, "redirect_uri", oauth_callback_url(r->a, s->provider));
	form_put(&b, "scope", str_from(c->scopes));
	form_put(&b, "state", s->state);
	form_put(&b, "code_challenge", base64url(r->a, sha256(r->a, s->verifier)));
	form_put(&b, "code_challenge_method", S("S256"));
	if (s->provider->openid)
		form_put(&b, "nonce", s->nonce);
	buf_put(&b, str_from(s->provider->extra));
	buf_printf(
	    &to, "%.*s%s%s", S_ARG(url), memchr(url.p, '?', url.n) ? "&" : "?", buf_str(&b).p);
	oauth_set_cookie(r, s->cookie, COOKIE_SECONDS);
	return oauth_redirect(r, buf_str(&to));
}

/* GET /api/v1/auth2/{provider}/signin: new secrets each time, so a planted cookie is worthless. */
enum err
oauth_start(struct req *r)
{
	const struct oauth_provider *p = oauth_route_provider(r);
	struct starting *s = arena_alloc(r->a, sizeof(*s));
	struct str token = caller_cookie(r);
	struct claims session = { 0 };
	struct start_in in = { 0 };
	enum err e;

	if (!oauth_is_set_up(p))
		return oauth_not_set_up(r, p);
	if ((e = query_bind(r, oauth_start_query, &in)) != ERR_OK)
		return e;
	/* Only the cookie, which is Strict: another site's page cannot begin a linking. */
	if (token.p && token_verify(token, &session) != ERR_OK)
		session = (struct claims){ 0 };
	*s = (struct starting){ .provider = p,
		.state = random_text(r->a, SECRET_LEN),
		.verifier = random_text(r->a, SECRET_LEN),
		.nonce = random_text(r->a, SECRET_LEN),
		.cookie = random_text(r->a, SECRET_LEN) };
	r->state = s;
	return sql_oauth_start(r, oauth_started, str_from(p->name), sha256(r->a, s->state),
	    sha256(r->a, s->cookie), s->verifier, s->nonce, in.return_to, session.session,
	    registration_token(r, in.invitation));
}

/* --- and back --- */

struct returning {
	const struct oauth_provider *provider;
	struct str ticket; /* made for the next step */
};

/* streamd waits for the exchange; its end and its time limit both send the browser here again. */
static enum err
oauth_exchanging(struct req *r)
{
	const struct returning *ret = r->state;
	struct str run = row_text(r, 0, 0);
	struct grant g = { .timeout_status = 302, .timeout_body = S("{}") };

	if (!run.p)
		return oauth_redirect_error(r, ret->provider, row_text(r, 0, 1));
	g.topic = arena_printf(r->a, "run:%.*s", S_ARG(run));
	g.wait_seconds =
	    config()->reply_seconds < WAIT_SECONDS_MAX ? config()->reply_seconds : WAIT_SECONDS_MAX;
	g.headers[g.n_headers++] = (struct grant_header){ S("Location"),
		arena_printf(r->a, "%.*s?ticket=%.*s",
		    S_ARG(oauth_callback_url(r->a, ret->provider)), S_ARG(ret->ticket)) };
	return res_deferred(r, &g);
}

static enum err
oauth_redeemed(struct req *r)
{
	const struct returning *ret = r->state;
	struct claims c = { .session = row_uuid(r, 0, 2), .user = row_uuid(r, 0, 5) };

	if (row_text(r, 0, 0).p)
		return oauth_redirect_error(r, ret->provider, row_text(r, 0, 0));
	if (!str_int(row_text(r, 0, 3), &c.issued_at) || !str_int(row_text(r, 0, 4), &c.expires_at))
		return ERR_INTERNAL;
	oauth_set_cookie(r, S(""), 0);
	session_set_cookies(
	    r, token_mint(r->a, &c), csrf_token(r->a, &c), config()->session_seconds);
	device_set_cookie(r, &c.user);
	return oauth_redirect(r, return_page(r->a, row_text(r, 0, 1)));
}

/*
 * GET /api/v1/auth2/{provider}/callback, twice: from the provider (state and code, or error), and
 * from oauth_exchanging (ticket).
 */
enum err
oauth_callback(struct req *r)
{
	const struct oauth_provider *p = oauth_route_provider(r);
	struct str cookie = req_cookie(r, S(COOKIE)), hash;
	struct returning *ret = arena_alloc(r->a, sizeof(*ret));
	struct callback_in in = { 0 };
	enum err e;

	if (!oauth_is_set_up(p))
		return oauth_not_set_up(r, p);
	/* Link prefetchers send HEAD; the code is single-use, so refuse it. */
	if (str_eq(r->method, S("HEAD")))
		return ERR_METHOD_NOT_ALLOWED;
	if ((e = query_bind(r, oauth_callback_query, &in)) != ERR_OK)
		return e;
	*ret = (struct returning){ .provider = p, .ticket = random_text(r->a, SECRET_LEN) };
	r->state = ret;
	if (!cookie.p || (!in.ticket.p && !in.state.p))
		return oauth_redirect_error(r, p, S("invalid_state"));
	hash = sha256(r->a, cookie);
	if (in.ticket.p)
		return sql_oauth_redeem(r, oauth_redeemed, str_from(p->name),
		    sha256(r->a, in.ticket), hash, config()->session_seconds,
		    str_from(config()->registration));
	return sql_oauth_callback(r, oauth_exchanging, str_from(p->name), sha256(r->a, in.state),
	    hash, in.error.p ? (struct str){ NULL, 0 } : in.code, in.error,
	    sha256(r->a, ret->ticket), config()->queue_max);
}

/* POST /api/v1/auth/disconnect/{provider} */
enum err
oauth_disconnect(struct req *r)
{
	const struct oauth_provider *p = oauth_route_provider(r);

	return sql_oauth_disconnect(r, res_one, str_from(p->name), str_from(p->title));
}
