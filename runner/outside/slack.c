#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/outside/http.h"
#include "runner/outside/refusal.h"
#include "runner/outside/slack.h"

#define REPLY_MAX ((size_t)4 * 1024 * 1024)
#define RATE_WAIT_MS 30000 /* where Slack does not say how long */
#define RATE_WAIT_MAX_MS 3600000

/* What Slack's words for a failure mean; any other is a refusal. */
static const struct {
	const char *error;
	enum slack_end end;
} errors[] = {
	{ "invalid_auth", SLACK_BAD_TOKEN },
	{ "not_authed", SLACK_BAD_TOKEN },
	{ "account_inactive", SLACK_BAD_TOKEN },
	{ "token_revoked", SLACK_BAD_TOKEN },
	{ "token_expired", SLACK_BAD_TOKEN },
	{ "missing_scope", SLACK_BAD_TOKEN },
	{ "org_login_required", SLACK_BAD_TOKEN },
	{ "ekm_access_denied", SLACK_BAD_TOKEN },
	{ "internal_error", SLACK_LATER },
	{ "fatal_error", SLACK_LATER },
	{ "service_unavailable", SLACK_LATER },
	{ "request_timeout", SLACK_LATER },
	{ "team_added_to_org", SLACK_LATER },
};

/* Too much was asked: nothing was done. With 429, and without: both come. */
static enum slack_end
limited(const struct http_request *q, struct slack_reply *reply)
{
	int64_t wait = q->retry_after_ms >= 0 ? q->retry_after_ms : RATE_WAIT_MS;

	reply->why = S("ratelimited");
	reply->wait_ms = wait < 1 ? 1 : wait < RATE_WAIT_MAX_MS ? wait : RATE_WAIT_MAX_MS;
	return SLACK_LATER;
}

static enum slack_end
read_reply(struct arena *a, struct http_request *q, struct slack_reply *reply)
{
	json_object *o;

	if (q->status == 429)
		return limited(q, reply);
	if (!mended_parse(a, &q->reply, &o) || !json_has(o, "ok")) {
		reply->why = arena_printf(a, "status %d without a reply of the Web API: %.*s",
		    q->status, S_ARG(refusal_words(a, q->reply)));
		return q->status == 200 || q->status >= 500 ? SLACK_LATER : SLACK_REFUSED;
	}
	if (json_object_get_boolean(json_at(o, "ok"))) {
		reply->result = o;
		return SLACK_OK;
	}
	reply->why = json_text(o, "error").p ? json_text(o, "error") : S("no reason given");
	if (str_eq(reply->why, S("ratelimited")) || str_eq(reply->why, S("rate_limited")))
		return limited(q, reply);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (str_eq(reply->why, str_from(errors[i].error)))
			return errors[i].end;
	return SLACK_REFUSED;
}

enum slack_end
slack_call(struct stop *stop, struct arena *a, struct str token, const char *method,
    struct str form, int64_t within_ms, struct slack_reply *reply)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
		NULL };
	struct http_request q = {
		.method = "POST",
		.url = arena_printf(a, "%s/%s", config()->slack_api_url, method).p,
		.bearer = arena_cstr(a, token),
		.headers = headers,
		.body = form,
		.within_ms = within_ms,
		.reply_max = REPLY_MAX,
	};

	*reply = (struct slack_reply){ .why = S("") };
	switch (http_call(stop, a, &q)) {
	case HTTP_DONE:
		return read_reply(a, &q, reply);
	case HTTP_STOPPED:
		return SLACK_STOPPED;
	case HTTP_TOO_LONG:
		reply->why = S("its reply is too long");
		return SLACK_REFUSED;
	case HTTP_OPEN:
	case HTTP_NO_CONNECT:
	case HTTP_FORBIDDEN:
	case HTTP_SILENT:
	case HTTP_CUT:
	case HTTP_ENDED:
		break;
	}
	reply->why = arena_printf(a, "%s", q.error);
	return SLACK_LATER;
}
