/* millracectl migrate: brings the database to migration_latest, forward only, and gives it our
 * functions and grants. */
#include "ctl.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include <millrace/clock.h>
#include <millrace/migrations.h>
#include <millrace/process.h>

#include <sql_admin.h>

#include "server.h"
#include "table.h"

#define LOCKED_MS 300000
#define PAUSE_MS 1000 /* for those that waited behind us */

static int64_t
version_at(const PGresult *applied, int row)
{
	int64_t v = 0;

	(void)str_int(sql_get(applied, row, 0), &v);
	return v;
}

static int
n_applied(const PGresult *applied)
{
	return applied != NULL ? PQntuples(applied) : 0;
}

static int
n_known(void)
{
	int n = 0;

	while (migrations[n].version != 0)
		n++;
	return n;
}

/* Why row `row` of what was applied is not what this program has in its place; NULL where it is. */
static const char *
difference(struct arena *a, const PGresult *applied, int row)
{
	const struct migration *m = &migrations[row < n_known() ? row : n_known()];
	int64_t version = version_at(applied, row);
	const char *name = arena_cstr(a, sql_get(applied, row, 1));

	if (m->version == 0 || version < m->version)
		return arena_printf(a,
		    "migration %s was applied to this database, but this program does not know it.",
		    name)
		    .p;
	if (version > m->version)
		return arena_printf(a,
		    "migration %s was never applied to this database, though the later %s was.",
		    m->name, name)
		    .p;
	if (str_eq(sql_get(applied, row, 2), str_from(m->sha256)))
		return NULL;
	return arena_printf(a,
	    "migration %s is not what was applied to this database as %s on %.*s: an applied "
	    "migration must never be edited. "
	    "Restore it, and put the change into a new one.",
	    m->name, name, S_ARG(sql_get(applied, row, 3)))
	    .p;
}

/* Is what was applied the beginning of what this program knows? Says where it is not. */
static bool
history_fits(struct arena *a, const PGresult *applied)
{
	int n = n_applied(applied), i;
	const char *why;

	if (applied != NULL && server_predates(applied))
		return false;
	if (n > 0 && version_at(applied, n - 1) > migration_latest) {
		(void)ctl_fail(
		    "the database stands at migration %.*s and this program (%s) knows %d at most: "
		    "it belongs to a newer release. Nothing was changed.",
		    S_ARG(sql_get(applied, n - 1, 1)), MILLRACE_VERSION, migration_latest);
		return false;
	}
	for (i = 0; i < n; i++) {
		if ((why = difference(a, applied, i)) != NULL) {
			(void)ctl_fail("%s Nothing was changed.", why);
			return false;
		}
	}
	return true;
}

static bool
lock(PGconn *conn, struct arena *a)
{
	static const char what[] = "cannot take the lock for migrating";
	PGresult *res = server_query(conn, a, what, &query_admin_migrate_try_lock, NULL);

	if (res == NULL)
		return false;
	if (sql_bool(res, 0, 0))
		return true;
	(void)fputs("Another millracectl migrates this database; waiting for it.\n", stderr);
	return server_query(conn, a, what, &query_admin_migrate_lock, NULL) != NULL;
}

/* Runs SQL text of ours, named `name`. */
static bool
run(PGconn *conn, struct arena *a, const char *name, const char *sql)
{
	const char *why;

	if (server_script(conn, a, sql, &why))
		return true;
	if (!server_was_locked())
		(void)ctl_fail("%s failed and everything was rolled back: %s", name, why);
	return false;
}

static bool
run_files(PGconn *conn, struct arena *a, const struct sql_file *file)
{
	for (; file->name != NULL; file++)
		if (!run(conn, a, file->name, file->sql))
			return false;
	return true;
}

/* The migration and its record. */
static bool
apply(PGconn *conn, struct arena *a, const struct migration *m)
{
	const struct sql_arg record[] = { { .type = SQL_INT, .i = m->version },
		{ .type = SQL_TEXT, .s = str_from(m->name) },
		{ .type = SQL_TEXT, .s = str_from(m->sha256) } };

	return run(conn, a, arena_printf(a, "migration %s", m->name).p, m->sql) &&
	       server_query(conn, a, m->name, &query_admin_migration_record, record) != NULL;
}

/* Migrations need functions (triggers, defaults, policies name them), and functions need tables: so
   some come before, unchecked, and all of them after, when their bodies can be checked. */
static bool
apply_all(PGconn *conn, struct arena *a, const struct migration *m)
{
	const struct sql_arg set = { .type = SQL_TEXT, .s = str_from(functions_sha256) };
	const PGresult *res;

	res = server_query(conn, a, "migrating", &query_admin_functions_unchecked, NULL);
	if (res == NULL || !run_files(conn, a, functions_first))
		return false;
	for (; m->version != 0; m++)
		if (!apply(conn, a, m))
			return false;
	if (!run_files(conn, a, functions_all))
		return false;
	res = server_query(conn, a, "a function is wrong", &query_admin_functions_check, NULL);
	if (res == NULL)
		return false;
	res = server_query(conn, a, "functions", &query_admin_functions_record, &set);
	return res != NULL;
}

/* All in one transaction, so that no one ever meets new tables with old functions or the other way
 * about. It has said why it failed, but where server_was_locked: *locked then. */
static bool
transaction(PGconn *conn, struct arena *a, const struct migration *m, bool *locked)
{
	const char *ignored;

	*locked = false;
	if (!run(conn, a, "the transaction's begin", query_admin_begin.sql))
		return false;
	if (server_query(conn, a, "migrating", &query_admin_migrate_patience, NULL) != NULL &&
	    apply_all(conn, a, m) &&
	    run(conn, a, "the transaction's commit", query_admin_commit.sql))
		return true;
	*locked = server_was_locked();
	if (PQstatus(conn) == CONNECTION_OK)
		(void)server_script(conn, a, query_admin_rollback.sql, &ignored);
	return false;
}

/* The transaction, again and again while a table is in use. */
static bool
migrate_from(PGconn *conn, struct arena *a, const struct migration *m)
{
	int64_t began = clock_ms();
	bool locked;

	for (int tries = 0; !transaction(conn, a, m, &locked); tries++) {
		if (!locked)
			return false;
		if (clock_ms() - began > LOCKED_MS)
			return ctl_fail("a table was in use all the time, for %d minutes: nothing "
					"was changed. Look for long transactions "
					"(pg_stat_activity), and try again.",
				   LOCKED_MS / 60000) == CTL_OK;
		if (tries == 0)
			(void)fputs("A table is in use; trying again.\n", stderr);
		(void)poll(NULL, 0, PAUSE_MS);
	}
	for (; m->version != 0; m++)
		(void)printf("Applied %s\n", m->name);
	(void)printf("Applied functions and grants\n");
	(void)printf("The database stands at migration %d (%lld ms).\n", migration_latest,
	    (long long)(clock_ms() - began));
	return true;
}

static int
migrate(PGconn *conn, struct arena *a)
{
	struct str when;
	PGresult *applied;
	int n, functions = 0;
	bool ok;

	if (!lock(conn, a))
		return CTL_FAILED;
	applied = server_migrations(conn, a, &ok);
	if (!ok || !history_fits(a, applied))
		return CTL_FAILED;
	n = n_applied(applied);
	if (n > 0 && (functions = server_functions(conn, a, &when)) < 0)
		return CTL_FAILED;
	if (n == n_known() && functions == 1) {
		(void)printf(
		    "Nothing to do: the database stands at migration %d.\n", migration_latest);
		return CTL_OK;
	}
	return migrate_from(conn, a, &migrations[n]) ? CTL_OK : CTL_FAILED;
}

static void
status_row(struct table *t, struct buf *json, struct str name, const char *state, struct str when)
{
	table_row(t, name, str_from(state), when);
	buf_printf(json, "%s{\"name\":", json->n > 0 ? ",\n " : "");
	buf_json(json, name);
	buf_printf(json, ",\"state\":\"%s\",\"appliedAt\":", state);
	buf_json(json, when);
	buf_put(json, S("}"));
}

/* One line a migration, known or applied; returns how many are not as they should be. */
static int
status_rows(struct arena *a, const PGresult *applied, struct table *t, struct buf *json)
{
	int i, bad = 0, n = n_applied(applied);
	struct str name, when;
	const char *state;

	for (i = 0; i < n || i < n_known(); i++) {
		state = i >= n				    ? "pending"
			: difference(a, applied, i) == NULL ? "applied"
							    : "differs";
		name = i < n ? sql_get(applied, i, 1) : str_from(migrations[i].name);
		when = i < n ? sql_get(applied, i, 3) : (struct str){ NULL, 0 };
		bad += strcmp(state, "applied") != 0;
		status_row(t, json, name, state, when);
	}
	return bad;
}

static int
show_status(PGconn *conn, struct ctl *c)
{
	struct table t = { .a = c->a, .n = 3, .heads = { "MIGRATION", "STATE", "APPLIED" } };
	struct buf json = { .a = c->a };
	struct str when = { NULL, 0 };
	PGresult *applied;
	int bad, functions = 0;
	bool ok;

	applied = server_migrations(conn, c->a, &ok);
	if (!ok || (applied != NULL && server_predates(applied)))
		return CTL_FAILED;
	if (n_applied(applied) > 0 && (functions = server_functions(conn, c->a, &when)) < 0)
		return CTL_FAILED;
	bad = status_rows(c->a, applied, &t, &json) + (functions != 1);
	status_row(&t, &json, S("functions and grants"), functions ? "applied" : "pending", when);
	if (c->options[OPT_JSON] != NULL)
		(void)printf("[%s]\n", json.p);
	else
		table_print(&t, stdout);
	return bad == 0 ? CTL_OK : CTL_FAILED;
}

int
migrate_run(struct ctl *c)
{
	PGconn *conn;
	int status;

	if (c->options[OPT_JSON] != NULL && c->options[OPT_STATUS] == NULL)
		return ctl_usage(c->command, "--json goes with --status.");
	if ((conn = server_connect(c->a)) == NULL)
		return CTL_FAILED;
	status = c->options[OPT_STATUS] != NULL ? show_status(conn, c) : migrate(conn, c->a);
	PQfinish(conn);
	return status;
}
