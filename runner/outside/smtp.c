/* The way to the relay, by libcurl. */
#include <stdlib.h>
#include <strings.h>

#include <millrace/address.h>
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/outside/mail.h"
#include "runner/outside/transfer.h"

#define CONNECT_MS 20000L
#define WHOLE_MS 120000

static size_t
smtp_on_read(char *into, size_t one, size_t room, void *arg)
{
	struct str *rest = arg;
	size_t n = rest->n < one * room ? rest->n : one * room;

	memcpy(into, rest->p, n);
	rest->p += n;
	rest->n -= n;
	return n;
}

/* `rest` is what is left of the message. */
static void
set_up(CURL *easy, struct str *rest, const char *from, struct curl_slist *to)
{
	const struct config *c = config();
	bool clear = strcmp(c->smtp_tls, "off") == 0;

	curl_easy_setopt(easy, CURLOPT_URL, c->smtp_url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(
	    easy, CURLOPT_USE_SSL, clear ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	/* Relays close a connection that says nothing. */
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	if (*c->smtp_user) {
		curl_easy_setopt(easy, CURLOPT_USERNAME, c->smtp_user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, c->smtp_password);
	}
	curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, smtp_on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, rest);
}

/*
 * RFC 5321, 4.2.1: 5yz is for good. A login that is refused is the administrator's to mend, and
 * then the mail may go.
 */
static enum mail_end
end_of(enum transfer_end end, CURLcode code, long reply)
{
	if (end == TRANSFER_STOPPED)
		return MAIL_STOPPED;
	if (end == TRANSFER_OVER && code == CURLE_OK)
		return MAIL_SENT;
	return reply >= 500 && reply < 600 && code != CURLE_LOGIN_DENIED &&
		       code != CURLE_USE_SSL_FAILED
		   ? MAIL_REFUSED
		   : MAIL_LATER;
}

enum mail_end
mail_send(struct stop *stop, struct arena *a, struct str to, struct str message, char error[256])
{
	struct curl_slist *list = curl_slist_append(NULL, arena_cstr(a, to));
	struct transfer *t = transfer_acquire();
	enum transfer_end end;
	long reply = 0;
	CURLcode code;

	if (!list)
		abort();
	set_up(t->easy, &message, arena_cstr(a, address_of_sender(str_from(config()->smtp_from))),
	    list);
	t->until_ms = clock_ms() + WHOLE_MS;
	end = transfer_run(t, stop, &code);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &reply);
	snprintf(error, 256, "%s; the relay's last reply: %ld",
	    end == TRANSFER_SILENT ? "silent for too long" : curl_easy_strerror(code), reply);
	transfer_release(t);
	curl_slist_free_all(list);
	return end_of(end, code, reply);
}
