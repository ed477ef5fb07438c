#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/outside/http.h"
#include "runner/outside/refusal.h"
#include "runner/outside/telegram.h"

#define REPLY_MAX ((size_t)8 * 1024 * 1024)
#define FILE_MS 120000

static enum telegram_end
end_of(int64_t code)
{
	switch (code) {
	case 401:
	case 404:
		return TELEGRAM_BAD_TOKEN;
	case 403:
		return TELEGRAM_BLOCKED;
	case 409:
		return TELEGRAM_CONFLICT;
	case 429:
		return TELEGRAM_LATER;
	default:
		return code >= 500 ? TELEGRAM_LATER : TELEGRAM_REFUSED;
	}
}

static enum telegram_end
read_reply(struct arena *a, struct http_request *q, struct telegram_reply *reply)
{
	json_object *o;
	int64_t seconds, code;

	if (!mended_parse(a, &q->reply, &o) || !json_has(o, "ok")) {
		reply->why = arena_printf(a, "status %d without a reply of the Bot API: %.*s",
		    q->status, S_ARG(refusal_words(a, q->reply)));
		return q->status == 200 ? TELEGRAM_LATER : end_of(q->status);
	}
	if (json_object_get_boolean(json_at(o, "ok"))) {
		reply->result = json_at(o, "result");
		return TELEGRAM_OK;
	}
	reply->why = json_text(o, "description");
	seconds = lenient_count(json_at(json_at(o, "parameters"), "retry_after"));
	reply->wait_ms = seconds > 0 && seconds < 86400 ? seconds * 1000 : 0;
	code = lenient_count(json_at(o, "error_code"));
	return end_of(code > 0 ? code : q->status);
}

static enum telegram_end
call(struct stop *stop, struct arena *a, struct http_request *q, struct telegram_reply *reply)
{
	enum http_end end = http_call(stop, a, q);

	if (end == HTTP_STOPPED)
		return TELEGRAM_STOPPED;
	if (end == HTTP_DONE)
		return TELEGRAM_OK;
	reply->why = arena_printf(a, "%s", q->error);
	return end == HTTP_TOO_LONG ? TELEGRAM_REFUSED : TELEGRAM_LATER;
}

enum telegram_end
telegram_call(struct stop *stop, struct arena *a, const char *method, struct str body,
    int64_t within_ms, struct telegram_reply *reply)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	struct http_request q = {
		.url = arena_printf(
		    a, "%s/bot%s/%s", config()->telegram_api_url, config()->telegram_token, method)
			   .p,
		.headers = headers,
		.body = body,
		.within_ms = within_ms,
		.reply_max = REPLY_MAX,
	};
	enum telegram_end end;

	*reply = (struct telegram_reply){ .why = S("") };
	if ((end = call(stop, a, &q, reply)) != TELEGRAM_OK)
		return end;
	return read_reply(a, &q, reply);
}

enum telegram_end
telegram_file(struct stop *stop, struct arena *a, struct str path, size_t bytes_max,
    struct str *bytes, struct telegram_reply *reply)
{
	struct http_request q = {
		.url = arena_printf(a, "%s/file/bot%s/%.*s", config()->telegram_api_url,
		    config()->telegram_token, S_ARG(path))
			   .p,
		.within_ms = FILE_MS,
		.reply_max = bytes_max,
	};
	enum telegram_end end;

	*reply = (struct telegram_reply){ .why = S("") };
	if ((end = call(stop, a, &q, reply)) != TELEGRAM_OK)
		return end;
	if (q.status != 200)
		return read_reply(a, &q, reply);
	*bytes = q.reply;
	return TELEGRAM_OK;
}
