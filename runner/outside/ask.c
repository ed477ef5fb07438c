#include "runner/outside/ask.h"

#include <stdio.h>

#include "runner/runner.h"
#include "runner/outside/http.h"

#define WITHIN_MS 8000
#define REPLY_MAX (256 * 1024)
#define TRIES 3

static enum http_want
take(void *arg, struct str bytes)
{
	struct buf *b = arg;

	if (bytes.n > REPLY_MAX - b->n)
		return HTTP_NO_MORE;
	buf_put(b, bytes);
	return HTTP_MORE;
}

/* "https://host:port/path" as "host:port". */
static struct str
host_of(struct arena *a, const char *url)
{
	const char *at = strstr(url, "://");
	size_t n;

	at = at ? at + 3 : url;
	n = strcspn(at, "/?#");
	return arena_str(a, (struct str){ at, n });
}

static enum ask_end
ask_once(struct job *j, struct ask *q, const char *host)
{
	struct buf b = { .a = j->a };
	struct http_post p = { .url = q->url,
		.bearer = q->bearer,
		.body = q->body,
		.silence_ms = WITHIN_MS,
		.within_ms = WITHIN_MS,
		.method = q->method,
		.headers = q->headers,
		.take = take,
		.arg = &b };
	enum http_end end;

	if (breaker_wait_ms(host) > 0) {
		snprintf(q->error, sizeof(q->error), "the host has failed too often just now");
		return ASK_NO_CONNECT;
	}
	end = http_post(j, j->a, &p);
	if (end == HTTP_STOPPED)
		return ASK_STOPPED;
	breaker_report(host, end == HTTP_DONE && p.status < 500);
	q->status = p.status;
	q->reply = p.status == 200 ? buf_str(&b) : p.error_body;
	snprintf(q->error, sizeof(q->error), "%s",
	    end == HTTP_ENDED ? "the reply is too long" : p.error);
	if (end == HTTP_NO_CONNECT)
		return ASK_NO_CONNECT;
	return end == HTTP_DONE ? ASK_DONE : ASK_FAILED;
}

enum ask_end
ask(struct job *j, struct ask *q)
{
	const char *host = host_of(j->a, q->url).p;

	for (int tries = 1;; tries++) {
		enum ask_end end = ask_once(j, q, host);
		bool again =
		    end == ASK_NO_CONNECT ||
		    (q->repeatable && (end == ASK_FAILED || (end == ASK_DONE && q->status >= 500)));

		if (!again || tries == TRIES)
			return end;
		if (!job_sleep(j, 200 * tries + jitter(200)))
			return ASK_STOPPED;
	}
}
