/*
 * Signing in by a provider: the exchange of a code, which a browser waits for; the refreshing of
 * tokens before they end; and their revocation when a user takes leave. A code is sent at most
 * once: an attempt that finds it taken ends the sign-in, and the user begins anew. A refresh token
 * may be sent twice where a runner died in between; a provider that gives each out for one use may
 * then not take it any more, and the user is told to connect again.
 */
#include <millrace/log.h>
#include <millrace/seal.h>

#include "runner/identity/oauth.h"
#include "runner/jobs/kinds.h"
#include "runner/secrets/vault.h"
#include "sql_job.h"

#define REVOKE_WAIT_MAX_MS (900 * 1000)
#define BUSY_WAIT_MS 2000

static const struct str absent = { NULL, 0 };

/* Seals tokens to the vault's key. False where there is none that fits, or the job has to stop. */
static bool
seal_tokens(
    struct job *j, struct str label, const struct tokens *t, struct uuid *key, struct str *sealed)
{
	PGresult *keys = NULL;

	return job_runner_vault_keys(j, &keys) == ERR_OK &&
	       vault_seal(j->a, keys, label, tokens_pack(j->a, t), key, sealed);
}

/* --- the exchange --- */

struct exchanged {
	const char *outcome;
	struct external who;
	struct str sealed, scope;
	struct uuid key;
	int64_t lasts;
	bool refreshable;
};

static struct outcome
end_exchange(struct job *j, const struct exchanged *x)
{
	const struct external *who = &x->who;

	return job_end_runner_oauth_exchanged(j, str_from(x->outcome),
	    who->subject[0] ? str_from(who->subject) : absent,
	    who->email[0] ? str_from(who->email) : absent, who->email_verified,
	    who->name[0] ? str_from(who->name) : absent, x->sealed, x->key, x->scope,
	    x->lasts > 0 ? x->lasts : SQL_NULL_INT, x->refreshable);
}

static struct outcome
end_badly(struct job *j, const char *why)
{
	return end_exchange(j, &(struct exchanged){ .outcome = why });
}

/*
 * Without a key of the vault somebody can sign in all the same; there is then nothing kept to act
 * for them by.
 */
static void
keep_tokens(
    struct job *j, const struct oauth_provider *p, const struct tokens *t, struct exchanged *x)
{
	struct str label = seal_oauth_label(j->a, str_from(p->name), str_from(x->who.subject));

	if (!seal_tokens(j, label, t, &x->key, &x->sealed)) {
		x->key = (struct uuid){ "" };
		x->sealed = absent;
		log_warn("vault: no key that fits; a provider's tokens are not kept", "provider",
		    p->name);
		return;
	}
	x->scope = t->scope;
	x->lasts = t->lasts;
	x->refreshable = t->refresh.p && t->lasts > 0;
}

static const char *
outcome_of(enum oauth_end end)
{
	switch (end) {
	case OAUTH_OK:
		return "ok";
	case OAUTH_AWAY:
		return "provider_unavailable";
	case OAUTH_STOPPED:
		return "interrupted";
	case OAUTH_REFUSED:
	case OAUTH_BAD:
		break;
	}
	return "provider_error";
}

static struct outcome
exchange(struct job *j)
{
	const struct oauth_provider *p;
	struct exchanged x = { 0 };
	struct tokens t = { 0 };
	PGresult *res = NULL;
	enum oauth_end end;
	enum err e;

	if ((e = job_runner_oauth_accept(j, &res)) != ERR_OK)
		return job_db_error(j, e, "the sign-in could not be read");
	if (PQntuples(res) == 0)
		return job_lost(j);
	if (!sql_get(res, 0, 0).p)
		return end_badly(j, "timeout");
	if (!sql_get(res, 0, 1).p)
		return end_badly(j, "interrupted");
	p = oauth_provider(sql_get(res, 0, 0));
	if (!p || !oauth_is_set_up(p) || !*oauth_config(p)->client_secret) {
		log_error("oauth: no client secret, so a sign-in cannot be ended", "provider",
		    p ? p->name : "?");
		return end_badly(j, "server_error");
	}
	end = tokens_by_code(j, p, sql_get(res, 0, 1), sql_get(res, 0, 2), &t);
	if (end == OAUTH_OK)
		end = oauth_profile_read(j, p, &t, sql_get(res, 0, 3), &x.who);
	if (stop_why(&j->stop) == STOP_LOST)
		return job_stopped();
	if (end != OAUTH_OK)
		return end_badly(j, outcome_of(end));
	keep_tokens(j, p, &t, &x);
	x.outcome = "ok";
	return end_exchange(j, &x);
}

/* --- what is done with tokens later --- */

struct task {
	struct uuid id; /* oauth_token's */
	const struct oauth_provider *provider;
	struct str label;
	struct tokens tokens;
	bool gone; /* there is nothing to do any more */
	bool waits;
	bool opened;
};

/* False: *o says how the job ends. */
static bool
accept_token(struct job *j, struct task *task, struct outcome *o)
{
	PGresult *res = NULL;
	struct str text;
	enum err e;

	if ((e = job_runner_oauth_token_accept(j, &res, task->id)) != ERR_OK) {
		*o = job_db_error(j, e, "a provider's tokens could not be read");
		return false;
	}
	if (PQntuples(res) == 0) {
		*o = job_lost(j);
		return false;
	}
	task->provider = oauth_provider(sql_get(res, 0, 0));
	task->gone = !task->provider || !sql_bool(res, 0, 4);
	task->waits = sql_bool(res, 0, 5);
	if (task->gone)
		return true;
	task->label = seal_oauth_label(j->a, sql_get(res, 0, 0), sql_get(res, 0, 1));
	task->opened = vault_unseal(j->a, task->label, sql_get(res, 0, 2), &text) &&
		       tokens_unpack(j->a, text, &task->tokens);
	if (!task->opened)
		log_error("vault: a provider's tokens could not be opened with this runner's keys",
		    "under", sql_get(res, 0, 3).p);
	return true;
}

static struct outcome
end_done(struct job *j)
{
	return job_end_runner_job_end_done(j, S("{}"), absent);
}

static struct outcome
end_refresh_badly(struct job *j, const struct task *task, bool for_good)
{
	return job_end_runner_oauth_refresh_failed(
	    j, task->id, str_from(task->provider->title), for_good);
}

static struct outcome
refresh(struct job *j, struct task *task)
{
	struct outcome o = { 0 };
	struct tokens t = { 0 };
	struct uuid key;
	struct str sealed;
	enum oauth_end end;

	if (!accept_token(j, task, &o))
		return o;
	if (task->gone)
		return end_done(j);
	/*
	 * What comes may make the old ones worthless, so it is tried first whether it could be
	 * kept.
	 */
	if (!task->opened || !task->tokens.refresh.p ||
	    !*oauth_config(task->provider)->client_secret ||
	    !seal_tokens(j, task->label, &task->tokens, &key, &sealed))
		return end_refresh_badly(j, task, false);
	end = tokens_by_refresh(j, task->provider, task->tokens.refresh, &t);
	if (end == OAUTH_STOPPED)
		return job_stopped();
	if (end != OAUTH_OK)
		return end_refresh_badly(j, task, end == OAUTH_REFUSED);
	if (!seal_tokens(j, task->label, &t, &key, &sealed))
		return job_db_error(j, ERR_OVERLOADED, "refreshed tokens could not be sealed");
	return job_end_runner_oauth_refreshed(
	    j, task->id, sealed, key, t.lasts > 0 ? t.lasts : SQL_NULL_INT);
}

static struct outcome
revoke(struct job *j, struct task *task)
{
	int64_t wait = j->attempt < 10 ? INT64_C(1000) << j->attempt : REVOKE_WAIT_MAX_MS;
	struct outcome o = { 0 };
	enum oauth_end end;

	if (!accept_token(j, task, &o))
		return o;
	if (task->gone)
		return end_done(j);
	if (task->waits)
		return job_again("the tokens are being refreshed", BUSY_WAIT_MS);
	end = task->opened ? tokens_revoke(j, task->provider, &task->tokens) : OAUTH_BAD;
	if (end == OAUTH_STOPPED)
		return job_stopped();
	if (end == OAUTH_AWAY || end == OAUTH_BAD)
		return job_again("the tokens were not revoked", wait);
	return job_end_runner_oauth_revoked(j, task->id);
}

struct oauth_in {
	struct str do_;
	struct uuid token;
};

static const struct field oauth_fields[] = {
	{ .name = "do",
	    .kind = FIELD_STR,
	    .required = REQUIRED,
	    .min = 1,
	    .max = 64,
	    .offset = offsetof(struct oauth_in, do_) },
	F_UUID(struct oauth_in, token, OPTIONAL),
};

struct outcome
oauth_run(struct job *j)
{
	struct oauth_in in = { 0 };
	struct task task = { 0 };
	struct outcome o;

	if (!job_input(j, oauth_fields, 2, &in, &o))
		return o;
	task.id = in.token;
	if (str_eq(in.do_, S("exchange")))
		return exchange(j);
	if (str_eq(in.do_, S("refresh")))
		return refresh(j, &task);
	if (str_eq(in.do_, S("revoke")))
		return revoke(j, &task);
	return job_failed("BAD_REQUEST", "There is no such work.");
}
