/*
 * Mails. The token of a link is made here, for each attempt, and only its hash is stored: it is
 * never in the database, not even in the job's input. SMTP cannot send exactly once; where the
 * relay's answer is lost, the next attempt sends the same Message-ID again, and the links of both
 * are good until one is used.
 */
#include <millrace/address.h>
#include <millrace/crypto.h>
#include <millrace/log.h>

#include "runner/jobs/kinds.h"
#include "runner/jobs/reset.h"
#include "runner/outside/mail.h"
#include "sql_job.h"

#define TOKEN_LEN 32
#define WAIT_MAX_MS (900 * 1000)

struct mail_in {
	struct str template;
};

static const struct field mail_fields[] = {
	F_STR(struct mail_in, template, 1, 64, REQUIRED),
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

static struct outcome
send_reset(struct job *j)
{
	struct mail m = { .id = message_id(j) };
	struct str hash, token = new_token(j, &hash);
	PGresult *res = NULL;
	enum err e;

	if ((e = job_runner_reset_prepare(j, &res, hash)) != ERR_OK)
		return job_db_error(j, e, "the mail could not be prepared");
	if (PQntuples(res) == 0)
		return job_lost(j);
	m.to = sql_get(res, 0, 0);
	if (!m.to.p || !address_is_email(m.to))
		return job_failed("NOT_FOUND", "There is no address to write to.");
	reset_mail(j->a, token, &m);
	return deliver(j, &m);
}

struct outcome
mail_run(struct job *j)
{
	struct mail_in in = { 0 };
	struct outcome o;

	if (!job_input(j, mail_fields, 1, &in, &o))
		return o;
	if (!str_eq(in.template, S("reset")))
		return job_failed("BAD_REQUEST", "There is no such mail.");
	if (!mail_configured()) {
		log_error("mail: cannot be sent; set SMTP_URL, SMTP_FROM and MILLRACE_RESET_URL",
		    "run", j->run.text);
		return job_failed("NOT_CONFIGURED", "This server is not set up to send mail.");
	}
	return send_reset(j);
}
