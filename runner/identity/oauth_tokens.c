#include <stdlib.h>

#include <sodium.h>

#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/identity/oauth.h"

#define TOKEN_MAX 8000 /* bytes */
#define WITHIN_MS 8000
#define PATIENCE_MS 1000
#define REPLY_MAX (256 * 1024)
#define TRIES 3

enum http_end
oauth_send(struct job *j, struct http_request *q)
{
	q->within_ms = WITHIN_MS;
	q->patience_ms = PATIENCE_MS;
	q->reply_max = REPLY_MAX;
	q->tries = TRIES;
	return http_call(&j->stop, j->a, q);
}

enum oauth_end
oauth_complain(struct job *j, const struct oauth_provider *p, enum oauth_end end, const char *what,
    const char *why)
{
	log_warn("oauth: a provider failed", "provider", p->name, "run", j->run.text, "what", what,
	    "why", why);
	return end;
}

static bool
is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= TOKEN_MAX;
}

/* RFC 6749, 5.2; GitHub answers 200 with one, and has names of its own. */
static enum oauth_end
refusal(struct job *j, const struct oauth_provider *p, int status, struct str error)
{
	static const char *const spent[] = { "invalid_grant", "bad_verification_code",
		"bad_refresh_token", "invalid_token", NULL };
	char text[80];

	snprintf(text, sizeof(text), "status %d, %.*s", status, error.n < 40 ? (int)error.n : 40,
	    error.p ? error.p : "");
	return oauth_complain(j, p, str_is_in(error, spent) ? OAUTH_REFUSED : OAUTH_BAD,
	    "the token endpoint says no", text);
}

/*
 * expires_in (RFC 6749, 5.1) in seconds, also where it is a text ("3600") or not whole (3600.0); 0
 * where it is missing: the token does not expire. Below 0: it is none of these.
 */
static int64_t
lifetime(json_object *o)
{
	json_object *given = json_at(o, "expires_in");
	double number = json_object_get_double(given);
	int64_t seconds;

	if (json_object_is_type(given, json_type_string))
		return str_int(json_text(o, "expires_in"), &seconds) ? seconds : -1;
	if (json_object_is_type(given, json_type_double))
		return number >= 0 && number <= INT32_MAX ? (int64_t)number : -1;
	return json_int(o, "expires_in", given ? -1 : 0);
}

static enum oauth_end
read_tokens(
    struct job *j, const struct oauth_provider *p, const struct http_request *q, struct tokens *out)
{
	struct tokens t = { 0 };
	json_object *o = NULL;
	const char *why = "no JSON";

	if (q->status >= 500)
		return oauth_complain(j, p, OAUTH_AWAY, "the token endpoint", "has an error");
	if (json_parse(j->a, q->reply, &o, &why) != ERR_OK ||
	    !json_object_is_type(o, json_type_object))
		return oauth_complain(j, p, OAUTH_BAD, "the token endpoint's answer", why);
	if (q->status != 200 || json_at(o, "error"))
		return refusal(j, p, q->status, json_text(o, "error"));
	t.access = json_text(o, "access_token");
	t.refresh = json_text(o, "refresh_token");
	t.id_token = json_text(o, "id_token");
	t.scope = json_text(o, "scope");
	t.lasts = lifetime(o);
	if (!is_token(t.access) || (t.refresh.p && !is_token(t.refresh)) || t.lasts < 0 ||
	    t.lasts > INT32_MAX || !str_eq_nocase(json_text(o, "token_type"), S("bearer")))
		return oauth_complain(
		    j, p, OAUTH_BAD, "the token endpoint's answer", "no bearer token in it");
	*out = t;
	return OAUTH_OK;
}

/* Sends the form with our name and secret to the token endpoint. */
static enum oauth_end
request_tokens(struct job *j, const struct oauth_provider *p, struct buf *form, struct tokens *out)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
		"Accept: application/json", NULL };
	const struct oauth_config *c = oauth_config(p);
	struct http_request q = {
		.method = "POST", .url = oauth_url(j->a, c->token_url).p, .headers = headers
	};
	enum http_end end;

	form_put(form, "client_id", str_from(c->client_id));
	form_put(form, "client_secret", str_from(c->client_secret));
	q.body = buf_str(form);
	end = oauth_send(j, &q);
	if (end == HTTP_STOPPED)
		return OAUTH_STOPPED;
	if (end != HTTP_DONE)
		return oauth_complain(
		    j, p, OAUTH_AWAY, "the token endpoint does not answer", q.error);
	return read_tokens(j, p, &q, out);
}

enum oauth_end
tokens_by_code(struct job *j, const struct oauth_provider *p, struct str code, struct str verifier,
    struct tokens *out)
{
	struct buf form = { .a = j->a };

	form_put(&form, "grant_type", S("authorization_code"));
	form_put(&form, "code", code);
	form_put(&form, "redirect_uri", oauth_callback_url(j->a, p));
	form_put(&form, "code_verifier", verifier);
	return request_tokens(j, p, &form, out);
}

enum oauth_end
tokens_by_refresh(
    struct job *j, const struct oauth_provider *p, struct str refresh, struct tokens *out)
{
	struct buf form = { .a = j->a };
	enum oauth_end end;

	form_put(&form, "grant_type", S("refresh_token"));
	form_put(&form, "refresh_token", refresh);
	end = request_tokens(j, p, &form, out);
	if (end == OAUTH_OK && !out->refresh.p)
		out->refresh = refresh;
	return end;
}

/* DELETE /applications/{client_id}/grant: takes all that this application has of that user. */
static void
revoke_at_github(
    struct job *j, const struct oauth_config *c, const struct tokens *t, struct http_request *q)
{
	struct buf body = { .a = j->a };
	struct str pair = arena_printf(j->a, "%s:%s", c->client_id, c->client_secret);
	const char **headers = arena_alloc(j->a, 5 * sizeof(*headers));
	const int variant = sodium_base64_VARIANT_ORIGINAL;
	char *text = arena_alloc(j->a, sodium_base64_encoded_len(pair.n, variant));

	sodium_bin2base64(text, sodium_base64_encoded_len(pair.n, variant),
	    (const unsigned char *)pair.p, pair.n, variant);
	headers[0] = "Content-Type: application/json";
	headers[1] = "Accept: application/vnd.github+json";
	headers[2] = "X-GitHub-Api-Version: 2022-11-28";
	headers[3] = arena_printf(j->a, "Authorization: Basic %s", text).p;
	buf_put(&body, S("{\"access_token\":"));
	buf_json(&body, t->access);
	buf_put(&body, S("}"));
	q->method = "DELETE";
	q->url = arena_printf(j->a, "%s/applications/%s/grant", c->api_url, c->client_id).p;
	q->headers = headers;
	q->body = buf_str(&body);
}

/* RFC 7009. With the refresh token go the access tokens that came of it. */
static void
revoke_by_token(
    struct job *j, const struct oauth_config *c, const struct tokens *t, struct http_request *q)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
		"Accept: application/json", NULL };
	struct buf form = { .a = j->a };

	form_put(&form, "token", t->refresh.p ? t->refresh : t->access);
	form_put(&form, "token_type_hint", t->refresh.p ? S("refresh_token") : S("access_token"));
	form_put(&form, "client_id", str_from(c->client_id));
	form_put(&form, "client_secret", str_from(c->client_secret));
	q->method = "POST";
	q->url = oauth_url(j->a, c->revoke_url).p;
	q->headers = headers;
	q->body = buf_str(&form);
}

enum oauth_end
tokens_revoke(struct job *j, const struct oauth_provider *p, const struct tokens *t)
{
	const struct oauth_config *c = oauth_config(p);
	struct http_request q = { .idempotent = true };
	enum http_end end;
	char text[32];

	if (p->openid && !*c->revoke_url)
		return OAUTH_OK;
	if (p->openid)
		revoke_by_token(j, c, t, &q);
	else
		revoke_at_github(j, c, t, &q);
	end = oauth_send(j, &q);
	if (end == HTTP_STOPPED)
		return OAUTH_STOPPED;
	if (end != HTTP_DONE || q.status >= 500)
		return oauth_complain(j, p, OAUTH_AWAY, "tokens were not revoked",
		    end != HTTP_DONE ? q.error : "the provider has an error");
	if (q.status == 200 || q.status == 204)
		return OAUTH_OK;
	/*
	 * GitHub: 404 and 422 for a token that is no more. RFC 7009 has 400 for what was never one.
	 */
	snprintf(text, sizeof(text), "status %d", q.status);
	return oauth_complain(j, p,
	    q.status == 400 || q.status == 404 || q.status == 422 ? OAUTH_REFUSED : OAUTH_BAD,
	    "tokens were not revoked", text);
}

struct str
tokens_pack(struct arena *a, const struct tokens *t)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"access_token\":"));
	buf_json(&b, t->access);
	buf_put(&b, S(",\"refresh_token\":"));
	buf_json(&b, t->refresh);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

bool
tokens_unpack(struct arena *a, struct str text, struct tokens *out)
{
	json_object *o = NULL;
	const char *why;

	if (json_parse(a, text, &o, &why) != ERR_OK)
		return false;
	*out = (struct tokens){ .access = json_text(o, "access_token"),
		.refresh = json_text(o, "refresh_token") };
	return out->access.n > 0;
}
