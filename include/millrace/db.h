/*
 * A blocking database connection, for the runner's threads and millracectl (workers and streamd use
 * pipe.h). A statement is prepared on first use. One struct db serves one thread at a time; db_pool
 * shares a few among many threads.
 */
#ifndef MILLRACE_DB_H
#define MILLRACE_DB_H

#include <millrace/err.h>
#include <millrace/query.h>

struct db;

/*
 * How every session of ours is set. A function that forbids sequential scans gives the plans that
 * have no other way a cost beyond all bounds, for which the server would compile each of them anew:
 * a tenth of a second for a row of a small table.
 */
#define DB_SESSION "-c timezone=UTC -c jit=off"

/*
 * The libpq conninfo of config()->db for `role` ("millrace_api" …), with application_name set; the
 * arena's.
 */
const char *db_conninfo(struct arena *a, const char *role, const char *application);

/* For PQsetNoticeReceiver: what the server has to say beside errors is for its own log. */
void db_ignore_notice(void *arg, const PGresult *res);

/* Connects lazily: the first db_query connects. Never NULL. The caller frees it with db_close. */
struct db *db_open(const char *role, const char *application);
/* NULL is ignored. */
void db_close(struct db *db);

/*
 * Runs one statement in a transaction of its own and waits. *out gets the rows; the arena frees
 * them. A connection that is gone is made again once before giving up, and the statement then
 * repeated only if it had not been sent. Errors: what sql_err makes of the server's (ERR_NOT_FOUND
 * where SQL refuses by that code …; logged where it is our fault), ERR_OVERLOADED when the server
 * cannot be reached. out may be NULL.
 */
MUST_CHECK enum err db_query(struct db *db, struct arena *a, const struct query *q,
    const struct sql_arg *args, PGresult **out);

/*
 * The same, for a statement that may take long: four times a second stopped(arg) is asked, and from
 * true on the server to cancel the statement, which then is ERR_OVERLOADED.
 */
MUST_CHECK enum err db_query_until(struct db *db, struct arena *a, const struct query *q,
    const struct sql_arg *args, bool (*stopped)(void *arg), void *arg, PGresult **out);

/*
 * Runs SQL text of ours (a migration) as it stands, several statements allowed. On an error
 * *message (the arena's) says why.
 */
MUST_CHECK enum err db_script(
    struct db *db, struct arena *a, const char *sql, const char **message);

/*
 * The err that a failed PGresult stands for: SQLSTATE MR000 (SQL's refuse()) has its code as
 * detail, and *text (may be NULL) gets its public message, which the result owns; a code that is
 * not in the table is logged and ERR_INTERNAL. MRIDM is ERR_REPLAY; 22P02, 22P05, 22021 … (data
 * that the server cannot take) ERR_BAD_REQUEST; 40001, 40P01, 53xxx, 57xxx, 08xxx ERR_OVERLOADED,
 * with one of the texts below where it is not that the server is busy. A full disk is noted, too
 * (disk.h).
 */
#define DB_AWAY "The database is away; try again shortly."
#define DB_DISK_FULL "The disk of the database is full; an administrator has to make room."
enum err sql_err(const PGresult *res, struct str *text);

/*
 * Prepares every statement of all_queries and compares types with the declarations; logs each that
 * differs. Returns how many did.
 */
int db_check_queries(struct db *db);

/* A pool of `n` connections for threads: db_pool_acquire waits for a free one. */
struct db_pool;
/* It lives as long as the process. */
struct db_pool *db_pool_new(const char *role, const char *application, int n);
struct db *db_pool_acquire(struct db_pool *pool);
/* Back to the pool, where it was taken from. */
void db_pool_release(struct db_pool *pool, struct db *db);

/*
 * Waits until the database answers and stands at our migration; tries again, with a log line, for
 * as long as it takes, or until `stop` (may be NULL) returns true; false then. A process that is
 * newer than its database must not serve; an older one may, since migrations expand first.
 */
bool db_wait_current(struct db *db, bool (*stop)(void));

#endif
