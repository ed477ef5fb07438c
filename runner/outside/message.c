/* What a mail looks like on the way. */
#include <time.h>

#include <sodium.h>

#include <millrace/config.h>

#include "runner/outside/mail.h"

#define LINE_BYTES 57 /* 76 characters of base64, RFC 2045's most */

/* A header's line. What would end it is left out, whoever the value is from. */
static void
header(struct buf *b, const char *name, struct str value)
{
	buf_printf(b, "%s: ", name);
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] >= ' ' && value.p[i] != 0x7f)
			buf_put(b, (struct str){ value.p + i, 1 });
	buf_put(b, S("\r\n"));
}

/*
 * One alternative of the body. base64 bears any text, and no line of it can be taken for something
 * else.
 */
static void
part(struct buf *b, struct str boundary, const char *type, struct str text)
{
	char line[LINE_BYTES / 3 * 4 + 1];

	buf_printf(b, "--%.*s\r\n", S_ARG(boundary));
	buf_printf(b, "Content-Type: %s; charset=utf-8\r\n", type);
	buf_put(b, S("Content-Transfer-Encoding: base64\r\n\r\n"));
	for (size_t at = 0; at < text.n; at += LINE_BYTES) {
		size_t n = text.n - at < LINE_BYTES ? text.n - at : LINE_BYTES;

		sodium_bin2base64(line, sizeof(line), (const unsigned char *)text.p + at, n,
		    sodium_base64_VARIANT_ORIGINAL);
		buf_printf(b, "%s\r\n", line);
	}
}

/* What stands behind the sender's @, without the > of a written-out one. */
static struct str
sender_domain(void)
{
	struct str domain = str_from(strrchr(config()->smtp_from, '@'));

	while (domain.n > 0 && domain.p[domain.n - 1] == '>')
		domain.n--;
	return domain;
}

struct str
mail_message(struct arena *a, const struct mail *m)
{
	struct buf b = { .a = a };
	struct str boundary = arena_printf(a, "=_%.*s", S_ARG(m->id)), domain = sender_domain();
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	header(&b, "Date", str_from(date));
	header(&b, "From", str_from(config()->smtp_from));
	header(&b, "To", m->to);
	header(&b, "Subject", m->subject);
	header(&b, "Message-ID", arena_printf(a, "<%.*s%.*s>", S_ARG(m->id), S_ARG(domain)));
	header(&b, "Auto-Submitted", S("auto-generated"));
	header(&b, "MIME-Version", S("1.0"));
	buf_printf(&b, "Content-Type: multipart/alternative;\r\n boundary=\"%.*s\"\r\n\r\n",
	    S_ARG(boundary));
	part(&b, boundary, "text/plain", m->text);
	part(&b, boundary, "text/html", m->html);
	buf_printf(&b, "--%.*s--\r\n", S_ARG(boundary));
	return buf_str(&b);
}
