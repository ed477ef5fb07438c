#include <stdatomic.h>
#include <stdio.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/jobs/telegram_updates.h"
#include "runner/outside/telegram.h"
#include "runner/runner.h"
#include "sql_runner.h"

#define CALL_MS 20000
#define POLL_SECONDS 20
#define AT_ONCE_MS 1
#define RETRY_MS 2000
#define REFUSED_MS 30000
#define OTHERS_MS 15000 /* another runner polls */
#define WEBHOOK_MS 60000 /* between two looks at it: another program may have deleted it */
#define ALLOWED "[\"message\",\"my_chat_member\",\"stopped_message_generation\"]"

static atomic_bool known;

void
telegram_token_is_bad(void)
{
	atomic_store(&known, false);
	periodic_wake(S("telegram"));
}

static bool
is_webhook(void)
{
	return *config()->telegram_updates == 'w';
}

/* What the webhook shows, in hexadecimal digits: the same in every runner, and as secret as the
 * token. */
static struct str
webhook_secret(struct arena *a)
{
	struct str hash = sha256(a, arena_printf(a, "webhook %s", config()->telegram_token));
	struct buf b = { .a = a };

	for (size_t i = 0; i < hash.n; i++)
		buf_printf(&b, "%02x", (unsigned char)hash.p[i]);
	return buf_str(&b);
}

static enum telegram_end
call(struct stop *stop, struct arena *a, const char *method, struct str body,
    struct telegram_reply *reply)
{
	enum telegram_end end = telegram_call(stop, a, method, body, CALL_MS, reply);

	if (end != TELEGRAM_OK && end != TELEGRAM_STOPPED)
		log_warn("telegram: a call failed", "method", method, "error", reply->why.p);
	return end;
}

/* Asks who the bot is. How long until it is asked again where it does not work; 0: it does. */
static int64_t
introduce(struct db *db, struct arena *a, struct stop *stop)
{
	struct telegram_reply reply;
	struct str name, problem = { NULL, 0 };
	enum telegram_end end = call(stop, a, "getMe", S("{}"), &reply);

	if (end == TELEGRAM_OK && !is_webhook())
		end = call(stop, a, "deleteWebhook", S("{}"), &(struct telegram_reply){ 0 });
	if (end == TELEGRAM_LATER || end == TELEGRAM_STOPPED || end == TELEGRAM_CONFLICT)
		return RETRY_MS;
	name = end == TELEGRAM_OK ? json_text(reply.result, "username") : (struct str){ NULL, 0 };
	if (!name.p)
		problem = S("Telegram does not accept TELEGRAM_BOT_TOKEN.");
	if (db_runner_telegram_bot_store(db, a, &(PGresult *){ NULL }, name,
		sha256(a, webhook_secret(a)), problem) != ERR_OK)
		return RETRY_MS;
	if (!name.p)
		return REFUSED_MS;
	if (!atomic_exchange(&known, true))
		log_info("telegram: the bot is there", "bot", name.p);
	return 0;
}

/* There is no bot that is heard, once no other runner asks for its updates any more. */
static int64_t
forget(struct db *db, struct arena *a)
{
	PGresult *res = NULL;

	if (db_runner_telegram_bot_forget(db, a, &res) != ERR_OK)
		return RETRY_MS;
	return sql_bool(res, 0, 0) ? PERIODIC_AS_TABLED : PERIODIC_WHEN_WOKEN;
}

static int64_t
watch_webhook(struct arena *a, struct stop *stop)
{
	struct str url = arena_printf(a, "%.*s/api/telegram/webhook", S_ARG(config_public_url()));
	struct telegram_reply reply;
	struct buf b = { .a = a };
	enum telegram_end end = call(stop, a, "getWebhookInfo", S("{}"), &reply);

	if (end == TELEGRAM_BAD_TOKEN)
		atomic_store(&known, false);
	if (end != TELEGRAM_OK)
		return RETRY_MS;
	if (str_eq(json_text(reply.result, "url"), url))
		return WEBHOOK_MS;
	buf_put(&b, S("{\"url\":"));
	buf_json(&b, url);
	buf_printf(&b, ",\"secret_token\":\"%.*s\",\"allowed_updates\":" ALLOWED "}",
	    S_ARG(webhook_secret(a)));
	if (call(stop, a, "setWebhook", buf_str(&b), &reply) != TELEGRAM_OK)
		return RETRY_MS;
	log_info("telegram: the webhook is set", "url", url.p);
	return WEBHOOK_MS;
}

/* Stores updates in their order. False: one could not be stored now, and comes again. */
static bool
accept_updates(struct db *db, struct arena *a, json_object *updates, int64_t *next)
{
	for (size_t i = 0; i < json_object_array_length(updates); i++) {
		json_object *one = json_object_array_get_idx(updates, i);
		const char *text = json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN);
		enum err e = db_runner_telegram_update(db, a, &(PGresult *){ NULL }, str_from(text),
		    config_credits_required(), config()->queue_max);

		if (e == ERR_OVERLOADED || e == ERR_RATE_LIMITED)
			return false;
		if (e != ERR_OK)
			log_error("telegram: an update was not understood and is left out", "error",
			    err_info(e)->code);
		*next = json_int(one, "update_id", *next - 1) + 1;
	}
	return true;
}

static int64_t
poll_updates(struct db *db, struct arena *a, struct stop *stop)
{
	struct telegram_reply reply;
	PGresult *res = NULL;
	int64_t next = 0, first;
	enum telegram_end end;
	bool all;

	if (db_runner_telegram_poll(db, a, &res, str_from(runner.name)) != ERR_OK)
		return RETRY_MS;
	if (PQntuples(res) == 0)
		return OTHERS_MS;
	(void)str_int(sql_get(res, 0, 0), &next);
	first = next;
	end = telegram_call(stop, a, "getUpdates",
	    arena_printf(a, "{\"offset\":%lld,\"timeout\":%d,\"allowed_updates\":" ALLOWED "}",
		(long long)next, POLL_SECONDS),
	    POLL_SECONDS * 1000 + CALL_MS, &reply);
	if (end == TELEGRAM_BAD_TOKEN)
		atomic_store(&known, false);
	if (end == TELEGRAM_CONFLICT)
		log_warn(
		    "telegram: another program asks for this bot's updates", "error", reply.why.p);
	if (end != TELEGRAM_OK)
		return reply.wait_ms > 0 ? reply.wait_ms : RETRY_MS;
	if (!json_object_is_type(reply.result, json_type_array))
		return RETRY_MS;
	all = accept_updates(db, a, reply.result, &next);
	if (next != first && db_runner_telegram_polled(db, a, &res, next) != ERR_OK)
		return RETRY_MS;
	return all ? AT_ONCE_MS : RETRY_MS;
}

int64_t
telegram_updates_run(struct db *db, struct arena *a, struct stop *stop)
{
	int64_t wait;

	if (!*config()->telegram_token || (is_webhook() && !*config()->public_url))
		return forget(db, a);
	/* A runner without a token may have forgotten a bot whose updates nobody asks for. */
	if ((is_webhook() || !atomic_load(&known)) && (wait = introduce(db, a, stop)) > 0)
		return wait;
	return is_webhook() ? watch_webhook(a, stop) : poll_updates(db, a, stop);
}
