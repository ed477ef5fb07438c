/*
 * Stands in for lib/pipe.c and streamd's feed: statements are kept in order, and the test replies
 * to them. Include it in one file, the test itself.
 */
#ifndef TESTS_UNIT_FAKE_PIPE_H
#define TESTS_UNIT_FAKE_PIPE_H

#include <millrace/pipe.h>

#include "streamd/events/feed.h"

#define FAKE_MAX 64

static struct {
	pipe_done *done;
	void *arg;
} fake_units[FAKE_MAX];
static int fake_first, fake_end; /* those without a reply */
static bool fake_down;

enum err
pipe_send(struct pipe *p, struct arena *scratch, const struct pipe_statement *statements, int n,
    pipe_done *done, void *arg)
{
	(void)p;
	(void)scratch;
	(void)statements;
	(void)n;
	if (fake_down)
		return ERR_OVERLOADED;
	fake_units[fake_end % FAKE_MAX].done = done;
	fake_units[fake_end++ % FAKE_MAX].arg = arg;
	return ERR_OK;
}

bool
pipe_is_busy(const struct pipe *p)
{
	(void)p;
	return false;
}

struct pipe *
feed_pipe(struct feed *f)
{
	(void)f;
	return NULL;
}

/* Statements without a reply. */
static inline int
fake_waiting(void)
{
	return fake_end - fake_first;
}

static inline void
fake_reply(const struct pipe_reply *reply)
{
	int i = fake_first++ % FAKE_MAX;

	fake_units[i].done(fake_units[i].arg, reply);
}

static inline void
fake_fail(enum err e)
{
	fake_reply(&(struct pipe_reply){ .e = e });
}

/* Rows of n columns each. */
static inline void
fake_rows(const char *const *values, int rows, int n)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[8];
	char name[] = "x";

	memset(columns, 0, sizeof(columns));
	for (int i = 0; i < n; i++)
		columns[i].name = name;
	if (PQsetResultAttrs(res, n, columns) == 0)
		abort();
	for (int i = 0; i < rows * n; i++) {
		char value[64];

		snprintf(value, sizeof(value), "%s", values[i]);
		if (PQsetvalue(res, i / n, i % n, value, (int)strlen(value)) == 0)
			abort();
	}
	fake_reply(&(struct pipe_reply){ .res = &res, .n = 1 });
	PQclear(res);
}

static inline void
fake_row(const char *const *values, int n)
{
	fake_rows(values, 1, n);
}

#endif
