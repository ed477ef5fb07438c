/*
 * Publishes token events at a fixed rate, as the runner's flusher does: many topics in one transaction, committed
 * asynchronously, one transaction every BATCH_MS.
 *
 *   publish CONNINFO TOPICS-FILE EVENTS-A-SECOND SECONDS BATCH_MS
 *
 * The topics (one a line) take turns. An event's text is {"content":"~BATCH~ …"}. Prints, as JSON, when each batch's commit was
 * sent and answered, in microseconds of the real-time clock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include <millrace/arena.h>
#include <millrace/log.h>

static char **topics;
static size_t n_topics;

static int64_t
clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
must(PGconn *db, PGresult *res)
{
	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		die("%s", PQerrorMessage(db));
	PQclear(res);
}

static void
command(PGconn *db, const char *text)
{
	must(db, PQexecParams(db, text, 0, NULL, NULL, NULL, NULL, 0));
}

static void
read_topics(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[256];

	if (!f)
		die("cannot read %s", path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		topics = xrealloc(topics, (n_topics + 1) * sizeof(*topics));
		topics[n_topics++] = xstrdup(line);
	}
	fclose(f);
	if (n_topics == 0)
		die("there is no topic in %s", path);
}

/* One batch: `size` events of topics first, first + 1, … */
static void
send_batch(PGconn *db, size_t batch, size_t first, size_t size)
{
	struct arena *a = arena_new();
	struct buf names = { .a = a }, types = { .a = a }, data = { .a = a };
	const char *values[3];

	for (size_t i = 0; i < size; i++) {
		buf_printf(&names, "%s%s", i ? "," : "{", topics[(first + i) % n_topics]);
		buf_printf(&types, "%stoken", i ? "," : "{");
		buf_printf(&data, "%s\"{\\\"content\\\":\\\"~%zu~ and some words\\\"}\"",
		    i ? "," : "{", batch);
	}
	buf_put(&names, S("}"));
	buf_put(&types, S("}"));
	buf_put(&data, S("}"));
	values[0] = buf_str(&names).p;
	values[1] = buf_str(&types).p;
	values[2] = buf_str(&data).p;
	command(db, "BEGIN");
	must(db, PQexecPrepared(db, "publish", 3, values, NULL, NULL, 0));
	arena_free(a);
}

int
main(int argc, char **argv)
{
	PGconn *db;
	double rate, seconds, batch_ms;
	size_t n, done = 0;
	int64_t begun;

	log_open("publish", LOG_INFO);
	if (argc != 6)
		die("usage: publish CONNINFO TOPICS-FILE EVENTS-A-SECOND SECONDS BATCH_MS");
	db = PQconnectdb(argv[1]);
	if (PQstatus(db) != CONNECTION_OK)
		die("%s", PQerrorMessage(db));
	read_topics(argv[2]);
	rate = strtod(argv[3], NULL);
	seconds = strtod(argv[4], NULL);
	batch_ms = strtod(argv[5], NULL);
	n = (size_t)(seconds * 1000 / batch_ms);
	command(db, "SET synchronous_commit = off");
	must(db, PQprepare(db, "publish", "SELECT publish_many($1::text[], $2::text[], $3::text[])",
		     3, NULL));
	printf("{\"batches\":[");
	begun = clock_us();
	for (size_t i = 0; i < n; i++) {
		int64_t due = begun + (int64_t)((double)i * batch_ms * 1000),
			wait = due - clock_us();
		size_t until = (size_t)(rate * batch_ms / 1000 * (double)(i + 1));
		long long sent;

		if (wait > 0)
			nanosleep(
			    &(struct timespec){ wait / 1000000, wait % 1000000 * 1000 }, NULL);
		send_batch(db, i, done, until - done);
		sent = clock_us();
		command(db, "COMMIT");
		printf("%s[%zu,%lld,%lld,%zu]", i ? "," : "", i, sent, (long long)clock_us(),
		    until - done);
		done = until;
	}
	printf("],\"events\":%zu,\"took_s\":%.3f}\n", done, (double)(clock_us() - begun) / 1e6);
	PQfinish(db);
	return 0;
}
