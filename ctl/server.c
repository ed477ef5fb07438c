/* The plain connection of server.h. */
#include "server.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <millrace/config.h>
#include <millrace/migrations.h>
#include <millrace/process.h>

#include "ctl.h"

#include <sql_admin.h>

const char *
server_name(struct arena *a)
{
	struct buf b = { .a = a };
	PQconninfoOption *all, *o;

	buf_put(&b, S(""));
	if ((all = PQconninfoParse(config()->db, NULL)) == NULL)
		return "(what MILLRACE_DB says cannot be read)";
	for (o = all; o->keyword != NULL; o++)
		if (o->val != NULL && *o->val != '\0' && strchr(o->dispchar, '*') == NULL)
			buf_printf(&b, "%s%s=%s", b.n > 0 ? " " : "", o->keyword, o->val);
	PQconninfoFree(all);
	return b.p;
}

/* libpq's message, whose lines are sentences without an end or questions, on one line. */
static const char *
one_line(struct arena *a, const char *message)
{
	struct buf b = { .a = a };

	buf_put(&b, S(""));
	for (; *message != '\0'; message += strspn(message, "\n\t")) {
		size_t n = strcspn(message, "\n\t");

		if (b.n > 0)
			buf_printf(&b, "%s ", strchr(".?", b.p[b.n - 1]) != NULL ? "" : ".");
		buf_printf(&b, "%.*s", (int)n, message);
		message += n;
	}
	return b.p;
}

static void
ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

PGconn *
server_connect(struct arena *a)
{
	const struct passwd *me = getpwuid(geteuid());
	PGconn *conn = PQconnectdb(db_conninfo(a, ROLE, "millracectl"));

	if (PQstatus(conn) == CONNECTION_OK) {
		(void)PQsetNoticeProcessor(conn, ignore_notice, NULL);
		return conn;
	}
	(void)ctl_fail("cannot connect to the database as " ROLE " (%s): %s", server_name(a),
	    one_line(a, PQerrorMessage(conn)));
	(void)fputs(
	    "Check that PostgreSQL runs and that MILLRACE_DB names the right database.\n", stderr);
	if (me == NULL || strcmp(me->pw_name, ROLE) != 0)
		(void)fputs(
		    "Where the database uses peer authentication, run this as the system user " ROLE
		    ":\n    runuser -u " ROLE " -- millracectl ...\n",
		    stderr);
	PQfinish(conn);
	return NULL;
}

static bool was_locked;

bool
server_was_locked(void)
{
	return was_locked;
}

static void
note_lock(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	was_locked = state != NULL && (strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0);
}

PGresult *
server_query(PGconn *conn, struct arena *a, const char *what, const struct query *q,
    const struct sql_arg *args)
{
	struct sql_params p = sql_params(a, args, q->n_args);
	PGresult *res;

	res = PQexecParams(conn, q->sql, p.n, NULL, p.values, p.lengths, p.formats, 0);
	sql_adopt(a, res);
	if (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK)
		return res;
	note_lock(res);
	if (!was_locked)
		(void)ctl_fail("%s: %s", what, one_line(a, PQerrorMessage(conn)));
	return NULL;
}

/* The server's words, and the line of our text that they are about. */
static const char *
script_error(struct arena *a, const PGresult *res, const char *sql)
{
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	int64_t at, i, line = 1;
	struct buf b = { .a = a };

	if (position != NULL && str_int(str_from(position), &at)) {
		for (i = 0; i < at - 1 && sql[i] != '\0'; i++)
			line += sql[i] == '\n';
		buf_printf(&b, "line %lld: ", (long long)line);
	}
	buf_printf(&b, "%s", text != NULL ? text : one_line(a, PQresultErrorMessage(res)));
	if (hint != NULL)
		buf_printf(&b, " (%s)", hint);
	return b.p;
}

bool
server_script(PGconn *conn, struct arena *a, const char *sql, const char **why)
{
	const char *error = NULL;
	PGresult *res;

	was_locked = false;
	if (PQsendQuery(conn, sql) == 0) {
		*why = one_line(a, PQerrorMessage(conn));
		return false;
	}
	while ((res = PQgetResult(conn)) != NULL) {
		if (PQresultStatus(res) == PGRES_FATAL_ERROR && error == NULL) {
			note_lock(res);
			error = script_error(a, res, sql);
		}
		PQclear(res);
	}
	if (error == NULL && PQstatus(conn) != CONNECTION_OK)
		error = one_line(a, PQerrorMessage(conn));
	if (error != NULL)
		*why = error;
	return error == NULL;
}

PGresult *
server_migrations(PGconn *conn, struct arena *a, bool *ok)
{
	static const char what[] = "cannot read which migrations were applied";
	PGresult *res = server_query(conn, a, what, &query_admin_migration_exists, NULL);

	*ok = res != NULL;
	if (res == NULL || !sql_bool(res, 0, 0))
		return NULL;
	res = server_query(conn, a, what, &query_admin_migration_list, NULL);
	*ok = res != NULL;
	return res;
}

bool
server_predates(const PGresult *applied)
{
	/* Of 0001_core as it stood before anything was released. */
	static const char before[] =
	    "e5e75bece3c77bc15706b7d0bbeb57b28d5b6fd7b7e3486bb51baeffd66008ac";

	if (PQntuples(applied) == 0 || !str_eq(sql_get(applied, 0, 2), str_from(before)))
		return false;
	(void)ctl_fail(
	    "this database was made before the first release, by migrations that have since "
	    "become one baseline. It cannot be brought forward: make a new database and run "
	    "`millracectl migrate` on it (INSTALL tells how to take data along). Nothing was "
	    "changed.");
	return true;
}

int
server_functions(PGconn *conn, struct arena *a, struct str *applied)
{
	const struct sql_arg ours = { .type = SQL_TEXT, .s = str_from(functions_sha256) };
	PGresult *res = server_query(conn, a, "cannot read which functions were applied",
	    &query_admin_functions_state, &ours);

	*applied = (struct str){ NULL, 0 };
	if (res == NULL)
		return -1;
	if (PQntuples(res) == 0)
		return 0;
	*applied = sql_get(res, 0, 1);
	return sql_bool(res, 0, 0);
}

/* Is the database at our migration, with our functions? Says where it is not. */
static bool
is_current(PGconn *conn, struct arena *a, int64_t version)
{
	const struct sql_arg ours[] = { { .type = SQL_INT, .i = migration_latest },
		{ .type = SQL_TEXT, .s = str_from(functions_sha256) } };
	PGresult *res;

	if (version > migration_latest) {
		(void)ctl_fail(
		    "the database stands at migration %lld, and this program knows %d at most: "
		    "use the millracectl of the newer release.",
		    (long long)version, migration_latest);
		return false;
	}
	if (version < migration_latest) {
		(void)ctl_fail("the database stands at migration %lld, and this program needs %d. "
			       "Run: millracectl migrate",
		    (long long)version, migration_latest);
		return false;
	}
	res = server_query(
	    conn, a, "cannot read which functions were applied", &query_migration_current, ours);
	if (res == NULL)
		return false;
	if (!sql_bool(res, 0, 0))
		(void)ctl_fail("the database has not got this program's functions. "
			       "Run: millracectl migrate");
	return sql_bool(res, 0, 0);
}

bool
server_check(struct arena *a, bool current)
{
	PGconn *conn = server_connect(a);
	PGresult *applied;
	int64_t version = 0;
	bool ok;

	if (conn == NULL)
		return false;
	applied = server_migrations(conn, a, &ok);
	if (applied != NULL && PQntuples(applied) > 0)
		(void)str_int(sql_get(applied, PQntuples(applied) - 1, 0), &version);
	if (ok && version == 0)
		ok = ctl_fail("the database is empty. Run: millracectl migrate") == CTL_OK;
	else if (ok)
		ok = !server_predates(applied) && (!current || is_current(conn, a, version));
	PQfinish(conn);
	return ok;
}
