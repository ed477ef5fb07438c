/*
 * A stand-in for PostgreSQL, for tests of what lies on a pipe: it speaks as much of the protocol
 * ("Frontend/Backend Protocol", version 3.0) as libpq's pipeline mode needs, over a UNIX socket, on
 * the test's own loop and thread. What becomes of a statement is the test's to say, by its name.
 *
 * Time is the test's, too: this file takes lib/clock.c's place, and postgres_run lets a minute
 * pass in some milliseconds.
 */
#ifndef TESTS_UNIT_POSTGRES_H
#define TESTS_UNIT_POSTGRES_H

#include <endian.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/container_of.h>
#include <millrace/loop.h>

#include "test.h"

static int64_t skew_ms; /* how far the clock is ahead */

int64_t
clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + skew_ms;
}

int64_t
clock_us(void)
{
	return clock_ms() * 1000;
}

int64_t
clock_unix_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

int64_t
clock_unix_us(void)
{
	return clock_unix_ms() * 1000;
}

enum fate {
	FATE_ROW, /* one row: postgres.row, or the statement's name */
	FATE_ERROR, /* as SQL's refuse(): MR000, "No such thing.", NOT_FOUND */
	FATE_FAULT, /* SQLSTATE XX000, a fault of the server's */
	FATE_UNCOMMITTED, /* a row, and the fault comes with the commit */
	FATE_SLOW, /* a row, after postgres.slow_ms */
	FATE_SILENT, /* no answer, to this and to whatever follows */
	FATE_HANGUP /* the connection is closed */
};

static struct postgres {
	enum fate (*fate)(const char *statement); /* NULL: FATE_ROW for all */
	const char *const *row;
	int n_columns; /* of `row` */
	int64_t slow_ms;
	bool refuses; /* connections are closed as they come */
	bool mute; /* they are accepted, and nothing more */

	char seen[4096]; /* the names of executed statements, a space after each */
	char args[512]; /* the parameters of the last one, likewise */
	char listening[128]; /* the last LISTEN */
	int n_connects, n_parses;
	int64_t connect_ms[32]; /* when they came */

	struct loop *loop;
	struct loop_fd listener, client;
	struct loop_timer slow, ticker;
	char dir[32], path[64];
	char in[65536], out[65536];
	size_t n_in, n_out;
	char statement[128];
	bool started, skips, silent, waits, uncommitted;
	int step_ms;
	bool (*until)(void);
	int64_t deadline_ms;
} postgres;

static inline void
postgres_put(char type, const void *body, size_t n)
{
	uint32_t len = htobe32((uint32_t)n + 4);

	postgres.out[postgres.n_out++] = type;
	memcpy(postgres.out + postgres.n_out, &len, 4);
	if (n > 0)
		memcpy(postgres.out + postgres.n_out + 4, body, n);
	postgres.n_out += n + 4;
}

static inline void
postgres_flush(void)
{
	if (postgres.client.fd >= 0 && postgres.n_out > 0)
		(void)!send(postgres.client.fd, postgres.out, postgres.n_out, MSG_NOSIGNAL);
	postgres.n_out = 0;
}

static inline void
postgres_hang_up(void)
{
	if (postgres.client.fd < 0)
		return;
	postgres_flush();
	loop_watch(postgres.loop, &postgres.client, 0);
	loop_disarm(postgres.loop, &postgres.slow);
	close(postgres.client.fd);
	postgres.client.fd = -1;
}

/* Sends a notification to whoever is connected. */
static inline void
postgres_notify(const char *channel, const char *payload)
{
	char body[256] = { 0 };
	size_t n = 4; /* a process id */

	memcpy(body + n, channel, strlen(channel));
	n += strlen(channel) + 1;
	memcpy(body + n, payload, strlen(payload));
	n += strlen(payload) + 1;
	postgres_put('A', body, n);
	postgres_flush();
}

static inline int
postgres_columns(void)
{
	return postgres.row ? postgres.n_columns : 1;
}

/* RowDescription: so many columns of type text, all called "c". */
static inline void
postgres_describe(void)
{
	static const unsigned char column[] = { 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255,
		255, 255, 255, 255, 0, 0 };
	char body[256] = { 0, (char)postgres_columns() };

	for (int i = 0; i < postgres_columns(); i++)
		memcpy(body + 2 + (size_t)i * sizeof(column), column, sizeof(column));
	postgres_put('T', body, 2 + (size_t)postgres_columns() * sizeof(column));
}

static inline void
postgres_answer(void)
{
	char body[2048] = { 0, (char)postgres_columns() };
	size_t n = 2;

	for (int i = 0; i < postgres_columns(); i++) {
		const char *value = postgres.row ? postgres.row[i] : postgres.statement;
		uint32_t len = htobe32((uint32_t)strlen(value));

		memcpy(body + n, &len, 4);
		memcpy(body + n + 4, value, strlen(value));
		n += 4 + strlen(value);
	}
	postgres_put('D', body, n);
	postgres_put('C', "SELECT 1", 9);
}

static inline void
postgres_error(enum fate fate)
{
	static const char ours[] = "SERROR\0CMR000\0MNo such thing.\0DNOT_FOUND\0",
			  fault[] = "SERROR\0CXX000\0MIt broke.\0";

	if (fate == FATE_ERROR)
		postgres_put('E', ours, sizeof(ours));
	else
		postgres_put('E', fault, sizeof(fault));
	postgres.skips = true;
}

static inline void
postgres_execute(void)
{
	enum fate fate = postgres.fate ? postgres.fate(postgres.statement) : FATE_ROW;
	size_t n = strlen(postgres.seen);

	snprintf(postgres.seen + n, sizeof(postgres.seen) - n, "%s ", postgres.statement);
	switch (fate) {
	case FATE_ROW:
		postgres_answer();
		break;
	case FATE_ERROR:
	case FATE_FAULT:
		postgres_error(fate);
		break;
	case FATE_UNCOMMITTED:
		postgres.uncommitted = true;
		postgres_answer();
		break;
	case FATE_SLOW:
		postgres.waits = true;
		loop_arm(postgres.loop, &postgres.slow, postgres.slow_ms);
		break;
	case FATE_SILENT:
		postgres.silent = true;
		break;
	case FATE_HANGUP:
		postgres_hang_up();
		break;
	}
}

/* Bind: portal, statement, formats of the parameters, and their values. */
static inline void
postgres_bind(const char *p)
{
	uint16_t count;
	size_t n = 0;

	p += strlen(p) + 1;
	snprintf(postgres.statement, sizeof(postgres.statement), "%s", p);
	p += strlen(p) + 1;
	memcpy(&count, p, 2);
	p += 2 + 2 * (size_t)be16toh(count);
	memcpy(&count, p, 2);
	p += 2;
	postgres.args[0] = '\0';
	for (int i = 0; i < be16toh(count); i++) {
		uint32_t len;

		memcpy(&len, p, 4);
		len = be32toh(len);
		p += 4;
		if (len == UINT32_MAX)
			continue;
		n += (size_t)snprintf(
		    postgres.args + n, sizeof(postgres.args) - n, "%.*s ", (int)len, p);
		p += len;
	}
	postgres_put('2', NULL, 0);
}

static inline void
postgres_message(char type, const char *body)
{
	if (type == 'S') {
		if (postgres.uncommitted)
			postgres_error(FATE_FAULT);
		postgres.skips = postgres.uncommitted = false;
		postgres_put('Z', "I", 1);
	} else if (postgres.skips) {
		return;
	} else if (type == 'P') {
		postgres.n_parses += body[0] != '\0';
		if (body[0] == '\0')
			snprintf(postgres.listening, sizeof(postgres.listening), "%s", body + 1);
		postgres_put('1', NULL, 0);
	} else if (type == 'B') {
		postgres_bind(body);
	} else if (type == 'D' && postgres.statement[0]) {
		postgres_describe();
	} else if (type == 'D') {
		postgres_put('n', NULL, 0);
	} else if (type == 'E' && postgres.statement[0]) {
		postgres_execute();
	} else if (type == 'E') {
		postgres_put('C', "LISTEN", 7);
	} else if (type == 'X') {
		postgres_hang_up();
	}
}

/* Handles every whole message that lies in `in`. The first one of a connection has no type. */
static inline void
postgres_messages(void)
{
	size_t at = 0;

	while (postgres.client.fd >= 0 && !postgres.waits && !postgres.silent) {
		size_t head = postgres.started ? 1 : 0;
		char *p = postgres.in + at;
		uint32_t len;

		if (postgres.n_in - at < head + 4)
			break;
		memcpy(&len, p + head, 4);
		len = be32toh(len);
		if (postgres.n_in - at < head + len)
			break;
		at += head + len;
		if (postgres.started) {
			postgres_message(p[0], p + 5);
			continue;
		}
		postgres.started = true;
		postgres_put('R', "\0\0\0", 4); /* AuthenticationOk */
		postgres_put('Z', "I", 1);
	}
	memmove(postgres.in, postgres.in + at, postgres.n_in - at);
	postgres.n_in -= at;
	postgres_flush();
}

static inline void
postgres_ready(struct loop_fd *self, uint32_t events)
{
	ssize_t n = recv(self->fd, postgres.in + postgres.n_in, sizeof(postgres.in) - postgres.n_in,
	    MSG_DONTWAIT);

	(void)events;
	if (n <= 0) {
		postgres_hang_up();
		return;
	}
	postgres.n_in += (size_t)n;
	if (!postgres.mute)
		postgres_messages();
}

static inline void
postgres_slow(struct loop_timer *t)
{
	(void)t;
	postgres.waits = false;
	postgres_answer();
	postgres_messages();
}

static inline void
postgres_accept(struct loop_fd *self, uint32_t events)
{
	int fd = accept(self->fd, NULL, NULL);

	(void)events;
	if (fd < 0)
		abort();
	postgres.connect_ms[postgres.n_connects++ % 32] = clock_ms();
	postgres_hang_up();
	postgres.started = postgres.skips = postgres.silent = postgres.waits = false;
	postgres.n_in = 0;
	postgres.client.fd = fd;
	postgres.client.ready = postgres_ready;
	loop_watch(postgres.loop, &postgres.client, EPOLLIN);
	if (postgres.refuses)
		postgres_hang_up();
}

/* A stand-in that listens, on a loop of its own; MILLRACE_DB is where. Before config_load. */
static inline void
postgres_open(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char db[64];

	if (!postgres.dir[0]) {
		snprintf(postgres.dir, sizeof(postgres.dir), "/tmp/millrace-unit-XXXXXX");
		if (!mkdtemp(postgres.dir))
			abort();
		snprintf(postgres.path, sizeof(postgres.path), "%s/.s.PGSQL.5432", postgres.dir);
		snprintf(db, sizeof(db), "host=%s dbname=x", postgres.dir);
		setenv("MILLRACE_DB", db, 1);
	}
	memcpy(at.sun_path, postgres.path, strlen(postgres.path));
	postgres.client.fd = -1;
	postgres.loop = loop_new();
	postgres.slow.fire = postgres_slow;
	postgres.listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	postgres.listener.ready = postgres_accept;
	if (bind(postgres.listener.fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(postgres.listener.fd, 8) != 0)
		abort();
	loop_watch(postgres.loop, &postgres.listener, EPOLLIN);
}

/* Closes it, and forgets what it has seen and was told. */
static inline void
postgres_close(void)
{
	char dir[sizeof(postgres.dir)], path[sizeof(postgres.path)];

	postgres_hang_up();
	close(postgres.listener.fd);
	loop_free(postgres.loop);
	(void)unlink(postgres.path);
	memcpy(dir, postgres.dir, sizeof(dir));
	memcpy(path, postgres.path, sizeof(path));
	memset(&postgres, 0, sizeof(postgres));
	memcpy(postgres.dir, dir, sizeof(dir));
	memcpy(postgres.path, path, sizeof(path));
}

static inline void
postgres_tick(struct loop_timer *t)
{
	(void)t;
}

static inline void
postgres_turn(void *arg)
{
	(void)arg;
	if (postgres.until() || clock_ms() > postgres.deadline_ms)
		loop_stop(postgres.loop);
	skew_ms += postgres.step_ms;
	/* The next turn comes soon, whatever else there is to wait for. */
	loop_arm(postgres.loop, &postgres.ticker, 1);
}

/*
 * Runs the loop until `until` says so, once for each postgres_open; false where it does not within
 * `most_ms` of the test's clock, which runs ahead by step_ms in each turn.
 */
static inline bool
postgres_run(bool (*until)(void), int step_ms, int64_t most_ms)
{
	postgres.until = until;
	postgres.step_ms = step_ms;
	postgres.deadline_ms = clock_ms() + most_ms;
	postgres.ticker.fire = postgres_tick;
	loop_each_turn(postgres.loop, postgres_turn, NULL);
	loop_arm(postgres.loop, &postgres.ticker, 1);
	loop_run(postgres.loop);
	loop_disarm(postgres.loop, &postgres.ticker);
	return until();
}

/* Removes the socket's directory; for the test's end. */
static inline void
postgres_end(void)
{
	if (rmdir(postgres.dir) != 0)
		abort();
}

#endif
