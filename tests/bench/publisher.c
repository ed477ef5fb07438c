#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <millrace/arena.h>
#include <millrace/log.h>

#include "events.h"
#include "net.h"
#include "publisher.h"

#define EVENT_TYPE "notification_created"
#define TEXT_LEN_MAX 4096
#define POSTS_AT_ONCE 32 /* they and their replies have room in the sockets */

struct publisher {
	PGconn *db; /* or */
	struct wire wire;
	char path[256]; /* of HTTP; "" where it is lines */
	char **topics;
	size_t n_topics, length;
	char (*text)[TEXT_LEN_MAX]; /* the batch's messages */
};

struct publisher *
publisher_open(const char *to, char **topics, size_t n, size_t length)
{
	struct publisher *p = xmalloc(sizeof(*p));

	*p = (struct publisher){ .wire.fd = -1, .topics = topics, .n_topics = n, .length = length };
	if (length < 64 || length >= TEXT_LEN_MAX)
		die("a message has between 64 and %d bytes", TEXT_LEN_MAX);
	p->text = xmalloc(sizeof(*p->text) * PUBLISHER_BATCH_MAX);
	if (strncmp(to, "pg:", 3) == 0) {
		p->db = events_open(to + 3);
		return p;
	}
	if (strncmp(to, "http:", 5) == 0) {
		const char *slash = strchr(to, '/');

		if (!slash || strlen(slash) >= sizeof(p->path))
			die("not http:HOST:PORT/PATH: %s", to);
		memcpy(p->path, slash, strlen(slash) + 1);
		to = strndup(to, (size_t)(slash - to));
	} else if (strncmp(to, "line:", 5) != 0) {
		die("no way to publish: %s", to);
	}
	wire_open(&p->wire, strchr(to, ':') + 1, NULL);
	/* it is the one connection that is written to and waited for */
	fcntl(p->wire.fd, F_SETFL, 0);
	return p;
}

/* {"n":"~NUMBER~","pad":"xxx…"} of the length that was asked for. */
static const char *
text_of(struct publisher *p, size_t i, uint64_t number)
{
	char *text = p->text[i];
	int n = snprintf(
	    text, TEXT_LEN_MAX, "{\"n\":\"~%llu~\",\"pad\":\"", (unsigned long long)number);
	size_t pad = p->length - (size_t)n - 2;

	memset(text + n, 'x', pad);
	memcpy(text + n + pad, "\"}", 3);
	return text;
}

static const char *
topic_of(const struct publisher *p, uint64_t number)
{
	return p->topics[number % p->n_topics];
}

static void
send_events(struct publisher *p, struct message *const *m, size_t n)
{
	struct event_text e[PUBLISHER_BATCH_MAX] = { 0 };
	int64_t now;

	for (size_t i = 0; i < n; i++)
		e[i] = (struct event_text){ topic_of(p, m[i]->number), EVENT_TYPE,
			text_of(p, i, m[i]->number) };
	events_write(p->db, e, n);
	now = clock_unix_us();
	for (size_t i = 0; i < n; i++)
		m[i]->sent = now;
	events_commit(p->db);
}

/* Bytes of one whole reply; 0 where it is not. Its length is told: nchan's always is. */
static size_t
reply_len(const char *p, size_t n)
{
	const char *body = memmem(p, n, "\r\n\r\n", 4),
		   *length = body ? strcasestr(p, "\r\nContent-Length:") : NULL;
	size_t len;

	if (!body)
		return 0;
	if (!length || length > body)
		die("a publisher's reply without Content-Length");
	if (strncmp(p, "HTTP/1.1 20", 11) != 0)
		die("publishing was refused: %.*s", (int)strcspn(p, "\r"), p);
	len = (size_t)(body + 4 - p) + strtoul(strchr(length + 2, ':') + 1, NULL, 10);
	return len <= n ? len : 0;
}

static void
read_replies(struct publisher *p, size_t wanted)
{
	char bytes[16384];
	size_t n = 0, len;

	while (wanted > 0) {
		ssize_t got = read(p->wire.fd, bytes + n, sizeof(bytes) - 1 - n);

		if (got <= 0)
			die("the publisher's connection ended");
		n += (size_t)got;
		bytes[n] = '\0';
		while (wanted > 0 && (len = reply_len(bytes, n)) > 0) {
			n -= len;
			memmove(bytes, bytes + len, n + 1);
			wanted--;
		}
	}
}

/* Pipelined: nobody has to wait for a reply to publish what is due as well. */
static void
send_posts(struct publisher *p, struct message *const *m, size_t n)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	int64_t now;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b,
		    "POST %s%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
		    p->path, topic_of(p, m[i]->number), p->length, text_of(p, i, m[i]->number));
	now = clock_unix_us();
	for (size_t i = 0; i < n; i++)
		m[i]->sent = now;
	if (!wire_write(&p->wire, b.p, b.n))
		die("cannot publish: %s", strerror(errno));
	read_replies(p, n);
	arena_free(a);
}

static void
send_lines(struct publisher *p, struct message *const *m, size_t n)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	int64_t now;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s %s\n", topic_of(p, m[i]->number), text_of(p, i, m[i]->number));
	now = clock_unix_us();
	for (size_t i = 0; i < n; i++)
		m[i]->sent = now;
	if (!wire_write(&p->wire, b.p, b.n))
		die("cannot publish: %s", strerror(errno));
	arena_free(a);
}

void
publisher_send(struct publisher *p, struct message *const *m, size_t n)
{
	if (p->db)
		send_events(p, m, n);
	else if (!p->path[0])
		send_lines(p, m, n);
	else
		for (size_t i = 0; i < n; i += POSTS_AT_ONCE)
			send_posts(p, m + i, n - i < POSTS_AT_ONCE ? n - i : POSTS_AT_ONCE);
}
