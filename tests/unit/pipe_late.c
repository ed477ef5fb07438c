/* Writers that are in no hurry for their flush (lib/batch.c), beside those of pipe.c. */
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/pipe.h>

#include "postgres.h"

#define MOST_MS 3000

static const struct query late = { .name = "late", .sql = "late", .late = true };
static const struct query plain = { .name = "plain", .sql = "plain" };

static struct arena *mem;
static struct pipe *pipe_under_test;
static int n_done, n_expected;
static bool with_plain;

static enum fate
fate(const char *statement)
{
	(void)statement;
	return FATE_ROW;
}

static void
on_done(void *arg, const struct pipe_reply *reply)
{
	(void)arg;
	n_done += reply->e == ERR_OK;
}

static void
on_up(void *arg)
{
	const struct pipe_statement first = { .query = &late }, second = { .query = &plain };

	(void)arg;
	if (pipe_send(pipe_under_test, mem, &first, 1, on_done, NULL) != ERR_OK ||
	    (with_plain && pipe_send(pipe_under_test, mem, &second, 1, on_done, NULL) != ERR_OK))
		abort();
}

static bool
all_done(void)
{
	return n_done == n_expected;
}

static bool
run(bool plain_too)
{
	bool good;

	postgres_open();
	postgres.fate = fate;
	if (!config()->db)
		config_load(CONFIG_NO_SECRETS);
	with_plain = plain_too;
	n_done = 0;
	n_expected = 1 + plain_too;
	pipe_under_test = pipe_open(postgres.loop, "unit", "unit", NULL, on_up, NULL);
	pipe_batch(pipe_under_test, false);
	good = postgres_run(all_done, 0, MOST_MS);
	pipe_close(pipe_under_test);
	return good;
}

int
main(void)
{
	int64_t began = clock_ms();

	mem = arena_new();
	log_open("unit", LOG_ERROR + 1);
	CHECK("a writer that is in no hurry has a flush of its own after a while",
	    run(false) && clock_ms() - began >= 40);
	CHECK("for which nothing is notified",
	    strcmp(postgres.seen, "batch_begin late batch_flush ") == 0);
	postgres_close();
	CHECK("one that is in a hurry is alone all the same",
	    run(true) && strstr(postgres.seen, "late batch_alone plain ") != NULL);
	postgres_close();
	postgres_end();
	arena_free(mem);
	return test_end();
}
