/*
 * What the bot sends and fetches: an answer while it grows, a file that becomes a document, a short
 * text. Telegram cannot be told to send a message at most once, nor be asked what it has
 * sent: where its reply is lost, the next attempt sends it again, without a sound.
 */
#include <stdio.h>
#include <string.h>

#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/jobs/kinds.h"
#include "runner/jobs/relay.h"
#include "runner/jobs/telegram_updates.h"
#include "runner/outside/markup.h"
#include "runner/outside/telegram.h"
#include "sql_job.h"

#define CALL_MS 20000
#define STEP_MS 1000
#define LATER_MS 2000
#define BAD_TOKEN_MS 60000
#define NO_PREVIEW "\"link_preview_options\":{\"is_disabled\":true},"
#define FILE_MAX ((int64_t)20 * 1024 * 1024) /* what getFile gives out */

struct telegram_in {
	struct str what;
	int64_t chat;
	int64_t draft;
	struct str text;
	struct str file;
	int64_t size;
};

static const struct field telegram_fields[] = {
	F_STR(struct telegram_in, what, 1, 16, REQUIRED),
	F_INT(struct telegram_in, chat, INT64_MIN + 1, INT64_MAX, REQUIRED),
	F_INT(struct telegram_in, draft, 1, INT64_MAX, OPTIONAL),
	F_STR(struct telegram_in, text, 1, 100000, OPTIONAL),
	F_STR(struct telegram_in, file, 1, 1000, OPTIONAL),
	F_INT(struct telegram_in, size, 0, INT64_MAX, OPTIONAL),
};

/* How the job ends where a call did not go well. */
static struct outcome
ended(struct job *j, enum telegram_end end, int64_t chat, const struct telegram_reply *reply)
{
	const char *why = arena_printf(j->a, "Telegram: %.*s", S_ARG(reply->why)).p;

	switch (end) {
	case TELEGRAM_STOPPED:
		return job_stopped();
	case TELEGRAM_BLOCKED:
		if (job_runner_telegram_unlink(j, &(PGresult *){ NULL }, chat) != ERR_OK)
			return job_again(why, LATER_MS);
		return job_failed("FORBIDDEN", "The chat is closed to the bot.");
	case TELEGRAM_BAD_TOKEN:
		telegram_token_is_bad();
		return job_again(why, BAD_TOKEN_MS);
	case TELEGRAM_LATER:
	case TELEGRAM_CONFLICT:
		/* give_back waits for half of it at least. */
		return job_again(why, reply->wait_ms > 0 ? 2 * reply->wait_ms : LATER_MS);
	case TELEGRAM_REFUSED:
	case TELEGRAM_OK:
		break;
	}
	return job_failed("UPSTREAM_FAILED", why);
}

/*
 * Sends a text by a method that takes one, with `more` members: an answer's Markdown as HTML, and
 * as it is where Telegram cannot read that.
 */
static enum telegram_end
send_part(struct relay *r, const char *method, const char *more, struct str text,
    struct telegram_reply *reply)
{
	const struct telegram_in *in = r->arg;
	bool is_html = str_eq(in->what, S("relay"));

	for (;;) {
		struct buf b = { .a = r->j->a };
		enum telegram_end end;

		buf_printf(&b, "{\"chat_id\":%lld,%s%s\"text\":", (long long)in->chat, more,
		    is_html ? "\"parse_mode\":\"HTML\"," : "");
		buf_json(&b, is_html ? markup_telegram(r->j->a, text) : text);
		buf_put(&b, S("}"));
		end = telegram_call(&r->j->stop, r->j->a, method, buf_str(&b), CALL_MS, reply);
		if (end != TELEGRAM_REFUSED || !is_html ||
		    !memmem(reply->why.p, reply->why.n, "parse entities", 14))
			return end;
		is_html = false;
	}
}

/* What may come a second time comes without a sound. */
static bool
telegram_put(struct relay *r, struct str text, struct str *id, struct outcome *o)
{
	const struct telegram_in *in = r->arg;
	struct telegram_reply reply;
	enum telegram_end end = send_part(r, "sendMessage",
	    r->again ? NO_PREVIEW "\"disable_notification\":true," : NO_PREVIEW, text, &reply);

	r->unsent = end != TELEGRAM_STOPPED && (end != TELEGRAM_LATER || reply.wait_ms > 0);
	*o = ended(r->j, end, in->chat, &reply);
	if (end == TELEGRAM_OK)
		*id = arena_printf(
		    r->j->a, "%lld", (long long)json_int(reply.result, "message_id", 0));
	return end == TELEGRAM_OK;
}

static bool
telegram_change(struct relay *r, struct str id, struct str text, struct outcome *o)
{
	const struct telegram_in *in = r->arg;
	struct telegram_reply reply;
	struct str more = arena_printf(r->j->a, NO_PREVIEW "\"message_id\":%.*s,", S_ARG(id));
	enum telegram_end end = send_part(r, "editMessageText", more.p, text, &reply);

	*o = ended(r->j, end, in->chat, &reply);
	/* Refused: it is as it should be already, or the person has deleted it. */
	return end == TELEGRAM_OK || end == TELEGRAM_REFUSED;
}

/* A Bot API without drafts shows that the bot types, and messages that are changed. */
static bool
draft(struct relay *r, struct str text, struct outcome *o)
{
	const struct telegram_in *in = r->arg;
	struct telegram_reply reply;
	struct str more =
	    arena_printf(r->j->a, "\"draft_id\":%lld,\"can_stop\":true,", (long long)in->draft);
	enum telegram_end end = send_part(r, "sendMessageDraft", more.p, text, &reply);

	if (end == TELEGRAM_REFUSED || end == TELEGRAM_BAD_TOKEN) {
		r->plain = true;
		end = telegram_call(&r->j->stop, r->j->a, "sendChatAction",
		    arena_printf(
			r->j->a, "{\"chat_id\":%lld,\"action\":\"typing\"}", (long long)in->chat),
		    CALL_MS, &reply);
	}
	*o = ended(r->j, end, in->chat, &reply);
	return end == TELEGRAM_OK;
}

static const struct relay_chat telegram_chat = {
	.units_max = TELEGRAM_TEXT_MAX,
	.pause_ms = STEP_MS,
	.post = telegram_put,
	.change = telegram_change,
	.draft = draft,
};

static struct outcome
send_text(struct job *j, struct telegram_in *in, struct str text)
{
	struct relay r = { .j = j, .arg = in, .again = j->attempt > 1 };
	struct outcome o;
	struct str id;

	if (!telegram_put(&r, relay_part(text, TELEGRAM_TEXT_MAX), &id, &o))
		return o;
	return job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
}

static struct outcome
import_file(struct job *j, struct telegram_in *in)
{
	const struct config *c = config();
	int64_t most = c->upload_max < FILE_MAX ? c->upload_max : FILE_MAX;
	struct telegram_reply reply;
	struct buf b = { .a = j->a };
	struct str bytes;
	enum telegram_end end;

	if (in->size > most)
		return send_text(j, in,
		    arena_printf(j->a, "That file is too large for me: at most %lld MB.",
			(long long)(most / 1024 / 1024)));
	buf_put(&b, S("{\"file_id\":"));
	buf_json(&b, in->file);
	buf_put(&b, S("}"));
	end = telegram_call(&j->stop, j->a, "getFile", buf_str(&b), CALL_MS, &reply);
	if (end == TELEGRAM_OK)
		end = telegram_file(&j->stop, j->a, json_text(reply.result, "file_path"),
		    (size_t)most, &bytes, &reply);
	if (end == TELEGRAM_REFUSED)
		return send_text(j, in, S("I could not get that file. Please send it again."));
	if (end != TELEGRAM_OK)
		return ended(j, end, in->chat, &reply);
	return job_end_runner_telegram_end_file(
	    j, bytes, c->user_bytes, c->user_documents, c->queue_max);
}

struct outcome
telegram_run(struct job *j)
{
	struct telegram_in in = { 0 };
	struct outcome o;

	if (!job_input(j, telegram_fields, 6, &in, &o))
		return o;
	if (!*config()->telegram_token)
		return job_failed("NOT_CONFIGURED", "This server has no bot at Telegram.");
	if (str_eq(in.what, S("relay")))
		return relay_step(j, &telegram_chat, &in);
	if (str_eq(in.what, S("file")))
		return import_file(j, &in);
	return send_text(j, &in, in.text);
}
