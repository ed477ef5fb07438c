/*
 * A plain connection to the database for what must not be repeated on another one behind our back
 * (migrating, under a session's lock), and whose errors an administrator wants word for word. The
 * other commands use db.h, after server_check.
 */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include <libpq-fe.h>

#include <millrace/arena.h>
#include <millrace/query.h>

/* MILLRACE_DB for a person: without what libpq marks as secret; the arena's. */
const char *server_name(struct arena *a);

/* Connects as ROLE; the caller ends it with PQfinish. NULL: it has said why, and what to do. */
PGconn *server_connect(struct arena *a);

/* Runs one statement; the arena frees the result. NULL: it has said why not, beginning with `what`,
 * but where server_was_locked. */
PGresult *server_query(PGconn *conn, struct arena *a, const char *what, const struct query *q,
    const struct sql_arg *args);

/* Runs SQL text of several statements. False: *why (the arena's) is the server's reason, with the
 * line of the text. */
bool server_script(PGconn *conn, struct arena *a, const char *sql, const char **why);

/* Did the statement that failed last wait for a lock in vain (lock_timeout), or in a circle? The
 * same transaction may do another time. */
bool server_was_locked(void);

/* Was what was applied made before the baseline was folded (it begins with another first
 * migration)? Then it has said what to do. */
bool server_predates(const PGresult *applied);

/* Our functions in this database: 1 in force, 0 not (or others since), -1: it has said why that is
   not known. *applied is when the set in force was applied, empty where none was. */
int server_functions(PGconn *conn, struct arena *a, struct str *applied);

/* What has been applied, by version (admin_migration_list), or NULL where the database is empty.
 * *ok false: it has said why. */
PGresult *server_migrations(PGconn *conn, struct arena *a, bool *ok);

/* Can it be connected to, is it migrated, and where `current` is true to our own version? False: it
 * has said why. */
bool server_check(struct arena *a, bool current);

#endif
