#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <millrace/arena.h>
#include <millrace/log.h>

#include "subscriber.h"
#include "ws.h"

#define MESSAGES (1 << 20)
#define OPENING_AT_ONCE 64
#define OPENING_SECONDS 120
#define READ_LEN 262144
#define SCRIPT_END 0x1e

struct conn {
	struct wire wire;
	const char *script; /* what is left of it */
	bool upgraded, open;
	size_t topic;
	uint64_t next; /* of its topic's messages, how many it has */
	char *part; /* of a frame, or of the reply's head */
	size_t n_part;
};

struct tally tally;

static struct audience audience;
static struct conn *conns;
static size_t n_dialled, n_open;
static struct message *messages;
static int set;

struct message *
message_at(uint64_t number)
{
	return &messages[number % MESSAGES];
}

int
subscribers_fd(void)
{
	return set;
}

static void
ended(struct conn *c, const char *why)
{
	if (!c->open)
		die("a subscriber could not be opened: %s", why);
	if (tally.ended++ == 0)
		log_warn("a subscriber's connection ended", "why", why);
	wire_close(&c->wire);
}

static void
say(struct conn *c, enum ws_opcode opcode, struct str text)
{
	char bytes[2048];

	if (text.n > sizeof(bytes) - 14)
		die("a script says too much");
	if (!wire_write(&c->wire, bytes, ws_put(bytes, opcode, text)))
		ended(c, "it does not take what is said");
}

/* The next field of the script. */
static struct str
script_field(struct conn *c)
{
	struct str field = { c->script, strcspn(c->script, "\x1e") };

	c->script += field.n + (c->script[field.n] == SCRIPT_END);
	return field;
}

static void
script_ended(struct conn *c)
{
	if (*c->script)
		return;
	c->open = true;
	n_open++;
}

/* A message while the connection is being opened. What the script does not wait for passes. */
static void
opening_message(struct conn *c, struct str text)
{
	const char *before = c->script;
	struct str wanted = script_field(c), answer;

	if (!str_starts(text, wanted)) {
		c->script = before;
		return;
	}
	answer = script_field(c);
	if (answer.n)
		say(c, WS_TEXT, answer);
	script_ended(c);
}

static void
keep_lateness(const struct message *m, int64_t came)
{
	if (tally.deliveries == tally.room) {
		tally.room = tally.room ? tally.room * 2 : 65536;
		tally.late = xrealloc(tally.late, tally.room * sizeof(*tally.late));
	}
	tally.late[tally.deliveries++] =
	    (struct lateness){ (uint32_t)(came - m->due), (uint32_t)(came - m->sent) };
	tally.last = came;
}

static void
delivered(struct conn *c, uint64_t number, int64_t came)
{
	uint64_t at = number / audience.n_topics;
	struct message *m = message_at(number);

	if (number % audience.n_topics != c->topic || m->number != number)
		die("a subscriber got message %llu, which is not his", (unsigned long long)number);
	if (at < c->next) {
		tally.repeated++;
		return;
	}
	tally.skipped += at - c->next;
	c->next = at + 1;
	keep_lateness(m, came);
	if (--m->left == 0)
		tally.whole++;
}

static void
message(struct conn *c, struct str text, int64_t came)
{
	const char *p, *end = text.p + text.n;
	uint64_t number = 0;

	if (str_eq(text, S("2")))
		say(c, WS_TEXT, S("3"));
	if (!c->open) {
		opening_message(c, text);
		return;
	}
	p = memchr(text.p, '~', text.n);
	if (!p)
		return;
	for (p++; p < end && *p >= '0' && *p <= '9'; p++)
		number = number * 10 + (uint64_t)(*p - '0');
	if (p == end || *p != '~')
		die("a message is not whole: %.*s", S_ARG(text));
	delivered(c, number, came);
}

/* Bytes used of the reply's head; 0 where it is not whole. */
static size_t
take_head(struct conn *c, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);

	if (!end)
		return 0;
	if (n < 12 || memcmp(p, "HTTP/1.1 101", 12) != 0)
		die("a handshake was refused: %.*s", (int)n, p);
	c->upgraded = true;
	script_ended(c);
	return (size_t)(end + 4 - p);
}

/* Bytes used of one thing that came; 0 where it is not whole, or the connection ended with it. */
static size_t
take(struct conn *c, const char *p, size_t n, int64_t came)
{
	struct ws_frame f;
	ssize_t used;

	if (!c->upgraded)
		return take_head(c, p, n);
	used = ws_take(p, n, &f);
	if (used < 0)
		die("a subscriber got what is no WebSocket frame");
	if (used == 0)
		return 0;
	if (f.opcode == WS_TEXT || f.opcode == WS_BINARY)
		message(c, f.payload, came);
	else if (f.opcode == WS_PING)
		say(c, WS_PONG, f.payload);
	else if (f.opcode == WS_CLOSE)
		ended(c, "the server closed it");
	return c->wire.fd < 0 ? 0 : (size_t)used;
}

static void
keep_part(struct conn *c, const char *p, size_t n)
{
	free(c->part);
	c->part = n ? memcpy(xmalloc(n), p, n) : NULL;
	c->n_part = n;
}

static void
ready(struct conn *c)
{
	static char bytes[READ_LEN + WS_MESSAGE_MAX + 16];
	size_t n, at, used;
	ssize_t got = 0;

	while (c->wire.fd >= 0) {
		n = c->n_part;
		memcpy(bytes, c->part ? c->part : "", n);
		got = wire_read(&c->wire, bytes + n, READ_LEN);
		if (got <= 0)
			break;
		n += (size_t)got;
		int64_t came = clock_unix_us();
		for (at = 0; at < n && (used = take(c, bytes + at, n - at, came)) > 0; at += used)
			;
		keep_part(c, bytes + at, n - at);
		/* a plain socket that has more is told of again */
		if (!c->wire.ssl)
			break;
	}
	if (c->wire.fd >= 0 && got == 0)
		ended(c, "it was cut off");
}

void
subscribers_turn(int most_ms)
{
	struct epoll_event ev[256];
	int n = epoll_wait(set, ev, 256, most_ms);

	for (int i = 0; i < n; i++)
		ready(ev[i].data.ptr);
}

static void
dial(void)
{
	struct conn *c = &conns[n_dialled];
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	struct str request;

	*c = (struct conn){ .script = audience.scripts.text[n_dialled % audience.scripts.n],
		.topic = n_dialled % audience.n_topics };
	wire_open(&c->wire, audience.to, audience.tls);
	epoll_ctl(set, EPOLL_CTL_ADD, c->wire.fd, &ev);
	request = script_field(c);
	if (!wire_write(&c->wire, request.p, request.n))
		ended(c, "it does not take the request");
	n_dialled++;
}

void
subscribers_open(const struct audience *a)
{
	int64_t last = clock_unix_us() + OPENING_SECONDS * 1000000LL;

	audience = *a;
	set = epoll_create1(EPOLL_CLOEXEC);
	messages = xmalloc(MESSAGES * sizeof(*messages));
	conns = xmalloc(a->n_connections * sizeof(*conns));
	while (n_open < a->n_connections) {
		while (n_dialled < a->n_connections && n_dialled - n_open < OPENING_AT_ONCE)
			dial();
		subscribers_turn(100);
		if (clock_unix_us() > last)
			die("%zu of %zu subscribers were open after %d s", n_open, n_dialled,
			    OPENING_SECONDS);
	}
}

void
subscribers_expect(uint64_t number)
{
	tally.deliveries = tally.repeated = tally.skipped = 0;
	for (size_t i = 0; i < audience.n_connections; i++) {
		struct conn *c = &conns[i];
		uint64_t t = audience.n_topics;

		c->next = number / t + (c->topic < number % t);
	}
}
