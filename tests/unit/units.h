/*
 * A pipe against a stand-in for PostgreSQL, statements by what becomes of them, and what became of
 * the units, for the tests of lib/pipe.c and lib/batch.c.
 */
#ifndef TESTS_UNIT_UNITS_H
#define TESTS_UNIT_UNITS_H

#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/pipe.h>

#include "postgres.h"

#define UNITS_MAX 512
#define ALONE_MS 3000 /* for what needs no time to pass */

static const struct query plain = { .name = "plain", .sql = "plain" };
static const struct query kept = { .name = "kept", .sql = "kept", .sql_keep = "kept keep" };
static const struct query refused = { .name = "refused", .sql = "refused" };
static const struct query fault = { .name = "fault", .sql = "fault" };
static const struct query slow = { .name = "slow", .sql = "slow" };
static const struct query silent = { .name = "silent", .sql = "silent" };
static const struct query reads = { .name = "reads", .sql = "reads", .reads = true };
static const struct query wakes = { .name = "wakes", .sql = "wakes", .wakes = true };
static const struct query uncommitted = { .name = "uncommitted", .sql = "uncommitted" };
static const struct query hangup = { .name = "hangup", .sql = "hangup" };

static struct arena *mem;
static struct pipe *pipe_under_test;
static int n_ups, n_notified;
static char notified[64];
static void (*when_up)(void);

/* What became of the units, in the order that it was told. */
static struct {
	int unit;
	enum err e;
	int failed;
	char text[64];
	char values[64]; /* the first column of each result; "-" where there is none */
} done[UNITS_MAX];
static int n_done, n_sent, n_expected;

static enum fate batch_fate = FATE_ROW; /* the flush's */
static enum fate notify_fate = FATE_ROW;

static inline enum fate
fate(const char *statement)
{
	static const struct {
		const struct query *query;
		enum fate fate;
	} fates[] = { { &refused, FATE_ERROR }, { &fault, FATE_FAULT }, { &slow, FATE_SLOW },
		{ &silent, FATE_SILENT }, { &hangup, FATE_HANGUP },
		{ &uncommitted, FATE_UNCOMMITTED } };

	if (strcmp(statement, "batch_flush") == 0)
		return batch_fate;
	if (strcmp(statement, "batch_notify") == 0)
		return notify_fate;
	for (size_t i = 0; i < sizeof(fates) / sizeof(*fates); i++)
		if (strcmp(statement, fates[i].query->name) == 0)
			return fates[i].fate;
	return FATE_ROW;
}

static inline void
on_done(void *arg, const struct pipe_reply *reply)
{
	size_t n = 0;

	done[n_done].unit = (int)(intptr_t)arg;
	done[n_done].e = reply->e;
	done[n_done].failed = reply->failed;
	snprintf(done[n_done].text, sizeof(done[0].text), "%.*s", S_ARG(reply->text));
	for (int i = 0; i < reply->n; i++)
		n += (size_t)snprintf(done[n_done].values + n, sizeof(done[0].values) - n, "%s%s",
		    i > 0 ? " " : "",
		    reply->res[i] && PQntuples(reply->res[i]) == 1 ? PQgetvalue(reply->res[i], 0, 0)
								   : "-");
	n_done++;
}

/* Sends a unit of these statements; false where it was refused. */
static inline bool
send_unit(const struct query *const *queries, int n, bool keep)
{
	struct pipe_statement statements[4];

	for (int i = 0; i < n; i++)
		statements[i] = (struct pipe_statement){ .query = queries[i], .keep = keep };
	if (pipe_send(pipe_under_test, mem, statements, n, on_done, (void *)(intptr_t)n_sent) !=
	    ERR_OK)
		return false;
	n_sent++;
	return true;
}

#define SEND(...)                                               \
	send_unit((const struct query *const[]){ __VA_ARGS__ }, \
	    (int)(sizeof((const struct query *const[]){ __VA_ARGS__ }) / sizeof(void *)), false)

static inline void
on_up(void *arg)
{
	(void)arg;
	n_ups++;
	if (when_up)
		when_up();
}

static inline void
on_notify(void *arg, struct str channel, struct str payload)
{
	(void)arg;
	n_notified++;
	snprintf(notified, sizeof(notified), "%.*s=%.*s", S_ARG(channel), S_ARG(payload));
}

static inline void
begin(void (*up)(void))
{
	postgres_open();
	postgres.fate = fate;
	when_up = up;
	n_ups = n_notified = n_done = n_sent = n_expected = 0;
	memset(done, 0, sizeof(done));
	if (!config()->db)
		config_load(CONFIG_NO_SECRETS);
	pipe_under_test = pipe_open(postgres.loop, "unit", "unit", on_notify, on_up, NULL);
}

static inline void
end(void)
{
	pipe_close(pipe_under_test);
	postgres_close();
}

static inline bool
all_done(void)
{
	return n_done >= n_expected && n_expected > 0;
}

static inline bool
in_order(void)
{
	for (int i = 0; i < n_done; i++)
		if (done[i].unit != i)
			return false;
	return n_done == n_expected;
}

#endif
