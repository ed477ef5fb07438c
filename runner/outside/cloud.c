#include <string.h>

#include <millrace/clock.h>
#include <millrace/lenient.h>
#include <millrace/log.h>

#include "runner/outside/cloud.h"
#include "runner/outside/refusal.h"
#include "runner/thread.h"

#define WITHIN_MS 10000 /* for a reply in JSON */
#define REPLY_MAX (2 * 1024 * 1024)
#define DOWNLOAD_MS (10 * 60 * 1000)
#define SILENCE_MS 15000
#define PATIENCE_MS 2000 /* with a host that has failed lately */
#define BACKOFF_MS 500 /* before the second try; then twice as long each time */
#define BACKOFF_MAX 5 /* doublings */

const struct cloud_service *
cloud_service(struct str name)
{
	if (str_eq(name, str_from(cloud_drive.name)))
		return &cloud_drive;
	return str_eq(name, str_from(cloud_graph.name)) ? &cloud_graph : NULL;
}

void
cloud_id_split(struct str id, struct str *drive, struct str *item)
{
	*item = str_cut(id, ':', drive);
	if (!item->p) {
		*item = id;
		*drive = (struct str){ NULL, 0 };
	}
}

struct str
cloud_id_join(struct arena *a, struct str drive, struct str item)
{
	return drive.n > 0 ? arena_printf(a, "%.*s:%.*s", S_ARG(drive), S_ARG(item)) : item;
}

struct cloud_file *
cloud_file_add(struct arena *a, struct cloud_files *list)
{
	struct cloud_file *p;

	if (list->n == list->room) {
		list->room = list->room * 2 + 32;
		p = arena_alloc(a, list->room * sizeof(*p));
		if (list->n > 0)
			memcpy(p, list->p, list->n * sizeof(*p));
		list->p = p;
	}
	p = &list->p[list->n++];
	*p = (struct cloud_file){ .size = -1 };
	return p;
}

/* Why a request was refused: Drive's error.errors[0].reason, Graph's error.code. */
static struct str
reason_of(struct arena *a, struct str reply)
{
	json_object *o = NULL, *errors;

	if (!mended_parse(a, &reply, &o))
		return (struct str){ NULL, 0 };
	o = json_at(o, "error");
	errors = json_at(o, "errors");
	if (json_length(errors) > 0)
		return json_text(json_object_array_get_idx(errors, 0), "reason");
	return json_text(o, "code");
}

/*
 * Drive says 403, too, where too much was asked of it, by a user or by all, or where its API is not
 * enabled; Graph 429, 503, 504 and 509.
 */
static bool
is_later(int status, struct str reason)
{
	return status == 408 || status == 429 || status >= 500 ||
	       (status == 403 && (str_eq(reason, S("userRateLimitExceeded")) ||
				     str_eq(reason, S("rateLimitExceeded")) ||
				     str_eq(reason, S("dailyLimitExceeded")) ||
				     str_eq(reason, S("quotaExceeded")) ||
				     str_eq(reason, S("accessNotConfigured"))));
}

static enum err
failed(struct cloud *c, enum err e, const char *what)
{
	c->why = arena_printf(c->a, "%s %s", c->title, what).p;
	return e;
}

/* What a reply that is neither good nor "later" means. */
static enum err
refused(struct cloud *c, const struct http_request *q, struct str reason)
{
	struct str words = refusal_words(c->a, q->reply);
	int status = q->status;

	log_warn("cloud: a request was refused", "service", c->title, "status",
	    arena_printf(c->a, "%d", status).p, "error", words.p ? words.p : "");
	if (status == 401)
		return failed(c, ERR_UNAUTHORIZED, "does not accept the permission any more.");
	if (status == 404 || status == 410)
		return failed(c, ERR_NOT_FOUND, "has no such file for this account.");
	if (status == 400)
		return failed(c, ERR_BAD_REQUEST, "does not understand this folder, file or page.");
	if (status == 403 && str_eq(reason, S("insufficientPermissions")))
		return failed(c, ERR_NOT_CONNECTED,
		    "was not opened to this server: sign in once more, and allow files to be "
		    "read.");
	if (status == 403 && str_eq(reason, S("exportSizeLimitExceeded")))
		return failed(c, ERR_TOO_LARGE, "exports no document of this size.");
	if (status == 403)
		return failed(c, ERR_FORBIDDEN, "does not let this account have that.");
	return failed(c, ERR_UPSTREAM_FAILED,
	    arena_printf(c->a, "refused the request (status %d). It says: %.*s", status,
		S_ARG(words.n > 0 ? words : S("nothing.")))
		.p);
}

/* How a request without a reply ended. ERR_OK: it may be sent again. */
static enum err
unanswered(struct cloud *c, enum http_end end, const struct http_request *q)
{
	const struct sink *into = q->on_body ? q->arg : NULL;

	switch (end) {
	case HTTP_STOPPED:
		return ERR_CONFLICT;
	case HTTP_FORBIDDEN:
		return failed(c, ERR_FORBIDDEN, "leads to an address that is not a public one.");
	case HTTP_TOO_LONG:
	case HTTP_ENDED:
		if (into && into->failed)
			return failed(
			    c, ERR_UPSTREAM_FAILED, "sent a file that there is no room for now.");
		return failed(c, into ? ERR_TOO_LARGE : ERR_UPSTREAM_FAILED,
		    "sends more than is taken here.");
	case HTTP_OPEN:
		return failed(c, ERR_UPSTREAM_FAILED, "does not answer now.");
	case HTTP_NO_CONNECT:
	case HTTP_SILENT:
	case HTTP_CUT:
	case HTTP_DONE:
		break;
	}
	return ERR_OK;
}

static int64_t
time_left(const struct cloud *c, int64_t most)
{
	int64_t left = c->until_ms - clock_ms();

	return left < 1 ? 1 : left < most ? left : most;
}

enum err
cloud_call(struct cloud *c, struct http_request *q)
{
	const char *late = "does not answer in time.";

	c->wait_ms = 0;
	q->patience_ms = PATIENCE_MS;
	for (int doubled = 0;; doubled += doubled < BACKOFF_MAX) {
		int64_t wait = (BACKOFF_MS << doubled) + jitter(BACKOFF_MS);
		struct str reason;
		enum http_end end;
		enum err e;

		if (q->on_body && !sink_clear(q->arg))
			return failed(c, ERR_UPSTREAM_FAILED, "has a file that is not stored now.");
		if (!q->on_body) {
			q->patience_ms = time_left(c, PATIENCE_MS);
			q->within_ms = time_left(c, WITHIN_MS);
		}
		end = http_call(c->stop, c->a, q);
		if ((e = unanswered(c, end, q)) != ERR_OK)
			return e;
		if (end == HTTP_DONE && q->status < 400)
			return ERR_OK;
		if (end == HTTP_DONE) {
			reason = reason_of(c->a, q->reply);
			if (!is_later(q->status, reason))
				return refused(c, q, reason);
			late = "asks to come again later.";
			if (q->retry_after_ms >= 0)
				wait = q->retry_after_ms + jitter(BACKOFF_MS);
		}
		if (clock_ms() + wait > c->until_ms) {
			c->wait_ms = wait;
			return failed(c, ERR_UPSTREAM_FAILED, late);
		}
		if (!stop_sleep(c->stop, wait))
			return ERR_CONFLICT;
	}
}

enum err
cloud_get(struct cloud *c, const char *url, json_object **out)
{
	static const char *const headers[] = { "Accept: application/json", NULL };
	struct http_request q = {
		.url = url, .bearer = c->token, .headers = headers, .reply_max = REPLY_MAX
	};
	enum err e;

	if ((e = cloud_call(c, &q)) != ERR_OK)
		return e;
	if (q.status != 200 || !mended_parse(c->a, &q.reply, out) ||
	    !json_object_is_type(*out, json_type_object))
		return failed(c, ERR_UPSTREAM_FAILED, "gave a reply that is not understood.");
	return ERR_OK;
}

enum err
cloud_download(struct cloud *c, struct http_request *q, struct sink *into)
{
	q->within_ms = DOWNLOAD_MS;
	q->silence_ms = SILENCE_MS;
	q->on_body = sink_write;
	q->arg = into;
	return cloud_call(c, q);
}

enum err
cloud_bytes(struct cloud *c, struct http_request *q, struct sink *into)
{
	enum err e = cloud_download(c, q, into);

	return e != ERR_OK || q->status == 200
		   ? e
		   : failed(c, ERR_UPSTREAM_FAILED, "gives something else than the file's bytes.");
}
