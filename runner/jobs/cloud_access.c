#include <millrace/clock.h>
#include <millrace/log.h>
#include <millrace/seal.h>

#include "runner/identity/oauth.h"
#include "runner/jobs/cloud_access.h"
#include "runner/secrets/vault.h"
#include "sql_job.h"

#define REFRESH_WITHIN_MS 15000 /* for the job that refreshes a token */
#define LOOK_MS 100 /* and how often its end is looked for, at first */

struct access {
	struct uuid token; /* oauth_token's */
	struct str was; /* hash of what is sealed */
	bool expired, refreshable;
};

static enum err
failed(struct job *j, const struct cloud_service *s, enum err e, const char *what, const char **why)
{
	*why = arena_printf(j->a, "%s %s", s->title, what).p;
	return e;
}

static enum err
not_connected(struct job *j, const struct cloud_service *s, const char **why)
{
	return failed(j, s, ERR_NOT_CONNECTED, "is not connected: sign in by it.", why);
}

/* The newest token that the owner's sign-ins have given. */
static enum err
open_token(struct job *j, const struct cloud_service *s, struct access *out, struct cloud *c)
{
	PGresult *res = NULL;
	struct tokens tokens;
	struct str text;
	enum err e;

	e = job_runner_cloud_token(j, &res, j->owner, str_from(s->provider));
	if (e != ERR_OK)
		return e;
	if (PQntuples(res) == 0 || !uuid_parse(sql_get(res, 0, 0), &out->token))
		return not_connected(j, s, &c->why);
	if (!vault_unseal(j->a, seal_oauth_label(j->a, str_from(s->provider), sql_get(res, 0, 1)),
		sql_get(res, 0, 2), &text) ||
	    !tokens_unpack(j->a, text, &tokens)) {
		log_error("vault: a provider's tokens could not be opened with this runner's keys",
		    "provider", s->provider);
		return failed(j, s, ERR_UPSTREAM_FAILED,
		    "cannot be asked: this server has no key to its tokens now.", &c->why);
	}
	out->was = sql_get(res, 0, 3);
	out->expired = sql_bool(res, 0, 4);
	out->refreshable = tokens.refresh.n > 0;
	c->token = arena_cstr(j->a, tokens.access);
	return ERR_OK;
}

/* Has the token refreshed, by whichever runner, and waits for that. */
static enum err
renew(struct job *j, const struct cloud_service *s, struct access *x, struct cloud *c)
{
	int64_t until = clock_ms() + REFRESH_WITHIN_MS, pause = LOOK_MS;

	if (until > c->until_ms)
		until = c->until_ms;
	if (!x->refreshable)
		return failed(j, s, ERR_NOT_CONNECTED,
		    "does not accept the permission any more: sign in by it again.", &c->why);
	for (bool first = true; clock_ms() < until; first = false, pause += LOOK_MS) {
		PGresult *res = NULL;
		struct str state;
		enum err e = job_runner_cloud_refresh(j, &res, x->token, x->was, first);

		if (e != ERR_OK)
			return e;
		state = sql_get(res, 0, 0);
		if (str_eq(state, S("refreshed")))
			return open_token(j, s, x, c);
		if (str_eq(state, S("gone")))
			return not_connected(j, s, &c->why);
		if (str_eq(state, S("failed")))
			break;
		if (!stop_sleep(&j->stop, pause))
			return ERR_CONFLICT;
	}
	return failed(j, s, ERR_UPSTREAM_FAILED, "gives no new token now.", &c->why);
}

enum err
cloud_use(struct job *j, const struct cloud_service *s, int64_t within_ms,
    enum err (*use)(struct cloud *c, void *arg), void *arg, const char **why)
{
	struct cloud c = { .stop = &j->stop,
		.a = j->a,
		.title = s->title,
		.until_ms = clock_ms() + within_ms,
		.why = "" };
	struct access x;
	enum err e = open_token(j, s, &x, &c);

	if (e == ERR_OK && x.expired && x.refreshable)
		e = renew(j, s, &x, &c);
	if (e == ERR_OK && (e = use(&c, arg)) == ERR_UNAUTHORIZED) {
		e = renew(j, s, &x, &c);
		if (e == ERR_OK && (e = use(&c, arg)) == ERR_UNAUTHORIZED)
			e = ERR_NOT_CONNECTED;
	}
	*why = c.why;
	return e;
}
