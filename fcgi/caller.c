/*
 * Who is calling. A credential is found and checked here as far as that goes without the database;
 * the first statement of the request's transaction then makes the caller its user, or ends it.
 */
#include <millrace/face.h>
#include <millrace/fields.h>

#include "fcgi/caller.h"
#include "fcgi/worker.h"

extern const struct query query_caller_session;
extern const struct query query_caller_admin;
extern const struct query query_caller_key;
extern const struct query query_caller_external;

struct token_in {
	struct str token;
};
static const struct field token_fields[] = {
	F_STR(struct token_in, token, 0, 4096, OPTIONAL),
};

/* Bound to the session, so that planting both cookies on a victim is of no use. */
struct str
csrf_token(struct arena *a, const struct claims *c)
{
	return base64url(a, mac(a, "csrf", uuid_str(&c->session)));
}

/*
 * Is it one of this site's own pages, or of an origin that nginx lists? Browsers send Origin with
 * every method that changes something, and no page can forge it (the Fetch standard).
 */
static bool
is_own_origin(struct req *r)
{
	struct str origin = req_param(r, "HTTP_ORIGIN"), host = req_param(r, "HTTP_HOST"),
		   scheme = req_param(r, "REQUEST_SCHEME");
	struct str own = arena_printf(r->a, "%.*s://%.*s", S_ARG(scheme), S_ARG(host));

	return origin.n > 0 &&
	       (str_eq_nocase(origin, own) || str_eq(origin, req_param(r, "CORS_ORIGIN")));
}

static enum err
refuse_csrf(struct req *r, struct str header, size_t n, bool fits)
{
	if (header.n == 0)
		return refuse(r, ERR_FORBIDDEN,
		    "X-CSRF-Token is missing; it must be the value of the cookie " CSRF_COOKIE ".");
	if (!fits)
		return refuse(r, ERR_FORBIDDEN,
		    n > 0 ? "The cookie " CSRF_COOKIE " is not of this session; sign in again."
			  : "The cookie " CSRF_COOKIE " is missing; sign in again.");
	return refuse(r, ERR_FORBIDDEN,
	    n > 1 ? "X-CSRF-Token is not this session's: several cookies " CSRF_COOKIE
		    " came, all but one of them set by other hosts of this domain."
		  : "X-CSRF-Token is not the value of the cookie " CSRF_COOKIE ".");
}

/*
 * The double submit, for methods that change something. Of several cookies the session's counts:
 * its MAC says which that is, under the present secret or the one before it. A page's script reads
 * the first alone, which may be another host's; where the browser says that the page is ours, that
 * one is as good.
 */
static enum err
check_csrf(struct req *r)
{
	struct str header = req_param(r, "HTTP_X_CSRF_TOKEN"), rest = req_param(r, "HTTP_COOKIE"),
		   now, old, cookie;
	bool fits = false, is_sent = false;
	size_t n = 0;

	if (r->route->method == M_GET)
		return ERR_OK;
	now = csrf_token(r->a, &r->caller.claims);
	old = mac_old(r->a, "csrf", uuid_str(&r->caller.claims.session));
	if (old.p)
		old = base64url(r->a, old);
	for (; cookie_next(&rest, S(CSRF_COOKIE), &cookie); n++) {
		bool ours = str_eq_secret(cookie, now) || str_eq_secret(cookie, old);
		bool same = str_eq_secret(header, cookie);

		if (ours && same)
			return ERR_OK;
		fits = fits || ours;
		is_sent = is_sent || same;
	}
	if (fits && is_sent && is_own_origin(r))
		return ERR_OK;
	return refuse_csrf(r, header, n, fits);
}

/*
 * A socket's handshake cannot carry X-CSRF-Token, and a WebSocket is not bound by CORS. Programs
 * other than browsers send no Origin.
 */
enum err
caller_check_origin(struct req *r)
{
	if (!req_param(r, "HTTP_ORIGIN").p || is_own_origin(r))
		return ERR_OK;
	return refuse(r, ERR_FORBIDDEN, "Pages of this origin may not connect here.");
}

/* Where only an external token's key is unknown, the runner is asked to fetch it. */
static enum err
identify_by_token(struct req *r, struct str token)
{
	const char *wanted;
	enum err e = caller_by_token(r->a, token, &r->caller, &wanted);

	if (e != ERR_UNAUTHORIZED)
		return e;
	if (wanted && r->worker->current)
		keys_request(&r->worker->keys, wanted);
	return refuse(r, ERR_UNAUTHORIZED, "The token is not valid.");
}

struct str
caller_cookie(const struct req *r)
{
	struct str token = req_cookie(r, S(SESSION_COOKIE));

	return token.p ? token : req_cookie(r, S(SESSION_COOKIE_OLD));
}

/*
 * Only a session's token is accepted from a cookie. ERR_NOT_FOUND where there is none, or what
 * came under the old name is not ours: then ?token= may follow, and r->error_text says what is
 * wrong if it does not.
 */
static enum err
identify_by_cookie(struct req *r)
{
	struct str rest = req_param(r, "HTTP_COOKIE"), token, old;

	if (rest.n == 0)
		return ERR_NOT_FOUND;
	token = caller_cookie(r);
	if (token.p && caller_by_session(token, &r->caller) == ERR_OK)
		return r->route->mode == SOCKET ? caller_check_origin(r) : check_csrf(r);
	if (req_cookie(r, S(SESSION_COOKIE)).p)
		return refuse(r, ERR_UNAUTHORIZED,
		    "The cookie " SESSION_COOKIE " holds no session that lasts; sign in again.");
	if (token.p)
		return refuse(r, ERR_NOT_FOUND,
		    "The cookie " SESSION_COOKIE_OLD
		    " holds no session that lasts, or is another host's; sign in again.");
	if (cookie_next(&rest, S(SESSION_COOKIE_OLD), &old))
		return refuse(r, ERR_NOT_FOUND,
		    "Several cookies " SESSION_COOKIE_OLD
		    " came, so none counts: another host of this domain sets one. Sign in again.");
	return ERR_NOT_FOUND;
}

/*
 * ?token= is for what cannot send headers: an EventSource, a WebSocket, a download. A link or a
 * form that holds one must change nothing. (A polling Socket.IO client repeats its handshake's
 * query.)
 */
static enum err
identify_by_query(struct req *r, struct str token)
{
	if (r->route->method == M_GET || r->route->mode == SOCKET)
		return identify_by_token(r, token);
	return refuse(
	    r, ERR_UNAUTHORIZED, "?token= is taken by GET alone; send Authorization: Bearer.");
}

/* Authorization goes before the cookie, and that before ?token=. */
enum err
caller_identify(struct req *r)
{
	struct str header = req_param(r, "HTTP_AUTHORIZATION"), scheme, rest, key;
	struct token_in in = { 0 };
	struct problems ignored = { .json.a = r->a };
	enum err e;

	if (r->route->caller == AUTH_PUBLIC)
		return ERR_OK;
	if (header.p) {
		rest = str_cut(header, ' ', &scheme);
		return identify_by_token(
		    r, str_eq_nocase(scheme, S("Bearer")) && rest.p ? str_trim(rest) : S(""));
	}
	/* Anthropic's older clients send their key so. */
	if (face_is_path(r->path) && (key = req_param(r, "HTTP_X_API_KEY")).p)
		return identify_by_token(r, key);
	if ((e = identify_by_cookie(r)) != ERR_NOT_FOUND)
		return e;
	if (r->query_string.n > 0)
		(void)!query_fields(r->a, token_fields, 1, r->query_string, &in, &ignored);
	if (in.token.p) {
		r->error_text = (struct str){ NULL, 0 };
		return identify_by_query(r, in.token);
	}
	return r->route->caller == AUTH_OPTIONAL && !r->error_text.p ? ERR_OK : ERR_UNAUTHORIZED;
}

/* What a route asks of an API key. Sessions need no scope. */
static struct str
scope_of(const struct route *route)
{
	return route->scope		? str_from(route->scope)
	       : route->method == M_GET ? S("read")
					: S("write");
}

static struct sql_arg
text_arg(const char *text)
{
	return (struct sql_arg){ .type = SQL_TEXT,
		.s = *text ? str_from(text) : (struct str){ NULL, 0 } };
}

static void
external_statement(struct req *r, struct pipe_statement *s, struct sql_arg *args)
{
	const struct external *token = r->caller.external;

	args[0] = text_arg(token->provider);
	args[1] = text_arg(token->subject);
	args[2] = text_arg(token->email);
	args[3] = (struct sql_arg){ .type = SQL_BOOL, .b = token->email_verified };
	args[4] = text_arg(token->name);
	args[5] = (struct sql_arg){ .type = SQL_BYTES,
		.s = { (const char *)token->hash, sizeof(token->hash) } };
	args[6] = (struct sql_arg){ .type = SQL_BOOL, .b = r->route->caller == AUTH_ADMIN };
	*s = (struct pipe_statement){
		.query = &query_caller_external, .args = args, .n_args = CALLER_ARGS
	};
}

/* A session's statement, of which there are two: administrators are few. */
static void
session_statement(const struct req *r, struct pipe_statement *s, struct sql_arg *args)
{
	args[0] = (struct sql_arg){ .type = SQL_UUID, .u = r->caller.claims.session };
	*s = (struct pipe_statement){ .query = r->route->caller == AUTH_ADMIN
						   ? &query_caller_admin
						   : &query_caller_session,
		.args = args,
		.n_args = 1 };
}

size_t
caller_statement(struct req *r, struct pipe_statement *s, struct sql_arg *args)
{
	if (r->caller.how == CALLER_NOBODY)
		return 0;
	if (r->caller.how == CALLER_EXTERNAL) {
		external_statement(r, s, args);
		return 1;
	}
	if (r->caller.how == CALLER_SESSION) {
		session_statement(r, s, args);
		return 1;
	}
	args[0] = (struct sql_arg){ .type = SQL_BYTES, .s = r->caller.key_hash };
	args[1] = (struct sql_arg){ .type = SQL_BOOL, .b = r->route->caller == AUTH_ADMIN };
	args[2] = (struct sql_arg){ .type = SQL_TEXT, .s = scope_of(r->route) };
	*s = (struct pipe_statement){ .query = &query_caller_key, .args = args, .n_args = 3 };
	return 1;
}
