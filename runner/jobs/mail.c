/*
 * Mails. The token of a link is made here, for each attempt, and only its hash is stored: it is
 * never in the database, not even in the job's input. SMTP cannot send exactly once; where the
 * relay's answer is lost, the next attempt sends the same Message-ID again, and the links of both
 * are good until one is used.
 */
#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/log.h>

#include "runner/jobs/kinds.h"
#include "runner/jobs/letter.h"
#include "runner/outside/mail.h"
#include "sql_job.h"

#define TOKEN_LEN 32
#define WAIT_MAX_MS (900 * 1000)

struct mail_in {
	struct str template;
	struct uuid invitation; /* of "invitation" */
	struct str to; /* of what is not for the account's present address */
	struct str platform; /* of "source_lost", "source_back" */
};

static const struct field mail_fields[] = {
	F_STR(struct mail_in, template, 1, 64, REQUIRED),
	F_UUID(struct mail_in, invitation, OPTIONAL),
	F_EMAIL(struct mail_in, to, OPTIONAL),
	F_STR(struct mail_in, platform, 1, 64, OPTIONAL),
};

/* The run's id would tell the reader where its events are; its hash tells nothing. */
static struct str
message_id(struct job *j)
{
	struct str digest = sha256(j->a, uuid_str(&j->run));
	struct buf b = { .a = j->a };

	for (size_t i = 0; i < 16; i++)
		buf_printf(&b, "%02x", (unsigned char)digest.p[i]);
	return buf_str(&b);
}

static struct str
new_token(struct job *j, struct str *hash)
{
	struct str token = random_text(j->a, TOKEN_LEN);

	*hash = sha256(j->a, token);
	return token;
}

/* 2 s, 8 s, 32 s … a quarter of an hour. */
static int64_t
wait_ms(int attempt)
{
	return attempt > 5 ? WAIT_MAX_MS : INT64_C(500) << 2 * attempt;
}

static struct outcome
deliver(struct job *j, const struct mail *m)
{
	char error[256] = "";
	struct mail sent = *m;
	enum mail_end end;

	sent.to = address_for_mail(j->a, m->to);
	end = mail_send(&j->stop, j->a, sent.to, mail_message(j->a, &sent), error);

	if (end == MAIL_STOPPED)
		return job_stopped();
	if (end != MAIL_SENT)
		log_warn("mail: could not be sent", "run", j->run.text, "error", error);
	if (end == MAIL_LATER)
		return job_again("the mail could not be sent", wait_ms(j->attempt));
	if (end == MAIL_REFUSED)
		return job_failed("MAIL_REFUSED", "The mail relay refused the mail.");
	return job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
}

/* `set` are the settings that are missing. */
static struct outcome
not_set_up(struct job *j, const char *set)
{
	log_error("mail: cannot be sent", "run", j->run.text, "set", set);
	return job_failed("NOT_CONFIGURED", "This server is not set up to send mail.");
}

static struct outcome
no_address(void)
{
	return job_failed("NOT_FOUND", "There is no address to write to.");
}

static struct outcome
send_reset(struct job *j)
{
	struct mail m = { .id = message_id(j) };
	struct str hash, token = new_token(j, &hash);
	PGresult *res = NULL;
	enum err e;

	if (!config_has_mail() || !*config()->reset_url)
		return not_set_up(j, "SMTP_URL, SMTP_FROM and MILLRACE_RESET_URL");
	if ((e = job_runner_reset_prepare(j, &res, hash)) != ERR_OK)
		return job_db_error(j, e, "the mail could not be prepared");
	if (PQntuples(res) == 0)
		return job_lost(j);
	m.to = sql_get(res, 0, 0);
	if (!m.to.p || !address_is_email(m.to))
		return no_address();
	letter_write(j->a, &letter_reset, config()->reset_url, token, S(""), &m);
	return deliver(j, &m);
}

static struct outcome
send_invitation(struct job *j, struct uuid invitation)
{
	struct mail m = { .id = message_id(j) };
	struct str hash, token = new_token(j, &hash), days;
	PGresult *res = NULL;
	enum err e;

	if (!config_has_mail() || !*config()->invite_url)
		return not_set_up(j, "SMTP_URL, SMTP_FROM and MILLRACE_INVITE_URL");
	if ((e = job_runner_invitation_prepare(j, &res, invitation, hash)) != ERR_OK)
		return job_db_error(j, e, "the mail could not be prepared");
	if (PQntuples(res) == 0)
		return job_lost(j);
	m.to = sql_get(res, 0, 0);
	days = sql_get(res, 0, 1);
	/* It was used or withdrawn meanwhile. */
	if (!m.to.p)
		return job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
	days = str_eq(days, S("1")) ? S("a day") : arena_printf(j->a, "%.*s days", S_ARG(days));
	letter_write(j->a, &letter_invitation, config()->invite_url, token, days, &m);
	return deliver(j, &m);
}

/* What people call where a data source is. */
static struct str
platform_title(struct str platform)
{
	if (str_eq(platform, S("google_drive")))
		return S("Google Drive");
	if (str_eq(platform, S("onedrive")))
		return S("OneDrive");
	return str_eq(platform, S("upload")) ? S("the uploaded documents") : S("the web");
}

/* What only tells something. `detail` fills the text. */
static struct outcome
send_notice(struct job *j, const struct letter *l, struct str to, struct str detail)
{
	struct mail m = { .id = message_id(j), .to = to };

	if (!config_has_mail())
		return not_set_up(j, "SMTP_URL and SMTP_FROM");
	if (!to.p)
		return no_address();
	letter_write(j->a, l, NULL, S(""), detail, &m);
	return deliver(j, &m);
}

struct outcome
mail_run(struct job *j)
{
	struct mail_in in = { 0 };
	struct outcome o;

	if (!job_input(j, mail_fields, sizeof(mail_fields) / sizeof(*mail_fields), &in, &o))
		return o;
	if (str_eq(in.template, S("reset")))
		return send_reset(j);
	if (str_eq(in.template, S("invitation")))
		return send_invitation(j, in.invitation);
	if (str_eq(in.template, S("address_changed")))
		return send_notice(j, &letter_address_changed, in.to, S(""));
	if (str_eq(in.template, S("source_lost")))
		return send_notice(j, &letter_source_lost, in.to, platform_title(in.platform));
	if (str_eq(in.template, S("source_back")))
		return send_notice(j, &letter_source_back, in.to, platform_title(in.platform));
	return job_failed("BAD_REQUEST", "There is no such mail.");
}
