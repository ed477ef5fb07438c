/*
 * Publishes token events at a fixed rate, as the runner's flusher does: many topics in one
 * transaction, committed asynchronously, one transaction every BATCH_MS.
 *
 *   publish CONNINFO TOPICS-FILE EVENTS-A-SECOND SECONDS BATCH_MS
 *
 * The topics (one a line) take turns. An event's text is {"content":"~BATCH~ …"}. Prints, as JSON,
 * when each batch's commit was sent and answered, in microseconds of the real-time clock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <millrace/arena.h>
#include <millrace/log.h>

#include "events.h"
#include "net.h"

static char **topics;
static size_t n_topics;

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
	struct event_text *e = xmalloc((size + 1) * sizeof(*e));
	char data[64];

	snprintf(data, sizeof(data), "{\"content\":\"~%zu~ and some words\"}", batch);
	for (size_t i = 0; i < size; i++)
		e[i] = (struct event_text){ topics[(first + i) % n_topics], "token", data };
	events_write(db, e, size);
	free(e);
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
	db = events_open(argv[1]);
	read_topics(argv[2]);
	rate = strtod(argv[3], NULL);
	seconds = strtod(argv[4], NULL);
	batch_ms = strtod(argv[5], NULL);
	n = (size_t)(seconds * 1000 / batch_ms);
	printf("{\"batches\":[");
	begun = clock_unix_us();
	for (size_t i = 0; i < n; i++) {
		int64_t due = begun + (int64_t)((double)i * batch_ms * 1000),
			wait = due - clock_unix_us();
		size_t until = (size_t)(rate * batch_ms / 1000 * (double)(i + 1));
		long long sent;

		if (wait > 0)
			nanosleep(
			    &(struct timespec){ wait / 1000000, wait % 1000000 * 1000 }, NULL);
		send_batch(db, i, done, until - done);
		sent = clock_unix_us();
		events_commit(db);
		printf("%s[%zu,%lld,%lld,%zu]", i ? "," : "", i, sent, (long long)clock_unix_us(),
		    until - done);
		done = until;
	}
	printf(
	    "],\"events\":%zu,\"took_s\":%.3f}\n", done, (double)(clock_unix_us() - begun) / 1e6);
	PQfinish(db);
	return 0;
}
