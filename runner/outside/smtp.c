/* The way to the relay, by libcurl. */
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>

#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/outside/http.h"
#include "runner/runner.h"
#include "runner/outside/mail.h"

#define CONNECT_S 20L
#define WHOLE_S 120L

struct sending {
	struct job *j;
	struct str rest; /* of the message */
};

/* The address of SMTP_FROM: all of it, or what stands in <>. */
static struct str
sender(void)
{
	struct str from = str_from(config()->smtp_from), name, address;

	address = str_cut(from, '<', &name);
	if (!address.p)
		return from;
	(void)str_cut(address, '>', &name);
	return name;
}

static bool
is_page(const char *url)
{
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0) &&
	       strstr(url, "{token}") != NULL;
}

static bool
is_from(struct str from)
{
	for (size_t i = 0; i < from.n; i++)
		if ((unsigned char)from.p[i] < ' ' || (unsigned char)from.p[i] > '~')
			return false;
	return address_is_email(sender());
}

void
mail_init(void)
{
	const struct config *c = config();
	bool clear = strcmp(c->smtp_tls, "off") == 0;

	if (*c->smtp_url && strncasecmp(c->smtp_url, "smtp://", 7) != 0 &&
	    strncasecmp(c->smtp_url, "smtps://", 8) != 0)
		die("SMTP_URL is \"%s\"; it takes smtp://host:port or smtps://host:port.",
		    c->smtp_url);
	if (!clear && strcmp(c->smtp_tls, "required") != 0)
		die("SMTP_TLS is \"%s\"; it takes required or off.", c->smtp_tls);
	if (clear && *c->smtp_password)
		die("SMTP_TLS is off, so SMTP_PASSWORD would go out in clear.");
	if (*c->smtp_from && !is_from(str_from(c->smtp_from)))
		die("SMTP_FROM is \"%s\"; it takes an address, or Name <address>.", c->smtp_from);
	if (*c->reset_url && !is_page(c->reset_url))
		die("MILLRACE_RESET_URL is \"%s\"; it takes the page's address with {token} in it.",
		    c->reset_url);
}

bool
mail_configured(void)
{
	const struct config *c = config();

	return *c->smtp_url && *c->smtp_from && *c->reset_url;
}

static size_t
on_read(char *into, size_t one, size_t room, void *arg)
{
	struct sending *s = arg;
	size_t n = s->rest.n < one * room ? s->rest.n : one * room;

	memcpy(into, s->rest.p, n);
	s->rest.p += n;
	s->rest.n -= n;
	return n;
}

/* curl asks this at least once a second. */
static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct sending *s = arg;

	(void)a, (void)b, (void)c, (void)d;
	return job_stop(s->j) != STOP_NOT;
}

static void
set_up(CURL *easy, struct sending *s, const char *from, struct curl_slist *to)
{
	const struct config *c = config();
	bool clear = strcmp(c->smtp_tls, "off") == 0;

	http_trust(easy);
	curl_easy_setopt(easy, CURLOPT_URL, c->smtp_url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(
	    easy, CURLOPT_USE_SSL, clear ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, WHOLE_S);
	if (*c->smtp_user) {
		curl_easy_setopt(easy, CURLOPT_USERNAME, c->smtp_user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, c->smtp_password);
	}
	curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, s);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, s);
}

/* RFC 5321, 4.2.1: 5yz is for good. A login that is refused is the administrator's to mend, and then the mail may go. */
static enum mail_end
end_of(CURLcode code, long reply)
{
	if (code == CURLE_OK)
		return MAIL_SENT;
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return MAIL_STOPPED;
	return reply >= 500 && reply < 600 && code != CURLE_LOGIN_DENIED &&
		       code != CURLE_USE_SSL_FAILED
		   ? MAIL_REFUSED
		   : MAIL_LATER;
}

enum mail_end
mail_send(struct job *j, struct str to, struct str message, char error[256])
{
	struct sending s = { .j = j, .rest = message };
	struct curl_slist *list = curl_slist_append(NULL, arena_cstr(j->a, to));
	CURL *easy = curl_easy_init();
	long reply = 0;
	CURLcode code;

	if (!easy || !list)
		abort();
	set_up(easy, &s, arena_cstr(j->a, sender()), list);
	code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply);
	snprintf(error, 256, "%s; the relay's last reply: %ld", curl_easy_strerror(code), reply);
	curl_easy_cleanup(easy);
	curl_slist_free_all(list);
	return end_of(code, reply);
}
