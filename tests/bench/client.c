/*
 * The load client for streams and for fixed rates: many connections, plain or TLS, one epoll set.
 *
 *   client --to HOST:PORT|unix:PATH [--tls CERT] [--connections N] [--requests N] [--rate R]
 * [--seconds S] [--hold] [--late] FILE
 *
 * FILE holds whole requests, each ended by a NUL; they are sent in turn. All connections are made
 * first; with --late each is made when it is needed, as nginx does. With --rate, request i is due
 * at i/R seconds whatever became of those before (an open loop: what waits for a connection counts
 * as delay); without, a connection sends its next request when its last is answered. With --hold it
 * says "ready" when every reply has begun, and goes on until its standard input ends. A token is
 * ~NUMBER~ or ~NUMBER.NUMBER~ in a `data:` line; what it was sent at and when it came is kept. The
 * result is JSON on standard output; times are in microseconds of the real-time clock.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <http_parser.h>

#include <millrace/arena.h>
#include <millrace/log.h>

#include "net.h"

#define LINE_MAX_LEN 8192

/* What became of one request. */
struct outcome {
	int64_t due, first, end; /* first token, end of the reply; 0: never came */
	int64_t own_delay; /* the provider's, where it tells */
	int status;
	int tokens;
	bool done; /* an SSE `done` event came */
};

struct stamp {
	int64_t sent, came;
};

struct conn {
	struct wire wire;
	http_parser parser;
	struct outcome *now; /* the request under way, or NULL */
	bool begun; /* its head is here */
	bool other; /* the event is not of tokens (`done` repeats them) */
	struct conn *next_free;
	size_t n_line;
	char line[LINE_MAX_LEN];
};

static struct {
	const char *to, *cert;
	int n_connections;
	size_t n_requests;
	double rate, seconds;
	bool hold, late;
} option = { .n_connections = 1, .n_requests = 1, .seconds = 120 };

static struct records requests;

static SSL_CTX *tls;
static int set;
static struct conn *idle;
static struct outcome *outcomes;
static size_t n_started, n_ended, n_begun;
static struct stamp *stamps;
static size_t n_stamps, stamps_room;
static size_t n_reconnects;

/* -- what comes -- */

static void
keep_stamp(int64_t sent, int64_t came)
{
	if (n_stamps == stamps_room) {
		stamps_room = stamps_room ? stamps_room * 2 : 1024;
		stamps = xrealloc(stamps, stamps_room * sizeof(*stamps));
	}
	stamps[n_stamps++] = (struct stamp){ sent, came };
}

static void
take_line(struct conn *c)
{
	int64_t came = clock_unix_us();

	c->line[c->n_line] = '\0';
	if (strncmp(c->line, "event: ", 7) == 0) {
		c->other = strcmp(c->line + 7, "token") != 0;
		c->now->done |= strcmp(c->line + 7, "done") == 0;
	}
	if (c->other || strncmp(c->line, "data:", 5) != 0)
		return;
	for (char *p = strchr(c->line, '~'), *end; p; p = strchr(end + (*end == '~'), '~')) {
		long long sent = strtoll(p + 1, &end, 10), delay = 0;

		if (end > p + 1 && *end == '.')
			delay = strtoll(end + 1, &end, 10);
		if (end == p + 1 || *end != '~')
			continue;
		if (c->now->tokens++ == 0) {
			c->now->first = came;
			c->now->own_delay = delay;
		}
		keep_stamp(sent, came);
	}
}

static int
on_body(http_parser *parser, const char *p, size_t n)
{
	struct conn *c = parser->data;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			take_line(c);
			c->n_line = 0;
		} else if (c->n_line < LINE_MAX_LEN - 1) {
			c->line[c->n_line++] = p[i];
		}
	}
	return 0;
}

static int
on_head(http_parser *parser)
{
	struct conn *c = parser->data;

	c->now->status = (int)parser->status_code;
	c->begun = true;
	n_begun++;
	return 0;
}

static int
on_end(http_parser *parser)
{
	struct conn *c = parser->data;

	c->now->end = clock_unix_us();
	return 0;
}

static const http_parser_settings parsing = {
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_end,
};

/* -- connections -- */

static void
conn_open(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	wire_open(&c->wire, option.to, tls);
	epoll_ctl(set, EPOLL_CTL_ADD, c->wire.fd, &ev);
	http_parser_init(&c->parser, HTTP_RESPONSE);
	c->parser.data = c;
}

static void
give_back(struct conn *c)
{
	c->now = NULL;
	c->begun = c->other = false;
	c->n_line = 0;
	n_ended++;
	c->next_free = idle;
	idle = c;
}

static void
conn_ended(struct conn *c)
{
	bool waiting = c->now != NULL;

	if (waiting && c->begun && !c->now->end)
		http_parser_execute(&c->parser, &parsing, NULL, 0);
	wire_close(&c->wire);
	if (waiting)
		give_back(c);
}

static void
conn_ready(struct conn *c)
{
	static char bytes[65536];
	ssize_t n;

	while (c->wire.fd >= 0 && (n = wire_read(&c->wire, bytes, sizeof(bytes))) >= 0) {
		if (n == 0 || !c->now ||
		    http_parser_execute(&c->parser, &parsing, bytes, (size_t)n) != (size_t)n) {
			conn_ended(c);
			return;
		}
		if (!c->now->end)
			continue;
		if (!http_should_keep_alive(&c->parser))
			wire_close(&c->wire);
		give_back(c);
	}
}

/* A request is small: it goes into an empty socket whole. */
static void
conn_send(struct conn *c, const char *text)
{
	if (!wire_write(&c->wire, text, strlen(text)))
		conn_ended(c);
}

/* -- the course of it -- */

static void
start_one(int64_t due)
{
	struct conn *c = idle;
	struct outcome *o = &outcomes[n_started];

	idle = c->next_free;
	if (c->wire.fd < 0) {
		conn_open(c);
		n_reconnects++;
	}
	http_parser_init(&c->parser, HTTP_RESPONSE);
	c->parser.data = c;
	o->due = due ? due : clock_unix_us();
	c->now = o;
	conn_send(c, requests.text[n_started++ % requests.n]);
}

/* Starts what is due; the microseconds until the next is, or -1. */
static int64_t
start_due(int64_t begun)
{
	while (idle && n_started < option.n_requests) {
		int64_t due = 0, wait;

		if (option.rate > 0) {
			due = begun + (int64_t)((double)n_started / option.rate * 1e6);
			if ((wait = due - clock_unix_us()) > 0)
				return wait;
		}
		start_one(due);
	}
	return -1;
}

static void
wait_and_read(int64_t most_us)
{
	struct epoll_event ev[256];
	struct timespec t = { .tv_sec = most_us / 1000000, .tv_nsec = most_us % 1000000 * 1000 };
	int n = epoll_pwait2(set, ev, 256, &t, NULL);

	for (int i = 0; i < n; i++)
		conn_ready(ev[i].data.ptr);
}

static bool
held_is_over(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char c;

	return poll(&in, 1, 0) > 0 && read(0, &c, 1) <= 0;
}

static void
run(void)
{
	int64_t begun = clock_unix_us(), last = begun + (int64_t)(option.seconds * 1e6), wait;
	bool told = false;

	while (n_ended < option.n_requests && clock_unix_us() < last) {
		wait = start_due(begun);
		wait_and_read(wait >= 0 && wait < 20000 ? wait : 20000);
		if (!option.hold)
			continue;
		if (!told && n_begun == option.n_requests) {
			puts("ready");
			fflush(stdout);
			told = true;
		}
		if (told && held_is_over())
			break;
	}
}

static void
report(double opened_s, double took_s)
{
	printf("{\"opened_s\":%.3f,\"took_s\":%.3f,\"reconnects\":%zu,\"requests\":[", opened_s,
	    took_s, n_reconnects);
	for (size_t i = 0; i < n_started; i++) {
		const struct outcome *o = &outcomes[i];

		printf("%s[%lld,%lld,%lld,%lld,%d,%d,%d]", i ? "," : "", (long long)o->due,
		    (long long)o->first, (long long)o->end, (long long)o->own_delay, o->status,
		    o->tokens, o->done);
	}
	printf("],\"stamps\":[");
	for (size_t i = 0; i < n_stamps; i++)
		printf("%s[%lld,%lld]", i ? "," : "", (long long)stamps[i].sent,
		    (long long)stamps[i].came);
	printf("]}\n");
}

static void
options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "to", required_argument, NULL, 't' },
		{ "tls", required_argument, NULL, 'c' },
		{ "connections", required_argument, NULL, 'n' },
		{ "requests", required_argument, NULL, 'r' },
		{ "rate", required_argument, NULL, 'R' },
		{ "seconds", required_argument, NULL, 's' },
		{ "hold", no_argument, NULL, 'h' },
		{ "late", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (o == 't')
			option.to = optarg;
		else if (o == 'c')
			option.cert = optarg;
		else if (o == 'n')
			option.n_connections = (int)strtol(optarg, NULL, 10);
		else if (o == 'r')
			option.n_requests = strtoul(optarg, NULL, 10);
		else if (o == 'R')
			option.rate = strtod(optarg, NULL);
		else if (o == 's')
			option.seconds = strtod(optarg, NULL);
		else if (o == 'h')
			option.hold = true;
		else if (o == 'l')
			option.late = true;
		else
			exit(2);
	}
	if (!option.to || optind + 1 != argc)
		die("usage: client --to HOST:PORT|unix:PATH [options] FILE");
}

int
main(int argc, char **argv)
{
	int64_t start = clock_unix_us(), opened;
	struct conn *conns;

	log_open("client", LOG_INFO);
	options(argc, argv);
	files_raise();
	requests = records_read(argv[optind]);
	if (option.cert)
		tls = tls_client(option.cert);
	set = epoll_create1(EPOLL_CLOEXEC);
	outcomes = xmalloc(option.n_requests * sizeof(*outcomes));
	memset(outcomes, 0, option.n_requests * sizeof(*outcomes));
	conns = xmalloc((size_t)option.n_connections * sizeof(*conns));
	for (int i = 0; i < option.n_connections; i++) {
		conns[i] = (struct conn){ .wire.fd = -1 };
		if (!option.late)
			conn_open(&conns[i]);
		conns[i].next_free = idle;
		idle = &conns[i];
	}
	opened = clock_unix_us();
	run();
	report((double)(opened - start) / 1e6, (double)(clock_unix_us() - opened) / 1e6);
	return 0;
}
