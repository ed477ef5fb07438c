/*
 * Mails. The token of a link is made here, for each attempt, and only its hash is stored: it is never in the database, not even in the
 * job's input. SMTP cannot send exactly once; where the relay's answer is lost, the next attempt sends the same Message-ID again, and the
 * links of both are good until one is used.
 */
#include <millrace/address.h>
#include <millrace/crypto.h>
#include <millrace/fields.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/outside/mail.h"
#include "runner/runner.h"
#include "sql_runner.h"

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
	struct outcome o = { 0 };
	char error[256] = "";
	enum mail_end end = mail_send(j, m->to, mail_message(j->a, m), error);

	if (end == MAIL_STOPPED)
		return (struct outcome){ .end = END_STOPPED };
	if (end != MAIL_SENT)
		log_warn("a mail could not be sent", "run", j->run.text, "error", error);
	if (end == MAIL_LATER)
		return (struct outcome){ .end = END_AGAIN,
			.message = "the mail could not be sent",
			.wait_ms = wait_ms(j->attempt) };
	if (end == MAIL_REFUSED)
		return job_failed("MAIL_REFUSED", "The mail relay refused the mail.");
	JOB_END(j, &o,
	    db_runner_job_end_done(db, j->a, &res, j->run, str_from(me.name), j->attempt, after,
		S("{}"), (struct str){ NULL, 0 }));
	return o;
}

static struct outcome
send_reset(struct job *j)
{
	struct mail m = { .id = message_id(j) };
	struct str hash, token = new_token(j, &hash);
	PGresult *res = NULL;
	enum err e;

	JOB_ASK(j, e,
	    db_runner_reset_prepare(db, j->a, &res, j->run, str_from(me.name), j->attempt, hash));
	if (e != ERR_OK)
		return job_db_error(j, e, "the mail could not be prepared");
	if (PQntuples(res) == 0) {
		job_tell(j, STOP_LOST);
		return (struct outcome){ .end = END_STOPPED };
	}
	m.to = sql_get(res, 0, 0);
	if (!m.to.p || !address_is_email(m.to))
		return job_failed("NOT_FOUND", "There is no address to write to.");
	mail_reset(j->a, token, &m);
	return deliver(j, &m);
}

struct outcome
mail_run(struct job *j)
{
	struct mail_in in = { 0 };
	struct problems problems = { .json = { .a = j->a } };
	json_object *input;
	const char *why;

	if (json_parse(j->a, j->input, &input, &why) != ERR_OK ||
	    !json_fields(j->a, mail_fields, 1, input, &in, &problems) ||
	    !str_eq(in.template, S("reset")))
		return job_failed("BAD_REQUEST", "There is no such mail.");
	if (!mail_configured()) {
		log_error("a mail was asked for and none can be sent: set SMTP_URL, SMTP_FROM and "
			  "MILLRACE_RESET_URL",
		    "run", j->run.text);
		return job_failed("NOT_CONFIGURED", "This server is not set up to send mail.");
	}
	return send_reset(j);
}
