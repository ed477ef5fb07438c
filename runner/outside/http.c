#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include <millrace/clock.h>
#include <millrace/guard.h>

#include "runner/outside/breaker.h"
#include "runner/outside/http.h"
#include "runner/outside/transfer.h"
#include "runner/thread.h"

#define LINGER_MS 300 /* for the end of a reply that has said all */
#define ERROR_BODY_MAX (16 * 1024)
#define RETRY_AFTER_MAX_MS (3600 * 1000)
#define RETRY_MS 200 /* before the second try; then twice, … */
#define LOCATION_MAX 4096

/* One try. */
struct call {
	struct http_request *q;
	struct transfer *t;
	struct buf reply;
	enum http_want want;
	bool is_too_long;
	bool is_forbidden;
};

static bool
is_success(int status)
{
	return status >= 200 && status < 300;
}

static size_t
http_on_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct call *c = arg;
	struct http_request *q = c->q;
	size_t room;

	(void)one;
	c->t->last_ms = clock_ms();
	if (!is_success(q->status)) {
		room = ERROR_BODY_MAX - c->reply.n;
		buf_put(&c->reply, (struct str){ bytes, n < room ? n : room });
		return n;
	}
	if (!q->on_body) {
		c->is_too_long = n > q->reply_max - c->reply.n;
		if (c->is_too_long)
			return CURL_WRITEFUNC_ERROR;
		buf_put(&c->reply, (struct str){ bytes, n });
		return n;
	}
	if (c->want == HTTP_MORE)
		c->want = q->on_body(q->arg, (struct str){ bytes, n });
	if (c->want == HTTP_ENOUGH)
		c->t->silence_ms = LINGER_MS;
	return c->want == HTTP_NO_MORE ? CURL_WRITEFUNC_ERROR : n;
}

/* Seconds, or a date (RFC 9110, 10.2.3). */
static int64_t
retry_after(struct str value)
{
	char text[64] = "";
	int64_t seconds;
	time_t date;

	memcpy(text, value.p, value.n < sizeof(text) ? value.n : sizeof(text) - 1);
	if (!str_int(value, &seconds)) {
		if ((date = curl_getdate(text, NULL)) < 0)
			return -1;
		seconds = date - time(NULL);
	}
	if (seconds < 0)
		seconds = 0;
	return seconds > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : seconds * 1000;
}

static void
forget_headers(struct http_request *q)
{
	q->retry_after_ms = -1;
	q->content_type[0] = q->etag[0] = q->last_modified[0] = q->mcp_session[0] = '\0';
	q->location = "";
}

/* One that does not fit is none: half a location, or half an entity tag, would be another. */
static void
keep_header(struct arena *a, struct http_request *q, struct str name, struct str value)
{
	const struct {
		struct str name;
		char *room;
		size_t size;
	} kept[] = {
		{ S("content-type"), q->content_type, sizeof(q->content_type) },
		{ S("etag"), q->etag, sizeof(q->etag) },
		{ S("last-modified"), q->last_modified, sizeof(q->last_modified) },
		{ S("mcp-session-id"), q->mcp_session, sizeof(q->mcp_session) },
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (str_eq_nocase(name, kept[i].name) && value.n < kept[i].size)
			snprintf(kept[i].room, kept[i].size, "%.*s", S_ARG(value));
	if (str_eq_nocase(name, S("location")) && value.n < LOCATION_MAX)
		q->location = arena_cstr(a, value);
}

/*
 * Content-Encoding: libcurl undoes those that it knows, and fails by another, which a server may
 * say of a text that is as it is ("utf-8", "aws-chunked").
 */
static void
keep_coding(CURL *easy, struct str list)
{
	static const char *const known[] = { "gzip", "x-gzip", "deflate", "br", "zstd",
		"identity" };
	struct str one;

	while (list.p) {
		bool is_known = false;

		list = str_cut(list, ',', &one);
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			is_known = is_known || str_eq_nocase(str_trim(one), str_from(known[i]));
		if (!is_known)
			curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	}
}

static size_t
http_on_header(char *bytes, size_t one, size_t n, void *arg)
{
	struct call *c = arg;
	struct http_request *q = c->q;
	struct str name, value, line = { bytes, n };

	(void)one;
	c->t->last_ms = clock_ms();
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	/* A status line begins anew: what an interim reply said does not count. */
	if (str_starts(line, S("HTTP/"))) {
		(void)str_cut(line, ' ', &name);
		q->status = (int)strtol(bytes + (name.n < n ? name.n : n), NULL, 10);
		forget_headers(q);
		return n;
	}
	value = str_trim(str_cut(line, ':', &name));
	if (str_eq_nocase(name, S("retry-after")) && value.n > 0)
		q->retry_after_ms = retry_after(value);
	else if (str_eq_nocase(name, S("content-encoding")))
		keep_coding(c->t->easy, value);
	else
		keep_header(c->reply.a, q, name, value);
	return n;
}

/* libcurl asks this for each address that it is about to connect to. */
static curl_socket_t
http_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct call *c = arg;

	(void)purpose;
	if (!guard_lets(&address->addr)) {
		c->is_forbidden = true;
		return CURL_SOCKET_BAD;
	}
	c->is_forbidden = false;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* On no thread's stack, which would keep room for the longest. */
static struct curl_slist *
append_bearer(struct curl_slist *list, const char *token)
{
	static const char name[] = "Authorization: Bearer ";
	size_t size = sizeof(name) + strlen(token);
	char *line = xmalloc(size);

	snprintf(line, size, "%s%s", name, token);
	list = curl_slist_append(list, line);
	explicit_bzero(line, size);
	free(line);
	return list;
}

static struct curl_slist *
headers(const struct http_request *q)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (const char *const *h = q->headers; h && *h; h++)
		list = curl_slist_append(list, *h);
	if (q->bearer && *q->bearer)
		list = append_bearer(list, q->bearer);
	return list;
}

static void
set_method(CURL *easy, const struct http_request *q)
{
	if (!q->body.p && (!q->method || strcmp(q->method, "GET") == 0)) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body.p ? q->body.p : "");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
}

static void
set_up(CURL *easy, struct call *c, struct curl_slist *list)
{
	const struct http_request *q = c->q;

	curl_easy_setopt(easy, CURLOPT_URL, q->url);
	curl_easy_setopt(
	    easy, CURLOPT_PROTOCOLS_STR, strncasecmp(q->url, "http:", 5) == 0 ? "http" : "https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8192L);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
	set_method(easy, q);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, q->socket);
	if (q->foreign) {
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_on_socket);
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
		/*
		 * A proxy would resolve the name itself, and a kept connection was not looked at.
		 */
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
}

static bool
was_not_sent(CURLcode code, int status)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR ||
	       code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
	       code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
	       (code == CURLE_OPERATION_TIMEDOUT && status == 0);
}

static enum http_end
end_of(const struct call *c, enum transfer_end end, CURLcode code)
{
	if (end == TRANSFER_STOPPED)
		return HTTP_STOPPED;
	if (c->is_too_long)
		return HTTP_TOO_LONG;
	if (c->want == HTTP_NO_MORE || end == TRANSFER_ENDED)
		return HTTP_ENDED;
	if (c->want == HTTP_ENOUGH || (end == TRANSFER_OVER && code == CURLE_OK))
		return HTTP_DONE;
	if (end == TRANSFER_SILENT)
		return HTTP_SILENT;
	if (c->is_forbidden)
		return HTTP_FORBIDDEN;
	return was_not_sent(code, c->q->status) ? HTTP_NO_CONNECT : HTTP_CUT;
}

/* For the log. */
static const char *
words(enum http_end end, CURLcode code)
{
	switch (end) {
	case HTTP_SILENT:
		return "silent for too long";
	case HTTP_TOO_LONG:
		return "the reply is too long";
	case HTTP_FORBIDDEN:
		return "the address is not a public one";
	case HTTP_OPEN:
		return "the host's breaker is open";
	case HTTP_DONE:
	case HTTP_NO_CONNECT:
	case HTTP_CUT:
	case HTTP_ENDED:
	case HTTP_STOPPED:
		break;
	}
	return curl_easy_strerror(code);
}

static void
forget_reply(struct http_request *q)
{
	q->status = 0;
	q->was_sent = false;
	forget_headers(q);
	q->reply = (struct str){ NULL, 0 };
}

static enum http_end
call_once(struct stop *stop, struct arena *a, struct http_request *q)
{
	struct call c = { .q = q, .t = transfer_acquire(), .reply = { .a = a }, .want = HTTP_MORE };
	struct curl_slist *list = headers(q);
	enum transfer_end over;
	CURLcode code;
	enum http_end end;
	long n_sent = 0;

	c.t->silence_ms = q->silence_ms;
	c.t->until_ms = q->within_ms > 0 ? clock_ms() + q->within_ms : 0;
	c.t->on_tick = q->on_tick;
	c.t->tick_arg = q->arg;
	c.t->tick_ms = q->tick_ms;
	set_up(c.t->easy, &c, list);
	over = transfer_run(c.t, stop, &code);
	end = end_of(&c, over, code);
	curl_easy_getinfo(c.t->easy, CURLINFO_REQUEST_SIZE, &n_sent);
	q->was_sent = n_sent > 0;
	snprintf(q->error, sizeof(q->error), "%s", words(end, code));
	q->reply = buf_str(&c.reply);
	transfer_release(c.t);
	curl_slist_free_all(list);
	return end;
}

/* "host:port" of the URL, the arena's; NULL: it is none. */
static const char *
host_of(struct arena *a, const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	const char *text = NULL;

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		text = arena_printf(a, "%s:%s", host, port).p;
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return text;
}

/* Does the server say that it cannot now? */
static bool
is_later(int status)
{
	return status == 408 || status == 429 || status >= 500;
}

/* Is the host well? Somebody who says when to come again is. */
static bool
is_well(const struct http_request *q, enum http_end end)
{
	if (end == HTTP_DONE || end == HTTP_TOO_LONG)
		return !is_later(q->status) || q->retry_after_ms >= 0;
	return q->useful;
}

/* Waits for the host's breaker. */
static enum http_end
wait_for_breaker(struct stop *stop, const struct http_request *q, const char *host)
{
	int64_t until = clock_ms() + q->patience_ms, wait;

	while ((wait = breaker_wait_ms(host)) > 0) {
		if (clock_ms() + wait > until)
			return HTTP_OPEN;
		if (!stop_sleep(stop, wait + jitter(200)))
			return HTTP_STOPPED;
	}
	return HTTP_DONE;
}

static enum http_end
call_by_breaker(struct stop *stop, struct arena *a, struct http_request *q, const char *host)
{
	enum http_end end;

	if (q->socket)
		return call_once(stop, a, q);
	end = wait_for_breaker(stop, q, host);
	if (end == HTTP_OPEN)
		snprintf(q->error, sizeof(q->error), "%s", words(end, CURLE_OK));
	if (end != HTTP_DONE)
		return end;
	end = call_once(stop, a, q);
	if (end != HTTP_STOPPED && end != HTTP_FORBIDDEN)
		breaker_report(host, is_well(q, end));
	return end;
}

static bool
may_repeat(const struct http_request *q, enum http_end end)
{
	if (end == HTTP_NO_CONNECT)
		return true;
	return q->idempotent &&
	       (end == HTTP_SILENT || end == HTTP_CUT || (end == HTTP_DONE && is_later(q->status)));
}

enum http_end
http_call(struct stop *stop, struct arena *a, struct http_request *q)
{
	const char *host = host_of(a, q->url);

	forget_reply(q);
	if (!host) {
		snprintf(q->error, sizeof(q->error), "not a URL");
		return HTTP_NO_CONNECT;
	}
	/* How a user's addresses fare there shuts nobody else's calls out. */
	if (q->foreign)
		host = arena_printf(a, "foreign %s", host).p;
	for (int tries = 1;; tries++) {
		enum http_end end = call_by_breaker(stop, a, q, host);
		int64_t wait = RETRY_MS * tries + jitter(RETRY_MS);

		if (tries >= q->tries || !may_repeat(q, end))
			return end;
		if (q->retry_after_ms > wait)
			wait = q->retry_after_ms + jitter(RETRY_MS);
		if (wait > q->patience_ms)
			return end;
		if (!stop_sleep(stop, wait))
			return HTTP_STOPPED;
		forget_reply(q);
	}
}
