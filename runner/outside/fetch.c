#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>

#include <millrace/process.h>

#include "runner/outside/fetch.h"
#include "runner/outside/http.h"

#define CONNECT_MS 5000L

struct taken {
	struct buf body;
	size_t most;
};

static size_t
on_body(char *bytes, size_t one, size_t n, void *arg)
{
	struct taken *t = arg;

	(void)one;
	if (n > t->most - t->body.n)
		return CURL_WRITEFUNC_ERROR;
	buf_put(&t->body, (struct str){ bytes, n });
	return n;
}

static int
on_progress(void *arg, curl_off_t down, curl_off_t of, curl_off_t up, curl_off_t of_up)
{
	const atomic_bool *stop = arg;

	(void)down;
	(void)of;
	(void)up;
	(void)of_up;
	return atomic_load(stop) ? 1 : 0;
}

bool
fetch(struct arena *a, struct fetch *f)
{
	struct taken t = { .body = { .a = a }, .most = f->most };
	CURL *easy = curl_easy_init();
	CURLcode code;
	long status = 0;

	if (!easy)
		abort();
	curl_easy_setopt(easy, CURLOPT_URL, f->url);
	curl_easy_setopt(
	    easy, CURLOPT_PROTOCOLS_STR, strncasecmp(f->url, "http:", 5) == 0 ? "http" : "https");
	http_trust(easy);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)f->within_ms);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &t);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	/* libcurl's void *; the flag is only read through it. */
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, f->stop);
	code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	f->status = (int)status;
	f->body = buf_str(&t.body);
	if (code != CURLE_OK)
		snprintf(f->error, sizeof(f->error), "%s", curl_easy_strerror(code));
	else if (status != 200)
		snprintf(f->error, sizeof(f->error), "status %ld", status);
	return code == CURLE_OK && status == 200;
}
