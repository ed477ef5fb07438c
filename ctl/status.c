/* millracectl status: the state of all on one screen; and millracectl queries. */
#include "ctl.h"

#include <string.h>

#include <millrace/index.h>
#include <millrace/migrations.h>
#include <millrace/process.h>

#include <sql_admin.h>

#include "server.h"
#include "table.h"

#define STALE_SECONDS 15 /* heartbeats come every few seconds */
#define DISK_FULL_SECONDS 600
#define CERTIFICATE_DAYS 14

/* Columns of admin_process_list. */
enum {
	P_ROLE,
	P_HOST,
	P_PID,
	P_VERSION,
	P_AGE,
	P_SEEN,
	P_DOING,
	P_BODY,
	P_DISK_FULL,
	P_PROVIDER_UNSET,
	P_CERTIFICATE,
	P_CERTIFICATE_FAULT
};
/* Columns of admin_role_list. */
enum { R_ROLE, R_MISSING };
/* Columns of admin_system_state. */
enum {
	S_SERVER,
	S_MIGRATION,
	S_QUEUED,
	S_RUNNING,
	S_DEAD,
	S_OLDEST_WAIT,
	S_RUNS_OPEN,
	S_STREAMS,
	S_LAG_MS,
	S_FUNCTIONS
};

/* What an administrator should look at, a sentence each. */
struct warnings {
	struct buf lines; /* for a person */
	struct buf json; /* array elements */
	int n;
};

struct str
ctl_age(struct arena *a, int64_t seconds)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 120)
		return arena_printf(a, "%lld s", (long long)seconds);
	if (seconds < 120 * 60)
		return arena_printf(a, "%lld min", (long long)(seconds / 60));
	if (seconds < 48 * 3600)
		return arena_printf(a, "%lld h", (long long)(seconds / 3600));
	return arena_printf(a, "%lld d", (long long)(seconds / 86400));
}

static int64_t
number_at(const PGresult *res, int row, int column)
{
	int64_t n = 0;

	(void)str_int(sql_get(res, row, column), &n);
	return n;
}

static void
warn(struct warnings *w, struct str sentence)
{
	buf_printf(&w->lines, "  ! %.*s\n", S_ARG(sentence));
	buf_put(&w->json, w->n > 0 ? S(",") : S(""));
	buf_json(&w->json, sentence);
	w->n++;
}

static void
check_process(struct arena *a, struct warnings *w, const PGresult *res, int row)
{
	struct str role = printable(a, sql_get(res, row, P_ROLE)),
		   host = printable(a, sql_get(res, row, P_HOST));
	int64_t seen = number_at(res, row, P_SEEN);
	struct str pid = sql_get(res, row, P_PID),
		   version = printable(a, sql_get(res, row, P_VERSION));

	if (seen > STALE_SECONDS)
		warn(w, arena_printf(a,
			    "%.*s %.*s on %.*s is stale: no heartbeat for %.*s; it hangs, or was "
			    "killed.",
			    S_ARG(role), S_ARG(pid), S_ARG(host), S_ARG(ctl_age(a, seen))));
	else if (!str_eq(version, str_from(MILLRACE_VERSION)))
		warn(
		    w, arena_printf(a,
			   "%.*s %.*s on %.*s has version %.*s, this program %s: restart it.",
			   S_ARG(role), S_ARG(pid), S_ARG(host), S_ARG(version), MILLRACE_VERSION));
}

/* A certificate by which clients refuse to connect, or soon will. */
static void
check_certificate(struct arena *a, struct warnings *w, const PGresult *res, int row)
{
	int64_t days = number_at(res, row, P_CERTIFICATE),
		fault = number_at(res, row, P_CERTIFICATE_FAULT);

	if (!PQgetisnull(res, row, P_CERTIFICATE) && days < 0)
		warn(w, S("The certificate at MILLRACE_PUBLIC_URL has ended: renew it, and reload "
			  "nginx."));
	else if (!PQgetisnull(res, row, P_CERTIFICATE) && days < CERTIFICATE_DAYS)
		warn(w, arena_printf(a,
			    "The certificate at MILLRACE_PUBLIC_URL ends within %lld day%s: renew "
			    "it, and reload nginx.",
			    (long long)days + 1, days == 0 ? "" : "s"));
	if (fault == 1)
		warn(w, S("The certificate at MILLRACE_PUBLIC_URL is of nobody whom this host "
			  "trusts: it is self-signed, or its file lacks the certificates between "
			  "(certbot's fullchain.pem has them)."));
	else if (fault == 2)
		warn(w, S("The certificate at MILLRACE_PUBLIC_URL is for another name."));
}

/* What a live process reports of its surroundings. */
static void
check_surroundings(struct arena *a, struct warnings *w, const PGresult *res, int row)
{
	struct str role = printable(a, sql_get(res, row, P_ROLE)),
		   host = printable(a, sql_get(res, row, P_HOST)), pid = sql_get(res, row, P_PID);
	int64_t disk_full = number_at(res, row, P_DISK_FULL);

	if (!PQgetisnull(res, row, P_DISK_FULL) && disk_full <= DISK_FULL_SECONDS)
		warn(w, arena_printf(a,
			    "%.*s %.*s on %.*s met a full disk %.*s ago: make room for the "
			    "database, or for the log.",
			    S_ARG(role), S_ARG(pid), S_ARG(host), S_ARG(ctl_age(a, disk_full))));
	if (sql_bool(res, row, P_PROVIDER_UNSET))
		warn(w,
		    arena_printf(a,
			"%.*s %.*s on %.*s has no model to ask: no API key of a provider is set.",
			S_ARG(role), S_ARG(pid), S_ARG(host)));
	check_certificate(a, w, res, row);
}

static void
check_roles(struct arena *a, struct warnings *w, const PGresult *roles)
{
	struct buf pools = { .a = a };
	int i;

	for (i = 0; i < PQntuples(roles); i++) {
		struct str role = sql_get(roles, i, R_ROLE);

		if (!sql_bool(roles, i, R_MISSING))
			continue;
		if (str_eq(role, S("runner")))
			warn(w, S("No runner is there: jobs wait until one starts, and chats are "
				  "refused."));
		else if (str_eq(role, S("streamd")))
			warn(w,
			    S("No streamd is there: streams and deferred replies get no answer."));
		else
			buf_printf(&pools, "%s%.*s", pools.n > 0 ? ", " : "", S_ARG(role));
	}
	if (pools.n > 0)
		warn(w, arena_printf(a, "No process is there of the pools %s.", pools.p));
}

static void
check(struct arena *a, struct warnings *w, const PGresult *state, const PGresult *processes,
    const PGresult *roles)
{
	int64_t version = number_at(state, 0, S_MIGRATION), dead = number_at(state, 0, S_DEAD);
	int i;

	if (version < migration_latest)
		warn(w, arena_printf(a,
			    "The database stands at migration %lld, this program needs %d: run "
			    "`millracectl migrate`.",
			    (long long)version, migration_latest));
	if (version > migration_latest)
		warn(w, arena_printf(a,
			    "The database stands at migration %lld, this program knows %d at most: "
			    "it is too old.",
			    (long long)version, migration_latest));
	if (!sql_bool(state, 0, S_FUNCTIONS))
		warn(w, S("The database has not got this program's functions: run "
			  "`millracectl migrate`."));
	for (i = 0; i < PQntuples(processes); i++) {
		check_process(a, w, processes, i);
		if (number_at(processes, i, P_SEEN) <= STALE_SECONDS)
			check_surroundings(a, w, processes, i);
	}
	if (roles != NULL)
		check_roles(a, w, roles);
	if (dead == 1)
		warn(w, S("1 job is dead: see `millracectl jobs list --state dead`."));
	if (dead > 1)
		warn(w,
		    arena_printf(a, "%lld jobs are dead: see `millracectl jobs list --state dead`.",
			(long long)dead));
}

static void
print_head(struct arena *a, const PGresult *state, int64_t outdated)
{
	int64_t version = number_at(state, 0, S_MIGRATION);
	struct str streams = sql_get(state, 0, S_STREAMS), lag = sql_get(state, 0, S_LAG_MS);

	(void)printf(
	    "Database    PostgreSQL %s, %s\n", PQgetvalue(state, 0, S_SERVER), server_name(a));
	(void)printf("Migration   %lld of %d%s\n", (long long)version, migration_latest,
	    version < migration_latest	       ? ", BEHIND"
	    : version > migration_latest       ? ", NEWER"
	    : !sql_bool(state, 0, S_FUNCTIONS) ? ", functions and grants PENDING"
					       : ", current");
	(void)printf("Queue       %s waiting, %s running, %s dead", PQgetvalue(state, 0, S_QUEUED),
	    PQgetvalue(state, 0, S_RUNNING), PQgetvalue(state, 0, S_DEAD));
	if (number_at(state, 0, S_QUEUED) > 0)
		(void)printf("; the oldest has waited %.*s",
		    S_ARG(ctl_age(a, number_at(state, 0, S_OLDEST_WAIT))));
	(void)printf("\nRuns        %s open\n", PQgetvalue(state, 0, S_RUNS_OPEN));
	if (streams.p != NULL)
		(void)printf("Streams     %.*s open\n", S_ARG(streams));
	if (lag.p != NULL)
		(void)printf("Event lag   %.*s ms\n", S_ARG(lag));
	if (outdated > 0)
		(void)printf(
		    "Index       %lld document%s of an earlier version, indexed again in the "
		    "background\n",
		    (long long)outdated, outdated == 1 ? "" : "s");
	(void)putchar('\n');
}

static void
print_processes(struct arena *a, const PGresult *res)
{
	struct table t = { .a = a,
		.n = 8,
		.heads = { "PROCESS", "HOST", "PID", "VERSION", "UP", "SEEN", "STATE", "DOING" },
		.right = { [2] = true, [4] = true, [5] = true } };
	int i;
	bool stale, other;

	for (i = 0; i < PQntuples(res); i++) {
		stale = number_at(res, i, P_SEEN) > STALE_SECONDS;
		other = !str_eq(sql_get(res, i, P_VERSION), str_from(MILLRACE_VERSION));
		table_row(&t, sql_get(res, i, P_ROLE), sql_get(res, i, P_HOST),
		    sql_get(res, i, P_PID), sql_get(res, i, P_VERSION),
		    ctl_age(a, number_at(res, i, P_AGE)), ctl_age(a, number_at(res, i, P_SEEN)),
		    stale   ? S("STALE")
		    : other ? S("VERSION")
			    : S("ok"),
		    sql_get(res, i, P_DOING));
	}
	if (t.n_cells > 0)
		table_print(&t, stdout);
	else
		(void)puts("No process has sent a heartbeat within a day.");
}

static void
print_json(struct arena *a, const PGresult *state, int64_t outdated, const PGresult *processes,
    const struct warnings *w)
{
	struct buf b = { .a = a };
	int i;

	buf_printf(&b,
	    "{\"server\":\"%s\",\"version\":\"%s\",\"migration\":{\"database\":%s,\"program\":%d},"
	    "\n",
	    PQgetvalue(state, 0, S_SERVER), MILLRACE_VERSION, PQgetvalue(state, 0, S_MIGRATION),
	    migration_latest);
	buf_printf(&b,
	    " \"queue\":{\"waiting\":%s,\"running\":%s,\"dead\":%s,\"oldestWaitSeconds\":%s},\n",
	    PQgetvalue(state, 0, S_QUEUED), PQgetvalue(state, 0, S_RUNNING),
	    PQgetvalue(state, 0, S_DEAD), PQgetvalue(state, 0, S_OLDEST_WAIT));
	buf_printf(&b,
	    " \"runsOpen\":%s,\"streams\":%s,\"eventLagMs\":%s,\"documentsOutdated\":%lld,\n"
	    " \"processes\":[",
	    PQgetvalue(state, 0, S_RUNS_OPEN),
	    PQgetisnull(state, 0, S_STREAMS) ? "null" : PQgetvalue(state, 0, S_STREAMS),
	    PQgetisnull(state, 0, S_LAG_MS) ? "null" : PQgetvalue(state, 0, S_LAG_MS),
	    (long long)outdated);
	for (i = 0; i < PQntuples(processes); i++)
		buf_printf(&b, "%s%s", i > 0 ? ",\n  " : "", PQgetvalue(processes, i, P_BODY));
	buf_printf(&b, "],\n \"warnings\":[%s]}\n", w->n > 0 ? w->json.p : "");
	(void)fwrite(b.p, 1, b.n, stdout);
}

int
status_run(struct ctl *c)
{
	struct warnings w = { .lines = { .a = c->a }, .json = { .a = c->a } };
	PGresult *state, *processes, *roles = NULL, *index = NULL;
	int64_t outdated;
	enum err e;

	if ((e = db_admin_system_state(c->db, c->a, &state, str_from(functions_sha256))) !=
		ERR_OK ||
	    (e = db_admin_process_list(c->db, c->a, &processes)) != ERR_OK ||
	    /* These came after some migrations. */
	    (sql_bool(state, 0, S_FUNCTIONS) &&
		((e = db_admin_role_list(c->db, c->a, &roles, S(MILLRACE_VERSION))) != ERR_OK ||
		    (e = db_admin_index_state(c->db, c->a, &index, INDEX_VERSION)) != ERR_OK)))
		return ctl_fail_db(e, "the status cannot be read");
	outdated = index ? number_at(index, 0, 0) : 0;
	check(c->a, &w, state, processes, roles);
	if (c->options[OPT_JSON] != NULL) {
		print_json(c->a, state, outdated, processes, &w);
		return CTL_OK;
	}
	print_head(c->a, state, outdated);
	print_processes(c->a, processes);
	if (w.n > 0)
		(void)printf("\n%.*s", S_ARG(buf_str(&w.lines)));
	return CTL_OK;
}

int
queries_run(struct ctl *c)
{
	int differ = db_check_queries(c->db);

	(void)printf("%zu statements prepared, %d differ\n", n_all_queries, differ);
	return differ == 0 ? CTL_OK : CTL_FAILED;
}
