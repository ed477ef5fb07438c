/*
 * What is done at Slack for an integration: an answer while it grows, a short text, and the check
 * of its token. A message has its run's id in its metadata, so that one whose reply was lost is
 * found again, where the app may read the conversation's history.
 */
#include <millrace/log.h>
#include <millrace/json.h>
#include <millrace/oauth.h>
#include <millrace/seal.h>

#include "runner/jobs/kinds.h"
#include "runner/jobs/relay.h"
#include "runner/outside/markup.h"
#include "runner/outside/slack.h"
#include "runner/secrets/vault.h"
#include "sql_job.h"

#define CALL_MS 20000
#define STEP_MS 1500 /* chat.update may be called some fifty times a minute */
#define LATER_MS 10000
#define NO_KEY_MS 60000
#define METADATA_TYPE "millrace_answer"

struct slack_in {
	struct str what;
	struct uuid integration;
	struct str channel;
	struct str thread; /* absent: the answer stands outside of any */
	struct str after; /* the message that is answered */
	struct str text;
	struct str sealed;
	struct str reply;
};

static const struct field slack_fields[] = {
	F_STR(struct slack_in, what, 1, 16, REQUIRED),
	F_UUID(struct slack_in, integration, REQUIRED),
	F_STR(struct slack_in, channel, 1, 40, OPTIONAL),
	F_STR(struct slack_in, thread, 1, 40, OPTIONAL),
	F_STR(struct slack_in, after, 1, 40, OPTIONAL),
	F_STR(struct slack_in, text, 1, 100000, OPTIONAL),
	F_STR(struct slack_in, sealed, 1, 10000, OPTIONAL),
	F_STR(struct slack_in, reply, 1, 16, OPTIONAL),
};

struct work {
	struct slack_in in;
	struct str token;
	int64_t which; /* of the integration's tokens; 0: one that is given */
};

/* The token to call with. False: how the job ends is in *o. */
static bool
open_token(struct job *j, struct work *w, struct outcome *o)
{
	struct str name = arena_printf(j->a, "slack/%s", w->in.integration.text);
	struct str sealed = w->in.sealed;
	PGresult *res = NULL;
	int64_t wait = 0;
	enum err e;

	e = job_runner_slack_token(j, &res, w->in.integration, w->in.channel);
	if (e != ERR_OK) {
		*o = job_db_error(j, e, "an app's token could not be read");
		return false;
	}
	if (PQntuples(res) > 0) {
		(void)str_int(sql_get(res, 0, 2), &wait);
		if (!sealed.p)
			(void)str_int(sql_get(res, 0, 3), &w->which);
	}
	if (!sealed.p && PQntuples(res) == 0)
		*o = job_failed("NOT_FOUND", "The integration is gone.");
	else if (w->in.channel.p && !str_eq(sql_get(res, 0, 1), S("active")))
		*o = job_failed("FORBIDDEN", "The integration does not work, or was stopped.");
	else if (wait > 0)
		/* give_back waits for half of it at least. */
		*o = job_again("Slack limits the rate of this channel", 2 * wait);
	else if (!vault_unseal(j->a, seal_label(j->a, &j->owner, name),
		     sealed.p ? sealed : sql_get(res, 0, 0), &w->token))
		*o = job_again("the vault's keys here do not open the bot token", NO_KEY_MS);
	else
		return true;
	return false;
}

static const char *
problem_of(struct job *j, struct str why)
{
	return arena_printf(j->a, "Slack does not accept the bot token: %.*s.", S_ARG(why)).p;
}

/* Keeps a rate limit, which holds for all jobs of the channel. */
static struct outcome
held(struct job *j, const struct work *w, const struct slack_reply *reply, const char *why)
{
	struct str wait = arena_printf(j->a, "%lld milliseconds", (long long)reply->wait_ms);

	if (job_runner_slack_hold(
		j, &(PGresult *){ NULL }, w->in.integration, w->in.channel, wait) != ERR_OK)
		log_warn("slack: a rate limit could not be kept");
	return job_again(why, 2 * reply->wait_ms);
}

/* How the job ends where a call about its channel did not go well. */
static struct outcome
ended(struct job *j, const struct work *w, enum slack_end end, const struct slack_reply *reply)
{
	const char *why = arena_printf(j->a, "Slack: %.*s", S_ARG(reply->why)).p;
	const char *problem;

	switch (end) {
	case SLACK_STOPPED:
		return job_stopped();
	case SLACK_BAD_TOKEN:
		problem = problem_of(j, reply->why);
		if (job_runner_slack_problem(j, &(PGresult *){ NULL }, w->in.integration,
			str_from(problem), w->which) != ERR_OK)
			return job_again(why, LATER_MS);
		return job_failed("UPSTREAM_FAILED", problem);
	case SLACK_LATER:
		return reply->wait_ms > 0 ? held(j, w, reply, why) : job_again(why, LATER_MS);
	case SLACK_REFUSED:
	case SLACK_OK:
		break;
	}
	return job_failed("UPSTREAM_FAILED", why);
}

/* The form of a message of the job's. */
static struct buf
message_form(const struct relay *r, const struct slack_in *in, struct str text)
{
	struct buf b = { .a = r->j->a };

	form_put(&b, "channel", in->channel);
	form_put(&b, "text", text);
	form_put(&b, "metadata",
	    arena_printf(r->j->a,
		"{\"event_type\":\"" METADATA_TYPE
		"\",\"event_payload\":{\"run\":\"%s\",\"n\":%zu}}",
		r->j->run.text, r->n));
	return b;
}

static bool
slack_put(struct relay *r, struct str text, struct str *id, struct outcome *o)
{
	const struct work *w = r->arg;
	struct buf form = message_form(r, &w->in, text);
	struct slack_reply reply;
	enum slack_end end;

	if (w->in.thread.p)
		form_put(&form, "thread_ts", w->in.thread);
	form_put(&form, "unfurl_links", S("false"));
	form_put(&form, "unfurl_media", S("false"));
	end = slack_call(
	    &r->j->stop, r->j->a, w->token, "chat.postMessage", buf_str(&form), CALL_MS, &reply);
	r->unsent = end != SLACK_STOPPED && (end != SLACK_LATER || reply.wait_ms > 0);
	if (end == SLACK_OK) {
		*id = json_text(reply.result, "ts");
		if (id->p)
			return true;
		end = SLACK_REFUSED;
		reply.why = S("a message without its ts");
	}
	*o = ended(r->j, w, end, &reply);
	return false;
}

static bool
slack_change(struct relay *r, struct str id, struct str text, struct outcome *o)
{
	const struct work *w = r->arg;
	struct buf form = message_form(r, &w->in, text);
	struct slack_reply reply;
	enum slack_end end;

	form_put(&form, "ts", id);
	end = slack_call(
	    &r->j->stop, r->j->a, w->token, "chat.update", buf_str(&form), CALL_MS, &reply);
	*o = ended(r->j, w, end, &reply);
	/* Refused: somebody has deleted it, or it may not be changed any more. */
	return end == SLACK_OK || end == SLACK_REFUSED;
}

/* The ts of the message that has this job's run and number in its metadata. */
static struct str
own_message(const struct relay *r, json_object *messages)
{
	size_t n =
	    json_object_is_type(messages, json_type_array) ? json_object_array_length(messages) : 0;

	for (size_t i = 0; i < n; i++) {
		json_object *m = json_object_array_get_idx(messages, i);
		json_object *payload = json_at(json_at(m, "metadata"), "event_payload");

		if (str_eq(json_text(payload, "run"), uuid_str(&r->j->run)) &&
		    json_int(payload, "n", -1) == (int64_t)r->n)
			return json_text(m, "ts");
	}
	return (struct str){ NULL, 0 };
}

/* Where the app may not read the history it is not known, and the message is sent again. */
static bool
find(struct relay *r, struct str *id, struct outcome *o)
{
	const struct work *w = r->arg;
	const char *method = w->in.thread.p ? "conversations.replies" : "conversations.history";
	struct buf form = { .a = r->j->a };
	struct slack_reply reply;
	enum slack_end end;

	form_put(&form, "channel", w->in.channel);
	if (w->in.thread.p)
		form_put(&form, "ts", w->in.thread);
	form_put(&form, "oldest", w->in.after);
	form_put(&form, "limit", S("200"));
	form_put(&form, "include_all_metadata", S("true"));
	end = slack_call(&r->j->stop, r->j->a, w->token, method, buf_str(&form), CALL_MS, &reply);
	if (end == SLACK_OK)
		*id = own_message(r, json_at(reply.result, "messages"));
	if (end == SLACK_OK || end == SLACK_REFUSED || str_eq(reply.why, S("missing_scope")))
		return true;
	*o = ended(r->j, w, end, &reply);
	return false;
}

static const struct relay_chat slack_chat = {
	.units_max = SLACK_TEXT_MAX,
	.pause_ms = STEP_MS,
	.text = markup_slack,
	.find = find,
	.post = slack_put,
	.change = slack_change,
};

static struct outcome
send_text(struct job *j, struct work *w)
{
	struct relay r = { .j = j, .arg = w };
	struct str id = { NULL, 0 }, text = markup_slack(j->a, w->in.text);
	struct outcome o;

	if ((j->attempt > 1 && !find(&r, &id, &o)) ||
	    (!id.p && !slack_put(&r, relay_part(text, SLACK_TEXT_MAX), &id, &o)))
		return o;
	return job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
}

/* Whose token is it? Somebody waits for the reply, or nobody does. */
static struct outcome
check(struct job *j, const struct work *w)
{
	struct slack_reply reply;
	json_object *o;

	switch (slack_call(&j->stop, j->a, w->token, "auth.test", S(""), CALL_MS, &reply)) {
	case SLACK_OK:
		o = reply.result;
		if (!json_text(o, "bot_id").p || !json_text(o, "team_id").p ||
		    !json_text(o, "user_id").p)
			return job_end_runner_slack_refused(j, 400, S("BAD_REQUEST"),
			    S("Slack knows this token as no bot's."), w->which);
		return job_end_runner_slack_checked(j, json_text(o, "team_id"),
		    json_text(o, "team").p ? json_text(o, "team") : S(""), json_text(o, "user_id"),
		    w->which);
	case SLACK_BAD_TOKEN:
	case SLACK_REFUSED:
		return job_end_runner_slack_refused(
		    j, 400, S("BAD_REQUEST"), str_from(problem_of(j, reply.why)), w->which);
	case SLACK_STOPPED:
		return job_stopped();
	case SLACK_LATER:
		break;
	}
	if (!w->in.reply.p)
		return job_again(arena_printf(j->a, "Slack: %.*s", S_ARG(reply.why)).p,
		    reply.wait_ms > 0 ? 2 * reply.wait_ms : LATER_MS);
	return job_end_runner_slack_refused(j, 502, S("UPSTREAM_FAILED"),
	    S("Slack could not be asked; try again shortly."), w->which);
}

struct outcome
slack_run(struct job *j)
{
	struct work w = { 0 };
	struct outcome o;

	if (!job_input(j, slack_fields, sizeof(slack_fields) / sizeof(*slack_fields), &w.in, &o) ||
	    !open_token(j, &w, &o))
		return o;
	if (str_eq(w.in.what, S("relay")))
		return relay_step(j, &slack_chat, &w);
	if (str_eq(w.in.what, S("say")))
		return send_text(j, &w);
	return check(j, &w);
}
