/*
 * Slack: the credentials of an integration's app, and its events, which come signed
 * (docs.slack.dev/authentication/verifying-requests-from-slack). The bot token is sealed to the
 * runner, which alone calls Slack; a signing secret has to be read here for each event, and is
 * closed under a key of the workers'.
 */
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/lenient.h>
#include <millrace/seal.h>

#include "handlers/integrations/integrations.h"
#include "sql_api.h"

#define TOLERANCE_S 300
#define SIGNING_PURPOSE "slack signing secret"

struct credentials_in {
	struct str bot_token;
	struct str signing_secret;
};

/* Between the two statements of a request. */
struct credentials {
	struct uuid integration;
	struct credentials_in in;
};

struct event_query_in {
	struct uuid integration;
};

struct event_in {
	struct str type;
	struct str challenge;
	struct str team_id;
	struct str event_id;
	struct str event;
};

struct event {
	struct event_query_in query;
	struct event_in in;
	struct str raw; /* the body as it was signed */
};

/* A token goes into a header's line. */
static bool
is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

static const struct field credentials_fields[] = {
	F_CHECKED(struct credentials_in, bot_token, 1, 500, OPTIONAL, is_visible,
	    "must be a bot token as Slack shows it, without blanks"),
	F_STR(struct credentials_in, signing_secret, 1, 200, OPTIONAL),
};
FIELD_TABLE(slack_credentials_body, struct credentials_in, credentials_fields, slack_credentials);

static const struct field event_query_fields[] = {
	F_UUID(struct event_query_in, integration, OPTIONAL),
};
FIELD_TABLE(slack_event_query, struct event_query_in, event_query_fields, slack_events);

static const struct field event_fields[] = {
	F_STR(struct event_in, type, 1, 100, REQUIRED),
	F_STR(struct event_in, challenge, 1, 1000, OPTIONAL),
	F_STR(struct event_in, team_id, 1, 100, OPTIONAL),
	F_STR(struct event_in, event_id, 1, 100, OPTIONAL),
	F_JSON(struct event_in, event, MIB, OPTIONAL),
};
FIELD_TABLE(slack_event_body, struct event_in, event_fields, slack_events);

/* A closed secret opens for its integration alone. */
static const char *
signing_purpose(struct arena *a, const struct uuid *integration)
{
	return arena_printf(a, SIGNING_PURPOSE " %s", integration->text).p;
}

static enum err
credentials_wait(struct req *r)
{
	return res_run_reply(r, 0);
}

static enum err
credentials_seal(struct req *r)
{
	const struct credentials *c = r->state;
	struct str sealed = { NULL, 0 }, closed = { NULL, 0 }, key, name;
	struct uuid key_id = { "" };

	if (c->in.bot_token.p) {
		if (row_count(r) == 0)
			return refuse(r, ERR_OVERLOADED,
			    "The vault has no key yet; an administrator runs: millracectl vault "
			    "init");
		if (!hex_decode(r->a, row_text(r, 0, 1), &key) || key.n != SEAL_KEY_BYTES)
			return ERR_INTERNAL;
		key_id = row_uuid(r, 0, 0);
		name = arena_printf(r->a, "slack/%s", c->integration.text);
		sealed =
		    seal(r->a, key.p, seal_label(r->a, &r->caller.user, name), c->in.bot_token);
	}
	if (c->in.signing_secret.p)
		closed =
		    secretbox(r->a, signing_purpose(r->a, &c->integration), c->in.signing_secret);
	return sql_slack_credentials(r, credentials_wait, c->integration, sealed, key_id, closed,
	    server_url(r), config()->queue_max);
}

/*
 * POST /api/integrations/slack/{id}/credentials. Whose an API key is comes with the first rows, and
 * the seal's label needs it.
 */
enum err
slack_credentials(struct req *r)
{
	struct credentials *c = arena_alloc(r->a, sizeof(*c));
	enum err e;

	*c = (struct credentials){ .integration = path_uuid(r, 0) };
	if ((e = body_bind(r, slack_credentials_body, &c->in)) != ERR_OK)
		return e;
	r->state = c;
	return sql_vault_key_in_force(r, credentials_seal);
}

/* Was it signed just now? A clock may be wrong by as much either way. */
static bool
is_recent(const struct req *r)
{
	int64_t at, now = clock_unix_us() / 1000000;

	return str_int(req_param(r, "HTTP_X_SLACK_REQUEST_TIMESTAMP"), &at) &&
	       at >= now - TOLERANCE_S && at <= now + TOLERANCE_S;
}

/* "v0=" and the HMAC-SHA-256 of "v0:time:body" in hexadecimal digits. */
static bool
is_signed_with(struct req *r, struct str secret)
{
	struct str at = req_param(r, "HTTP_X_SLACK_REQUEST_TIMESTAMP");
	struct str given = req_param(r, "HTTP_X_SLACK_SIGNATURE"), sum;
	const struct event *v = r->state;
	struct buf b = { .a = r->a };

	if (secret.n == 0 || !str_starts(given, S("v0=")) ||
	    !hex_decode(r->a, (struct str){ given.p + 3, given.n - 3 }, &sum))
		return false;
	buf_printf(&b, "v0:%.*s:", S_ARG(at));
	buf_put(&b, v->raw);
	return str_eq_secret(sum, hmac(r->a, secret, buf_str(&b)));
}

static bool
is_signed(struct req *r)
{
	return is_signed_with(r, str_from(config()->slack_signing)) ||
	       is_signed_with(r, str_from(config()->slack_signing_old));
}

static enum err
event_accepted(struct req *r)
{
	return reply_json(r, 200, S("{\"ok\":true}"));
}

/* The signature is good. `closed`: the integration's secret that `was`, to be kept in this form. */
static enum err
event_accept(struct req *r, struct str was, struct str closed)
{
	const struct config *c = config();
	const struct event *v = r->state;
	struct buf b = { .a = r->a };

	if (!str_eq(v->in.type, S("url_verification")))
		return sql_slack_event(r, event_accepted, v->query.integration, r->body, was,
		    closed, c->widget_address_minute, c->widget_address_day,
		    c->widget_session_minute, c->widget_session_day, c->widget_chatbot_minute,
		    c->queue_max, config_credits_required());
	buf_put(&b, S("{\"challenge\":"));
	buf_json(&b, v->in.challenge.p ? v->in.challenge : S(""));
	buf_put(&b, S("}"));
	return reply_json(r, 200, buf_str(&b));
}

/* Whoever sets an app up reads this. */
static enum err
not_signed(struct req *r)
{
	return refuse(r, ERR_UNAUTHORIZED,
	    "X-Slack-Signature is not made of this body and a time of the last minutes by the "
	    "signing secret of an app that is known here.");
}

/* By the secrets of the integration that the address names; where it has none, by this server's. */
static enum err
event_known(struct req *r)
{
	const struct event *v = r->state;
	const char *purpose = signing_purpose(r->a, &v->query.integration);
	struct str closed, secret, none = { NULL, 0 };
	bool outdated;

	if (row_count(r) == 0)
		return not_signed(r);
	if (!row_text(r, 0, 0).p)
		return is_signed(r) ? event_accept(r, none, none) : not_signed(r);
	for (int i = 0; i < 2; i++) {
		if (!hex_decode(r->a, row_text(r, 0, i), &closed) ||
		    !secretbox_open(r->a, purpose, closed, &secret, &outdated) ||
		    !is_signed_with(r, secret))
			continue;
		if (outdated && i == 0)
			return event_accept(r, closed, secretbox(r->a, purpose, secret));
		return event_accept(r, none, none);
	}
	return not_signed(r);
}

/* POST /api/integrations/slack/events: answered when it is stored, within Slack's three seconds. */
enum err
slack_events(struct req *r)
{
	struct event *v = arena_alloc(r->a, sizeof(*v));
	enum err e;

	*v = (struct event){ .raw = r->body };
	r->body = json_mend(r->a, r->body);
	if ((e = query_bind(r, slack_event_query, &v->query)) != ERR_OK)
		return e;
	if ((e = body_bind(r, slack_event_body, &v->in)) != ERR_OK)
		return e;
	if (!is_recent(r))
		return not_signed(r);
	r->state = v;
	if (v->query.integration.text[0])
		return sql_slack_signing(r, event_known, v->query.integration);
	return is_signed(r) ? event_accept(r, (struct str){ NULL, 0 }, (struct str){ NULL, 0 })
			    : not_signed(r);
}
