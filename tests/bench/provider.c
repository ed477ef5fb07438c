/*
 * A model provider that costs little, since it shares the processors with what is measured: an
 * OpenAI-compatible server that streams numbered tokens and checks nothing (tests/standin is the
 * strict one).
 *
 *   provider PORT
 *
 * POST with [[first:MS tokens:N delay:MS]] in its body (the last one counts; 0, 20, 20): the first
 * token after so many milliseconds, then one every `delay`. A token is "~SENT~ ", or "~SENT.WAITED~
 * " for the first: the microseconds of the real-time clock at which it was written, and those since
 * the request was here. A body with "stream":false is answered whole, after the first delay.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <http_parser.h>

#include <millrace/arena.h>
#include <millrace/log.h>
#include <millrace/loop.h>

#define BODY_MAX ((size_t)1 << 20)

struct call {
	struct loop_fd fd;
	struct loop_timer timer;
	http_parser parser;
	int64_t came;
	int first_ms, delay_ms;
	int tokens, sent;
	bool is_whole;
	size_t n_body;
	char *body;
};

static struct loop *loop;

static int64_t
clock_unix_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
call_close(struct call *c)
{
	loop_disarm(loop, &c->timer);
	loop_watch(loop, &c->fd, 0);
	close(c->fd.fd);
	free(c->body);
	free(c);
}

/* Appends one event in a chunk of its own. */
static size_t
put_event(char *to, size_t room, const char *data)
{
	int n = snprintf(to, room, "%zx\r\ndata: %s\n\n\r\n", strlen(data) + 8, data);

	return (size_t)n;
}

static size_t
put_delta(char *to, size_t room, const char *delta, const char *finish)
{
	char data[512];

	snprintf(data, sizeof(data),
	    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
	    "1700000000,"
	    "\"model\":\"gpt-4o-mini\",\"service_tier\":\"default\",\"system_fingerprint\":null,"
	    "\"choices\":[{\"index\":0,\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}],"
	    "\"usage\":null}",
	    delta, finish);
	return put_event(to, room, data);
}

static size_t
put_token(struct call *c, char *to, size_t room)
{
	char delta[128];
	long long now = clock_unix_us();

	if (c->sent++ == 0)
		snprintf(delta, sizeof(delta), "{\"content\":\"~%lld.%lld~ \"}", now,
		    now - (long long)c->came);
	else
		snprintf(delta, sizeof(delta), "{\"content\":\"~%lld~ \"}", now);
	return put_delta(to, room, delta, "null");
}

static size_t
put_end(struct call *c, char *to, size_t room)
{
	char usage[256];
	size_t n = put_delta(to, room, "{}", "\"stop\"");

	snprintf(usage, sizeof(usage),
	    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
	    "1700000000,"
	    "\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":20,"
	    "\"completion_tokens\":%d,\"total_tokens\":%d}}",
	    c->tokens, c->tokens + 20);
	n += put_event(to + n, room - n, usage);
	n += put_event(to + n, room - n, "[DONE]");
	n += (size_t)snprintf(to + n, room - n, "0\r\n\r\n");
	return n;
}

/* All at once, where no stream was asked for. */
static size_t
put_whole(struct call *c, char *to, size_t room)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
	char body[512];
	int n = snprintf(body, sizeof(body),
	    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
	    "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
	    "\"assistant\",\"content\":\"%d\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
	    "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":%d,\"total_tokens\":%d}}",
	    c->tokens, c->tokens, c->tokens + 20);

	return (size_t)snprintf(to, room, "%sContent-Length: %d\r\n\r\n%s", head, n, body);
}

static void
say(struct loop_timer *t)
{
	struct call *c = (struct call *)((char *)t - offsetof(struct call, timer));
	char out[4096];
	size_t n = 0;

	if (c->is_whole) {
		n = put_whole(c, out, sizeof(out));
		c->sent = c->tokens;
	} else if (c->sent == 0) {
		n = (size_t)snprintf(out, sizeof(out),
		    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n");
		n += put_delta(
		    out + n, sizeof(out) - n, "{\"role\":\"assistant\",\"content\":\"\"}", "null");
	}
	if (!c->is_whole)
		n += put_token(c, out + n, sizeof(out) - n);
	if (c->sent >= c->tokens && !c->is_whole)
		n += put_end(c, out + n, sizeof(out) - n);
	else if (!c->is_whole)
		loop_arm(loop, &c->timer, c->delay_ms);
	if (send(c->fd.fd, out, n, MSG_NOSIGNAL) < 0)
		loop_disarm(loop, &c->timer); /* its end is told by the loop */
}

/* The number after `name` in the directive, or what is said otherwise. */
static int
directive(const char *text, const char *name, int otherwise)
{
	const char *p = text ? strstr(text, name) : NULL;

	return p ? (int)strtol(p + strlen(name), NULL, 10) : otherwise;
}

static int
on_body(http_parser *parser, const char *p, size_t n)
{
	struct call *c = parser->data;

	if (c->n_body + n > BODY_MAX)
		return 1;
	c->body = xrealloc(c->body, c->n_body + n + 1);
	memcpy(c->body + c->n_body, p, n);
	c->n_body += n;
	c->body[c->n_body] = '\0';
	return 0;
}

static int
on_asked(http_parser *parser)
{
	struct call *c = parser->data;
	const char *asked = NULL;

	for (const char *p = c->body; p && (p = strstr(p, "[[")) != NULL; p += 2)
		asked = p;
	c->came = clock_unix_us();
	c->first_ms = directive(asked, "first:", 0);
	c->tokens = directive(asked, "tokens:", 20);
	c->delay_ms = directive(asked, "delay:", 20);
	c->is_whole = c->body && strstr(c->body, "\"stream\":false");
	c->sent = 0;
	c->n_body = 0;
	if (c->first_ms > 0)
		loop_arm(loop, &c->timer, c->first_ms);
	else
		say(&c->timer);
	return 0;
}

static const http_parser_settings parsing = { .on_body = on_body, .on_message_complete = on_asked };

static void
call_ready(struct loop_fd *self, uint32_t events)
{
	struct call *c = (struct call *)self; /* fd is its first member */
	char bytes[16384];
	ssize_t n = recv(c->fd.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || http_parser_execute(&c->parser, &parsing, bytes, (size_t)n) != (size_t)n)
		call_close(c);
}

static void
listener_ready(struct loop_fd *self, uint32_t events)
{
	int one = 1;

	(void)events;
	for (;;) {
		int fd = accept4(self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct call *c;

		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = xmalloc(sizeof(*c));
		*c = (struct call){ .fd = { .fd = fd, .ready = call_ready }, .timer.fire = say };
		http_parser_init(&c->parser, HTTP_REQUEST);
		c->parser.data = c;
		loop_watch(loop, &c->fd, EPOLLIN);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct loop_fd listener = { .ready = listener_ready };
	int one = 1;

	log_open("provider", LOG_INFO);
	if (argc != 2)
		die("usage: provider PORT");
	at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener.fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(listener.fd, 4096) != 0)
		die("cannot listen on port %s: %s", argv[1], strerror(errno));
	loop = loop_new();
	loop_watch(loop, &listener, EPOLLIN);
	puts("ready");
	fflush(stdout);
	loop_run(loop);
	return 0;
}
