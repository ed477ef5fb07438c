#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include <millrace/unicode.h>

#include "runner/outside/http.h"
#include "runner/outside/page.h"
#include "runner/outside/sink.h"

#define REDIRECTS_MAX 10
#define WITHIN_MS 30000 /* for all of one hop */
#define SILENCE_MS 10000
#define PATIENCE_MS 2000 /* with a host that has failed lately */
#define URL_MAX 2048

/* Writes the host in A-labels (RFC 5890); curl does so in a locale of UTF-8 only. */
static bool
host_to_ascii(struct arena *a, CURLU *u)
{
	struct str ascii;
	char *host = NULL;
	bool good = curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK, plain = true;

	for (const char *c = host; good && *c; c++)
		plain = plain && (*c & 0x80) == 0;
	if (!plain)
		good = unicode_domain_ascii(a, str_from(host), &ascii) &&
		       curl_url_set(u, CURLUPART_HOST, arena_cstr(a, ascii), 0) == CURLUE_OK;
	curl_free(host);
	return good;
}

/*
 * Where `location` (NULL: nothing) leads from the URL (RFC 3986, 5), without fragment and password;
 * the arena's. Absent: nowhere we go.
 */
static struct str
resolve(struct arena *a, struct str url, const char *location)
{
	CURLU *u = curl_url();
	struct str to = { NULL, 0 };
	char *scheme = NULL, *text = NULL;

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, arena_cstr(a, url), CURLU_URLENCODE) == CURLUE_OK &&
	    (!location || curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE) == CURLUE_OK) &&
	    host_to_ascii(a, u) && curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0) &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK && strlen(text) <= URL_MAX)
		to = arena_str(a, str_from(text));
	curl_free(scheme);
	curl_free(text);
	curl_url_cleanup(u);
	return to;
}

struct str
page_url(struct arena *a, struct str url)
{
	return resolve(a, url, NULL);
}

static enum page_end
refused(struct page *p, const char *why)
{
	p->why = why;
	return PAGE_REFUSED;
}

static enum page_end
later(struct page *p, const char *why)
{
	p->why = why;
	return PAGE_LATER;
}

/* What a status other than 2xx and 3xx means. */
static enum page_end
unwanted(struct arena *a, struct page *p, int status)
{
	if (status == 404 || status == 410)
		return refused(p, arena_printf(a, "There is no such page (status %d).", status).p);
	if (status == 401 || status == 403)
		return refused(p,
		    arena_printf(a, "The server does not show this page to us (status %d).", status)
			.p);
	if (status == 408 || status == 425 || status == 429 || status >= 500)
		return later(
		    p, arena_printf(a, "The page's server has failed (status %d).", status).p);
	return refused(p, arena_printf(a, "The server refused the request (status %d).", status).p);
}

static enum page_end
failed(struct arena *a, struct page *p, enum http_end end, const struct http_request *q,
    const struct sink *w)
{
	switch (end) {
	case HTTP_STOPPED:
		return PAGE_STOPPED;
	case HTTP_FORBIDDEN:
		return refused(p, "The address is not one of the public Internet.");
	case HTTP_TOO_LONG:
	case HTTP_ENDED:
		if (w->failed)
			return later(p, "There is no room for the page.");
		return refused(p,
		    arena_printf(a, "The page is larger than %lld bytes.", (long long)p->bytes_max)
			.p);
	case HTTP_SILENT:
		return later(p, "The page's server did not answer in time.");
	case HTTP_CUT:
		return later(p, "The page's server broke the reply off.");
	case HTTP_OPEN:
	case HTTP_NO_CONNECT:
	case HTTP_DONE:
		break;
	}
	return later(p, arena_printf(a, "The page's server cannot be reached: %s.", q->error).p);
}

/* The reply is whole. */
static enum page_end
take(struct arena *a, struct page *p, const struct http_request *q, const struct sink *w)
{
	if (q->status == 304 && (*p->etag_before || *p->last_modified_before))
		return PAGE_SAME;
	if (q->status != 200 && q->status != 203)
		return unwanted(a, p, q->status);
	if (w->n == 0)
		return refused(p, "The page is empty.");
	p->content_type = arena_printf(a, "%s", q->content_type).p;
	p->etag = arena_printf(a, "%s", q->etag).p;
	p->last_modified = arena_printf(a, "%s", q->last_modified).p;
	p->size = w->n;
	return PAGE_FETCHED;
}

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Scheme, host and port of an address that resolve() gave; the arena's. */
static struct str
origin(struct arena *a, struct str url)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	struct str found = { NULL, 0 };

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, arena_cstr(a, url), 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		found = arena_printf(a, "%s://%s:%s", scheme, host, port);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return found;
}

/* What is asked with: secrets only where the address is of the origin that they are for. */
static const char *const *
lines_of(struct arena *a, const struct page *p, struct str own)
{
	size_t n = 1, most = 4;
	const char **lines;
	bool is_own = p->secret_headers && own.n > 0 && str_eq_nocase(own, origin(a, p->final_url));

	for (const char *const *h = p->secret_headers; h && *h; h++)
		most++;
	lines = arena_alloc(a, most * sizeof(*lines));
	lines[0] =
	    "Accept: text/html,application/xhtml+xml,text/plain,application/pdf;q=0.9,*/*;q=0.8";
	if (*p->etag_before)
		lines[n++] = arena_printf(a, "If-None-Match: %s", p->etag_before).p;
	if (*p->last_modified_before)
		lines[n++] = arena_printf(a, "If-Modified-Since: %s", p->last_modified_before).p;
	for (const char *const *h = p->secret_headers; is_own && *h; h++)
		lines[n++] = *h;
	lines[n] = NULL;
	return lines;
}

enum page_end
page_fetch(struct stop *stop, struct arena *a, struct page *p)
{
	struct str own;

	p->final_url = resolve(a, p->url, NULL);
	own = p->final_url.p ? origin(a, p->final_url) : p->final_url;
	for (int hops = 0; hops <= REDIRECTS_MAX && p->final_url.p; hops++) {
		struct sink w = { .file = p->file, .most = p->bytes_max };
		struct http_request q = { .url = arena_cstr(a, p->final_url),
			.headers = lines_of(a, p, own),
			.within_ms = WITHIN_MS,
			.silence_ms = SILENCE_MS,
			.patience_ms = PATIENCE_MS,
			.foreign = true,
			.on_body = sink_write,
			.arg = &w };
		enum http_end end;

		if (!sink_clear(&w))
			return later(p, "There is no room for the page.");
		if ((end = http_call(stop, a, &q)) != HTTP_DONE)
			return failed(a, p, end, &q, &w);
		if (!is_redirect(q.status))
			return take(a, p, &q, &w);
		p->final_url = resolve(a, p->final_url, q.location);
		if (!*q.location)
			return refused(p, "The page leads elsewhere without saying where.");
	}
	if (!p->final_url.p)
		return refused(p, "The page leads to an address that is not one of the web.");
	return refused(p, "The page leads from one address to another without end.");
}

const char *
page_file_name(const char *content_type, struct str url)
{
	static const struct {
		const char *type, *name;
	} known[] = { { "text/html", "page.html" }, { "application/xhtml+xml", "page.html" },
		{ "text/markdown", "page.md" }, { "text/csv", "page.csv" },
		{ "text/tab-separated-values", "page.tsv" } };
	static const char *const endings[] = { "page.md", "page.csv", "page.html" };
	size_t n = strcspn(content_type, "; \t");
	struct str path;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i].type) == n && strncasecmp(content_type, known[i].type, n) == 0)
			return known[i].name;
	/* Servers call Markdown and tables plain text, or bytes. */
	(void)str_cut(url, '?', &path);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		struct str ending = str_from(endings[i] + 4);

		if (path.n > ending.n &&
		    str_eq_nocase((struct str){ path.p + path.n - ending.n, ending.n }, ending))
			return endings[i];
	}
	return "page";
}

const char *
page_charset(struct arena *a, const char *content_type)
{
	struct str part, rest = str_from(content_type);

	while (rest.p) {
		struct str name, value;

		rest = str_cut(rest, ';', &part);
		value = str_cut(str_trim(part), '=', &name);
		if (!value.p || !str_eq_nocase(str_trim(name), S("charset")))
			continue;
		value = str_trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = (struct str){ value.p + 1, value.n - 2 };
		return arena_cstr(a, value);
	}
	return "";
}
