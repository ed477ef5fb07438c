#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>
#include <openssl/ssl.h>

#include <millrace/clock.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "runner/runner.h"
#include "runner/outside/http.h"

#define CONNECT_MS 10000L
#define IDLE_HANDLES 32 /* kept with their connections */
#define LINGER_MS 300 /* for the end of a reply that has said all */
#define ERROR_BODY_MAX (16 * 1024)
#define RETRY_AFTER_MAX_MS (3600 * 1000)

/* A transfer's tools, kept for the next one since the multi handle owns the connection. */
struct tools {
	CURLM *multi;
	CURL *easy;
	struct tools *next;
};

struct transfer {
	struct http_post *p;
	struct buf error_body;
	int64_t last_ms; /* when something came last */
	int64_t until_ms; /* 0: no end is set */
	enum http_want want;
};

/* Who is trusted: the system's certificates (or SSL_CERT_FILE's), once for all connections. libcurl would load them for each. */
static X509_STORE *trusted;

static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tools *idle;
static int n_idle;

void
http_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		die("libcurl cannot be started.");
	if ((trusted = X509_STORE_new()) == NULL || X509_STORE_set_default_paths(trusted) != 1)
		die("The system's certificates cannot be read.");
}

static CURLcode
on_tls(CURL *easy, void *context, void *arg)
{
	(void)easy;
	(void)arg;
	SSL_CTX_set1_cert_store(context, trusted);
	return CURLE_OK;
}

void
http_trust(void *easy)
{
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
}

static struct tools *
tools_take(void)
{
	struct tools *t;

	pthread_mutex_lock(&idle_lock);
	if ((t = idle) != NULL) {
		idle = t->next;
		n_idle--;
	}
	pthread_mutex_unlock(&idle_lock);
	if (t)
		return t;
	t = xmalloc(sizeof(*t));
	*t = (struct tools){ .multi = curl_multi_init(), .easy = curl_easy_init() };
	if (!t->multi || !t->easy)
		abort();
	curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, 1L);
	return t;
}

static void
tools_give(struct tools *t)
{
	bool keep;

	curl_easy_reset(t->easy);
	pthread_mutex_lock(&idle_lock);
	if ((keep = n_idle < IDLE_HANDLES)) {
		t->next = idle;
		idle = t;
		n_idle++;
	}
	pthread_mutex_unlock(&idle_lock);
	if (keep)
		return;
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	free(t);
}

static size_t
on_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t room = ERROR_BODY_MAX - t->error_body.n;

	(void)one;
	t->last_ms = clock_ms();
	if (t->p->status != 200) {
		buf_put(&t->error_body, (struct str){ bytes, n < room ? n : room });
		return n;
	}
	if (t->want == HTTP_MORE)
		t->want = t->p->take(t->p->arg, (struct str){ bytes, n });
	return t->want == HTTP_NO_MORE ? CURL_WRITEFUNC_ERROR : n;
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

static size_t
on_header(char *bytes, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct str name, value, line = { bytes, n };

	(void)one;
	t->last_ms = clock_ms();
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	/* A status line begins anew: what an interim reply said does not count. */
	if (str_starts(line, S("HTTP/"))) {
		(void)str_cut(line, ' ', &name);
		t->p->status = (int)strtol(bytes + (name.n < n ? name.n : n), NULL, 10);
		t->p->retry_after_ms = -1;
		t->p->content_type[0] = '\0';
		return n;
	}
	value = str_trim(str_cut(line, ':', &name));
	if (str_eq_nocase(name, S("retry-after")) && value.n > 0)
		t->p->retry_after_ms = retry_after(value);
	else if (str_eq_nocase(name, S("content-type")) && value.n > 0)
		snprintf(t->p->content_type, sizeof(t->p->content_type), "%.*s", S_ARG(value));
	return n;
}

static struct curl_slist *
headers(const struct http_post *p)
{
	static const char *const json[] = { "Content-Type: application/json",
		"Accept: text/event-stream, application/json", NULL };
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	char line[8300];

	for (const char *const *h = p->headers ? p->headers : json; *h; h++)
		list = curl_slist_append(list, *h);
	if (p->bearer && *p->bearer) {
		snprintf(line, sizeof(line), "Authorization: Bearer %s", p->bearer);
		list = curl_slist_append(list, line);
		explicit_bzero(line, sizeof(line));
	}
	return list;
}

static void
set_up(CURL *easy, struct http_post *p, struct transfer *t, struct curl_slist *list)
{
	curl_easy_setopt(easy, CURLOPT_URL, p->url);
	curl_easy_setopt(
	    easy, CURLOPT_PROTOCOLS_STR, strncasecmp(p->url, "http:", 5) == 0 ? "http" : "https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	http_trust(easy);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8192L);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
	if (p->method && strcmp(p->method, "GET") == 0) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	} else {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, p->body.p);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body.n);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, p->method);
	}
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
}

static void
wake(void *arg)
{
	curl_multi_wakeup(arg);
}

/* Runs the transfer until it ends, job_stop speaks, or nothing comes any more. */
static enum http_end
transfer_run(struct job *j, struct tools *tools, struct transfer *t, CURLcode *code)
{
	int running = 1, left;
	CURLMsg *msg;

	for (;;) {
		int64_t silence = t->want == HTTP_ENOUGH ? LINGER_MS : t->p->silence_ms;
		int64_t wait = t->last_ms + silence - clock_ms();

		if (t->until_ms > 0 && t->until_ms - clock_ms() < wait)
			wait = t->until_ms - clock_ms();
		if (curl_multi_perform(tools->multi, &running) != CURLM_OK)
			return HTTP_CUT;
		if (running == 0)
			break;
		if (job_stop(j) != STOP_NOT)
			return HTTP_STOPPED;
		if (wait <= 0)
			return t->want == HTTP_ENOUGH ? HTTP_DONE : HTTP_SILENT;
		curl_multi_poll(tools->multi, NULL, 0, (int)(wait < 1000 ? wait : 1000), NULL);
	}
	*code = CURLE_OK;
	while ((msg = curl_multi_info_read(tools->multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			*code = msg->data.result;
	if (t->want == HTTP_NO_MORE)
		return HTTP_ENDED;
	if (*code == CURLE_OK || t->want == HTTP_ENOUGH)
		return HTTP_DONE;
	if (*code == CURLE_COULDNT_CONNECT || *code == CURLE_COULDNT_RESOLVE_HOST ||
	    *code == CURLE_COULDNT_RESOLVE_PROXY || *code == CURLE_SSL_CONNECT_ERROR ||
	    *code == CURLE_PEER_FAILED_VERIFICATION || *code == CURLE_SSL_CERTPROBLEM ||
	    *code == CURLE_URL_MALFORMAT || *code == CURLE_UNSUPPORTED_PROTOCOL)
		return HTTP_NO_CONNECT;
	return *code == CURLE_OPERATION_TIMEDOUT && t->p->status == 0 ? HTTP_NO_CONNECT : HTTP_CUT;
}

enum http_end
http_post(struct job *j, struct arena *a, struct http_post *p)
{
	struct transfer t = {
		.p = p, .error_body = { .a = a }, .last_ms = clock_ms(), .want = HTTP_MORE
	};
	struct tools *tools = tools_take();
	struct curl_slist *list = headers(p);
	CURLcode code = CURLE_OK;
	enum http_end end;

	t.until_ms = p->within_ms > 0 ? clock_ms() + p->within_ms : 0;
	p->status = 0;
	p->retry_after_ms = -1;
	p->content_type[0] = '\0';
	set_up(tools->easy, p, &t, list);
	curl_multi_add_handle(tools->multi, tools->easy);
	job_on_stop(j, wake, tools->multi);
	end = transfer_run(j, tools, &t, &code);
	job_on_stop(j, NULL, NULL);
	curl_multi_remove_handle(tools->multi, tools->easy);
	snprintf(p->error, sizeof(p->error), "%s",
	    end == HTTP_SILENT ? "silent for too long" : curl_easy_strerror(code));
	p->error_body = buf_str(&t.error_body);
	tools_give(tools);
	curl_slist_free_all(list);
	return end;
}
