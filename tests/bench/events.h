/*
 * Events into Millrace's log as its own programs write them: many in one transaction, by
 * publish_many, committed asynchronously as the runner's flusher does. A failure ends the program.
 */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include <stddef.h>

#include <libpq-fe.h>

struct event_text {
	const char *topic, *type;
	const char *data; /* JSON */
};

PGconn *events_open(const char *conninfo);

/* Begins a transaction and writes n events; they are nobody's business before events_commit. */
void events_write(PGconn *db, const struct event_text *e, size_t n);
void events_commit(PGconn *db);

#endif
