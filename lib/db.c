#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uthash.h>

#include <millrace/config.h>
#include <millrace/db.h>
#include <millrace/disk.h>
#include <millrace/log.h>
#include <millrace/migrations.h>
#include <millrace/process.h>

#define DISK_FULL "53100" /* ENOSPC and EDQUOT, in errcodes.txt */
#define STOPPED_LOOK_MS 250

struct prepared {
	const struct query *query;
	UT_hash_handle hh;
};

struct db {
	char *conninfo;
	PGconn *conn;
	struct prepared *prepared;
};

const char *
db_conninfo(struct arena *a, const char *role, const char *application)
{
	/*
	 * A host that is gone is noticed within a minute, and not after hours, where the setting
	 * says nothing else.
	 */
	return arena_printf(a,
	    "keepalives_idle=20 keepalives_interval=5 keepalives_count=4 tcp_user_timeout=40000 %s "
	    "user=%s application_name='millrace %s' connect_timeout=5 options='" DB_SESSION "'",
	    config()->db, role, application)
	    .p;
}

struct db *
db_open(const char *role, const char *application)
{
	struct arena *a = arena_new();
	struct db *db = xmalloc(sizeof(*db));

	*db = (struct db){ .conninfo = xstrdup(db_conninfo(a, role, application)) };
	arena_free(a);
	return db;
}

static void
disconnect(struct db *db)
{
	struct prepared *p, *next;

	HASH_ITER (hh, db->prepared, p, next) {
		HASH_DEL(db->prepared, p);
		free(p);
	}
	PQfinish(db->conn);
	db->conn = NULL;
}

void
db_close(struct db *db)
{
	if (!db)
		return;
	disconnect(db);
	free(db->conninfo);
	free(db);
}

void
db_ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static bool
connected(struct db *db)
{
	if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
		return true;
	disconnect(db);
	db->conn = PQconnectdb(db->conninfo);
	if (PQstatus(db->conn) != CONNECTION_OK) {
		log_warn("db: no connection", "error", PQerrorMessage(db->conn));
		return false;
	}
	PQsetNoticeReceiver(db->conn, db_ignore_notice, NULL);
	return true;
}

/* What SQL's refuse() raised. */
static enum err
refused(const PGresult *res, struct str *text)
{
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	const char *code = detail ? detail : "";
	enum err e = err_from_code(code);

	if (e == ERR_COUNT) {
		log_error("db: refused by a code that is not in the table", "code", code);
		return ERR_INTERNAL;
	}
	if (text)
		*text = str_from(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
	return e;
}

enum err
sql_err(const PGresult *res, struct str *text)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	static const struct {
		const char *prefix;
		enum err e;
		const char *text;
	} map[] = {
		{ "22P02", ERR_BAD_REQUEST, NULL },
		{ "22P05", ERR_BAD_REQUEST, NULL },
		{ "22021", ERR_BAD_REQUEST, NULL },
		{ "22003", ERR_BAD_REQUEST, NULL },
		{ "22007", ERR_BAD_REQUEST, NULL },
		{ "22008", ERR_BAD_REQUEST, NULL },
		{ "40001", ERR_OVERLOADED, NULL },
		{ "40P01", ERR_OVERLOADED, NULL },
		{ "57P", ERR_OVERLOADED, DB_AWAY },
		{ "57", ERR_OVERLOADED, NULL },
		{ "08", ERR_OVERLOADED, DB_AWAY },
		{ DISK_FULL, ERR_OVERLOADED, DB_DISK_FULL },
		{ "53", ERR_OVERLOADED, NULL },
		{ "55P03", ERR_OVERLOADED, NULL },
	};

	if (text)
		*text = (struct str){ NULL, 0 };
	if (!state)
		return ERR_OVERLOADED;
	if (strcmp(state, DISK_FULL) == 0)
		disk_full_note();
	if (strcmp(state, "MRIDM") == 0)
		return ERR_REPLAY;
	if (strcmp(state, "MR000") == 0)
		return refused(res, text);
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		if (strncmp(state, map[i].prefix, strlen(map[i].prefix)) == 0) {
			if (text && map[i].text)
				*text = str_from(map[i].text);
			return map[i].e;
		}
	return ERR_INTERNAL;
}

/*
 * Is this result a success? Logs a failure that is not the world's or the client's, and says which
 * err it is.
 */
static enum err
settled(struct db *db, const struct query *q, const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);
	enum err e;

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return ERR_OK;
	e = sql_err(res, NULL);
	if (e == ERR_INTERNAL || e == ERR_OVERLOADED)
		log_error("db: statement failed", "query", q->name, "error",
		    res ? PQresultErrorMessage(res) : PQerrorMessage(db->conn));
	return e;
}

static enum err
prepare(struct db *db, const struct query *q)
{
	struct prepared *p;
	PGresult *res;
	enum err e;

	HASH_FIND_PTR(db->prepared, &q, p);
	if (p)
		return ERR_OK;
	res = PQprepare(db->conn, q->name, q->sql, 0, NULL);
	e = settled(db, q, res);
	PQclear(res);
	if (e != ERR_OK)
		return e;
	p = xmalloc(sizeof(*p));
	*p = (struct prepared){ .query = q };
	HASH_ADD_PTR(db->prepared, query, p);
	return ERR_OK;
}

static void
cancel(struct db *db)
{
	PGcancel *c = PQgetCancel(db->conn);
	char why[256] = "";

	if (!c || !PQcancel(c, why, sizeof(why)))
		log_warn("db: a statement could not be cancelled", "error", why);
	PQfreeCancel(c);
}

/*
 * Waits for the result of what was sent. *cancelled: the server was asked to cancel it, once.
 */
static PGresult *
await(struct db *db, bool (*stopped)(void *arg), void *arg, bool *cancelled)
{
	struct pollfd in = { .fd = PQsocket(db->conn), .events = POLLIN };
	PGresult *res, *last = NULL;

	while (PQisBusy(db->conn)) {
		if (!*cancelled && stopped(arg)) {
			*cancelled = true;
			cancel(db);
		}
		if (poll(&in, 1, STOPPED_LOOK_MS) > 0 && !PQconsumeInput(db->conn))
			break;
	}
	while ((res = PQgetResult(db->conn)) != NULL) {
		PQclear(last);
		last = res;
	}
	return last;
}

/* Makes the connection where it is gone, and prepares the statement. */
static enum err
ready(struct db *db, const struct query *q)
{
	enum err e;

	if (!connected(db))
		return ERR_OVERLOADED;
	e = prepare(db, q);
	/* Nothing was done: a connection that died while idle is made again once. */
	if (e != ERR_OK && PQstatus(db->conn) != CONNECTION_OK && connected(db))
		e = prepare(db, q);
	return e;
}

enum err
db_query(struct db *db, struct arena *a, const struct query *q, const struct sql_arg *args,
    PGresult **out)
{
	struct sql_params params = sql_params(a, args, q->n_args);
	PGresult *res;
	enum err e;

	if ((e = ready(db, q)) != ERR_OK)
		return e;
	res = PQexecPrepared(
	    db->conn, q->name, params.n, params.values, params.lengths, params.formats, 0);
	sql_adopt(a, res);
	if ((e = settled(db, q, res)) == ERR_OK && out)
		*out = res;
	return e;
}

enum err
db_query_until(struct db *db, struct arena *a, const struct query *q, const struct sql_arg *args,
    bool (*stopped)(void *arg), void *arg, PGresult **out)
{
	struct sql_params params = sql_params(a, args, q->n_args);
	bool cancelled = false;
	PGresult *res = NULL;
	enum err e;

	if ((e = ready(db, q)) != ERR_OK)
		return e;
	if (PQsendQueryPrepared(
		db->conn, q->name, params.n, params.values, params.lengths, params.formats, 0))
		res = await(db, stopped, arg, &cancelled);
	sql_adopt(a, res);
	if (cancelled)
		return ERR_OVERLOADED;
	if ((e = settled(db, q, res)) == ERR_OK && out)
		*out = res;
	return e;
}

enum err
db_script(struct db *db, struct arena *a, const char *sql, const char **message)
{
	PGresult *res, *last = NULL;
	enum err e = ERR_OK;

	*message = "the database cannot be reached";
	if (!connected(db))
		return ERR_OVERLOADED;
	if (!PQsendQuery(db->conn, sql))
		return ERR_OVERLOADED;
	while ((res = PQgetResult(db->conn)) != NULL) {
		if (e == ERR_OK && PQresultStatus(res) != PGRES_COMMAND_OK &&
		    PQresultStatus(res) != PGRES_TUPLES_OK) {
			e = sql_err(res, NULL);
			e = e == ERR_OK ? ERR_INTERNAL : e;
			*message = arena_cstr(a, str_from(PQresultErrorMessage(res)));
		}
		PQclear(last);
		last = res;
	}
	PQclear(last);
	return e;
}

/* Does the server's description of a prepared statement agree with its declaration? */
static bool
described_as_declared(struct db *db, const struct query *q)
{
	PGresult *res = PQdescribePrepared(db->conn, q->name);
	bool same = PQresultStatus(res) == PGRES_COMMAND_OK && PQnparams(res) == q->n_args &&
		    PQnfields(res) == q->n_columns;
	static const struct {
		Oid oid;
		const char *name;
	} types[] = { { 16, "bool" }, { 17, "bytea" }, { 20, "int8" }, { 23, "int4" },
		{ 25, "text" }, { 114, "json" }, { 701, "float8" }, { 1009, "text[]" },
		{ 1114, "timestamp" }, { 1184, "timestamptz" }, { 1186, "interval" },
		{ 1560, "bit" }, { 1562, "varbit" }, { 1700, "numeric" }, { 2278, "void" },
		{ 2950, "uuid" }, { 2951, "uuid[]" }, { 3802, "jsonb" } };

	for (int i = 0; same && i < q->n_args + q->n_columns; i++) {
		bool is_arg = i < q->n_args;
		Oid oid = is_arg ? PQparamtype(res, i) : PQftype(res, i - q->n_args);
		const char *declared =
		    is_arg ? q->arg_types[i] : q->columns[2 * (i - q->n_args) + 1];
		const char *is = "?";

		for (size_t k = 0; k < sizeof(types) / sizeof(*types); k++)
			if (types[k].oid == oid)
				is = types[k].name;
		same = strcmp(is, declared) == 0 &&
		       (is_arg || strcmp(PQfname(res, i - q->n_args),
				      q->columns[2 * (i - q->n_args)]) == 0);
		if (!same)
			log_error("db: a query is declared otherwise than the server has it",
			    "query", q->name, "declared", declared, "is", is);
	}
	if (!same)
		log_error("db: a query's declaration and statement differ", "query", q->name);
	PQclear(res);
	return same;
}

int
db_check_queries(struct db *db)
{
	int differ = 0;

	if (!connected(db))
		return (int)n_all_queries;
	for (size_t i = 0; i < n_all_queries; i++)
		if (prepare(db, all_queries[i]) != ERR_OK ||
		    !described_as_declared(db, all_queries[i]))
			differ++;
	return differ;
}

struct db_pool {
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct db **free;
	int n_free;
};

struct db_pool *
db_pool_new(const char *role, const char *application, int n)
{
	struct db_pool *pool = xmalloc(sizeof(*pool));

	*pool = (struct db_pool){ .free = xmalloc((size_t)n * sizeof(*pool->free)), .n_free = n };
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->given, NULL);
	for (int i = 0; i < n; i++)
		pool->free[i] = db_open(role, application);
	return pool;
}

struct db *
db_pool_acquire(struct db_pool *pool)
{
	struct db *db;

	pthread_mutex_lock(&pool->lock);
	while (pool->n_free == 0)
		pthread_cond_wait(&pool->given, &pool->lock);
	db = pool->free[--pool->n_free];
	pthread_mutex_unlock(&pool->lock);
	return db;
}

void
db_pool_release(struct db_pool *pool, struct db *db)
{
	pthread_mutex_lock(&pool->lock);
	pool->free[pool->n_free++] = db;
	pthread_cond_signal(&pool->given);
	pthread_mutex_unlock(&pool->lock);
}

bool
db_wait_current(struct db *db, bool (*stop)(void))
{
	extern const struct query query_migration_current;
	const struct sql_arg args[] = { { .type = SQL_INT, .i = migration_latest },
		{ .type = SQL_TEXT, .s = str_from(functions_sha256) } };

	for (;;) {
		struct arena *a = arena_new();
		PGresult *res = NULL;
		enum err e = db_query(db, a, &query_migration_current, args, &res);
		bool current = e == ERR_OK && PQntuples(res) == 1 && sql_bool(res, 0, 0);

		arena_free(a);
		if (current)
			return true;
		if (e != ERR_OVERLOADED)
			log_warn("db: not at this version; run: millracectl migrate");
		if (stop && stop())
			return false;
		usleep(500 * 1000);
		if (stop && stop())
			return false;
	}
}
