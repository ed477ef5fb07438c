/*
 * Who somebody is: what an id_token says, by keys that are fetched and kept for a while; or what
 * GitHub's API says of a token.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <millrace/address.h>
#include <millrace/clock.h>
#include <millrace/idtoken.h>
#include <millrace/json.h>
#include <millrace/jwk.h>
#include <millrace/lenient.h>
#include <millrace/log.h>

#include "runner/identity/oauth.h"

#define DOCUMENTS 4 /* keys of so many providers are kept */

/* Sets of keys as they came, by their address. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct document {
	char *url;
	char *text;
	int64_t fetched_ms;
} documents[DOCUMENTS];

/* --- OpenID Connect --- */

/* What is kept, if it is no older than `age_ms`; absent otherwise. */
static struct str
kept(struct arena *a, const char *url, int64_t age_ms)
{
	struct str text = { NULL, 0 };

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < DOCUMENTS; i++)
		if (documents[i].url && strcmp(documents[i].url, url) == 0 &&
		    clock_ms() - documents[i].fetched_ms < age_ms)
			text = arena_str(a, str_from(documents[i].text));
	pthread_mutex_unlock(&lock);
	return text;
}

static void
keep(const char *url, struct str text)
{
	struct document *d = NULL;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < DOCUMENTS && !d; i++)
		if (!documents[i].url || strcmp(documents[i].url, url) == 0)
			d = &documents[i];
	if (d) {
		if (!d->url)
			d->url = xstrdup(url);
		free(d->text);
		d->text = xstrdup(text.p);
		d->fetched_ms = clock_ms();
	}
	pthread_mutex_unlock(&lock);
}

/* The provider's keys, no older than `age_ms`. */
static enum oauth_end
find_keys(struct job *j, const struct oauth_provider *p, int64_t age_ms, struct jwk_set *out)
{
	static const char *const headers[] = { "Accept: application/json", NULL };
	const char *url = oauth_url(j->a, oauth_config(p)->jwks_url).p;
	struct http_request q = { .url = url, .headers = headers, .idempotent = true };
	struct str text = kept(j->a, url, age_ms);
	enum http_end end;

	if (text.p)
		return jwks_parse(j->a, text, out) == ERR_OK ? OAUTH_OK : OAUTH_BAD;
	end = oauth_send(j, &q);
	if (end == HTTP_STOPPED)
		return OAUTH_STOPPED;
	if (end != HTTP_DONE || q.status != 200)
		return oauth_complain(j, p, OAUTH_AWAY, "the keys do not come",
		    end != HTTP_DONE ? q.error : "another status than 200");
	if (jwks_parse(j->a, q.reply, out) != ERR_OK)
		return oauth_complain(j, p, OAUTH_BAD, "the keys", "are no set of keys");
	keep(url, arena_str(j->a, q.reply));
	return OAUTH_OK;
}

static enum oauth_end
by_id_token(struct job *j, const struct oauth_provider *p, struct str token, struct str nonce,
    struct external *out)
{
	const struct oauth_config *c = oauth_config(p);
	struct jwk_set *keys = arena_alloc(j->a, sizeof(*keys));
	struct id_rules rules = { .issuer = c->issuer,
		.bare_issuer = strcmp(p->name, "google") == 0,
		.tenant = strcmp(p->name, "microsoft") == 0 ? config()->microsoft_tenant : NULL,
		.client_id = str_from(c->client_id),
		.nonce = nonce,
		.keys = keys };
	bool unknown = false;
	enum oauth_end end;
	enum err e;

	end = find_keys(j, p, config()->jwks_seconds * 1000, keys);
	if (end != OAUTH_OK)
		return end;
	e = id_token_verify(j->a, token, &rules, out, &unknown);
	/* Its keys have changed since. */
	if (e != ERR_OK && unknown) {
		end = find_keys(j, p, config()->jwks_pause_seconds * 1000, keys);
		if (end != OAUTH_OK)
			return end;
		e = id_token_verify(j->a, token, &rules, out, &unknown);
	}
	return e == ERR_OK ? OAUTH_OK
			   : oauth_complain(j, p, OAUTH_BAD, "the id_token", "is not valid");
}

/* --- GitHub --- */

static enum oauth_end
github_get(struct job *j, const struct oauth_provider *p, const char *path, struct str token,
    json_type type, json_object **out)
{
	static const char *const headers[] = { "Accept: application/vnd.github+json",
		"X-GitHub-Api-Version: 2022-11-28", NULL };
	struct http_request q = { .url =
				      arena_printf(j->a, "%s%s", oauth_config(p)->api_url, path).p,
		.bearer = arena_cstr(j->a, token),
		.headers = headers,
		.idempotent = true };
	enum http_end end = oauth_send(j, &q);
	char text[32];

	if (end == HTTP_STOPPED)
		return OAUTH_STOPPED;
	if (end != HTTP_DONE || q.status >= 500)
		return oauth_complain(j, p, OAUTH_AWAY, path,
		    end != HTTP_DONE ? q.error : "the provider has an error");
	snprintf(text, sizeof(text), "status %d", q.status);
	if (q.status != 200)
		return oauth_complain(j, p, OAUTH_BAD, path, text);
	if (!mended_parse(j->a, &q.reply, out) || !json_object_is_type(*out, type))
		return oauth_complain(j, p, OAUTH_BAD, path, "is not what was asked for");
	return OAUTH_OK;
}

static void
copy(char *into, size_t room, struct str from)
{
	if (from.n > 0 && from.n < room)
		memcpy(into, from.p, from.n + 1);
}

/* The primary address, where GitHub has verified it. */
static void
primary_address(struct arena *a, json_object *list, struct external *who)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *one = json_object_array_get_idx(list, i);
		json_object *primary = json_at(one, "primary"),
			    *verified = json_at(one, "verified");
		struct str email;

		if (!json_object_is_type(primary, json_type_boolean) ||
		    !json_object_get_boolean(primary))
			continue;
		email = json_text(one, "email");
		(void)!address_email(a, email, &email);
		copy(who->email, sizeof(who->email), email);
		who->email_verified = who->email[0] &&
				      json_object_is_type(verified, json_type_boolean) &&
				      json_object_get_boolean(verified);
		return;
	}
}

static enum oauth_end
by_github(struct job *j, const struct oauth_provider *p, struct str token, struct external *out)
{
	struct external who = { .provider = p->name };
	json_object *user = NULL, *list = NULL;
	enum oauth_end end = github_get(j, p, "/user", token, json_type_object, &user);
	struct str name;

	if (end != OAUTH_OK)
		return end;
	/* A number that never changes; the login can be another's tomorrow. */
	if (json_int(user, "id", 0) <= 0)
		return oauth_complain(j, p, OAUTH_BAD, "/user", "says nobody's id");
	snprintf(who.subject, sizeof(who.subject), "%lld", (long long)json_int(user, "id", 0));
	name = json_text(user, "name");
	copy(who.name, sizeof(who.name), name.n > 0 ? name : json_text(user, "login"));
	end = github_get(j, p, "/user/emails", token, json_type_array, &list);
	/* A user may keep addresses back; who they are is known all the same. */
	if (end == OAUTH_OK)
		primary_address(j->a, list, &who);
	else if (end != OAUTH_BAD)
		return end;
	*out = who;
	return OAUTH_OK;
}

enum oauth_end
oauth_profile_read(struct job *j, const struct oauth_provider *p, const struct tokens *t,
    struct str nonce, struct external *out)
{
	return p->openid ? by_id_token(j, p, t->id_token, nonce, out)
			 : by_github(j, p, t->access, out);
}
