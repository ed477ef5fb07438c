#include <millrace/arena.h>
#include <millrace/log.h>

#include "events.h"

static void
must(PGconn *db, PGresult *res)
{
	ExecStatusType got = PQresultStatus(res);

	if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK && got != PGRES_PIPELINE_SYNC)
		die("%s", PQerrorMessage(db));
	PQclear(res);
}

static void
command(PGconn *db, const char *text)
{
	must(db, PQexecParams(db, text, 0, NULL, NULL, NULL, NULL, 0));
}

PGconn *
events_open(const char *conninfo)
{
	PGconn *db = PQconnectdb(conninfo);

	if (PQstatus(db) != CONNECTION_OK)
		die("%s", PQerrorMessage(db));
	command(db, "SET synchronous_commit = off");
	must(db, PQprepare(db, "publish", "SELECT publish_many($1::text[], $2::text[], $3::text[])",
		     3, NULL));
	return db;
}

/* As an element of an array's text form. */
static void
put_element(struct buf *b, const char *text)
{
	buf_put(b, b->n ? S(",\"") : S("{\""));
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_put(b, S("\\"));
		buf_put(b, (struct str){ p, 1 });
	}
	buf_put(b, S("\""));
}

/* BEGIN goes along with the statement: two round trips a transaction are enough. */
void
events_write(PGconn *db, const struct event_text *e, size_t n)
{
	struct arena *a = arena_new();
	struct buf column[3] = { { .a = a }, { .a = a }, { .a = a } };
	const char *values[3];
	PGresult *res;

	for (size_t i = 0; i < n; i++) {
		put_element(&column[0], e[i].topic);
		put_element(&column[1], e[i].type);
		put_element(&column[2], e[i].data);
	}
	for (size_t i = 0; i < 3; i++) {
		buf_put(&column[i], n ? S("}") : S("{}"));
		values[i] = column[i].p;
	}
	if (!PQenterPipelineMode(db) ||
	    !PQsendQueryParams(db, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQsendQueryPrepared(db, "publish", 3, values, NULL, NULL, 0) || !PQpipelineSync(db))
		die("%s", PQerrorMessage(db));
	for (int i = 0; i < 3; i++) {
		must(db, PQgetResult(db));
		if (i < 2 && (res = PQgetResult(db)))
			must(db, res);
	}
	if (!PQexitPipelineMode(db))
		die("%s", PQerrorMessage(db));
	arena_free(a);
}

void
events_commit(PGconn *db)
{
	command(db, "COMMIT");
}
