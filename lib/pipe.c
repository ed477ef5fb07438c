#include <stdio.h>
#include <stdlib.h>

#include <uthash.h>

#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/db.h>
#include <millrace/log.h>
#include <millrace/pipe.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS 5000
#define CONNECT_MS 10000
/* The server ends a statement after MILLRACE_STATEMENT_MS; one that has said nothing for so much longer is not there. */
#define SILENT_MS 15000
#define IN_FLIGHT_MANY 256
#define STATEMENT_NAME_MAX 128

/* A unit that was sent; `results` fill up until its Sync comes back. */
struct unit {
	struct unit *next;
	pipe_done *done;
	void *arg;
	enum err e;
	int failed;
	char *text;
	const char *name; /* of its first statement, for the log */
	int n, seen;
	PGresult *results[];
};

/* Keyed by its text's address: a query and its keeping form are two statements. */
struct prepared {
	const char *sql;
	UT_hash_handle hh;
};

struct pipe {
	struct loop_fd fd;
	struct loop_timer retry;
	struct loop_timer patience; /* armed while there are units in flight */
	struct loop *loop;
	PGconn *conn;
	char *conninfo;
	bool up;
	int64_t backoff_ms;
	int64_t heard_ms; /* the last result, or when the first unit was sent */
	struct unit *first, **last;
	size_t in_flight;
	struct prepared *prepared;
	void (*on_notify)(void *arg, struct str channel, struct str payload);
	void (*on_up)(void *arg);
	void *arg;
};

static void connect_start(struct pipe *p);

bool
pipe_is_up(const struct pipe *p)
{
	return p->up;
}

size_t
pipe_in_flight(const struct pipe *p)
{
	return p->in_flight;
}

bool
pipe_is_busy(const struct pipe *p)
{
	return p->in_flight > IN_FLIGHT_MANY || (p->fd.events & EPOLLOUT);
}

/* Takes the first unit off and tells its owner. */
static void
unit_finish(struct pipe *p)
{
	struct unit *u = p->first;

	p->first = u->next;
	if (!p->first)
		p->last = &p->first;
	p->in_flight--;
	if (u->done)
		u->done(u->arg, &(struct pipe_reply){ .e = u->e,
				    .failed = u->failed,
				    .text = str_from(u->text),
				    .res = u->results,
				    .n = u->n });
	for (int i = 0; i < u->n; i++)
		PQclear(u->results[i]);
	free(u->text);
	free(u);
}

static void
disconnect(struct pipe *p)
{
	struct prepared *s, *next;

	p->up = false;
	loop_disarm(p->loop, &p->patience);
	if (p->fd.events)
		loop_watch(p->loop, &p->fd, 0);
	HASH_ITER (hh, p->prepared, s, next) {
		HASH_DEL(p->prepared, s);
		free(s);
	}
	PQfinish(p->conn);
	p->conn = NULL;
	while (p->first) {
		p->first->e = ERR_OVERLOADED;
		unit_finish(p);
	}
}

static void
connection_lost(struct pipe *p)
{
	log_warn("database connection lost", "error", PQerrorMessage(p->conn));
	disconnect(p);
	loop_arm(p->loop, &p->retry, p->backoff_ms);
	p->backoff_ms = p->backoff_ms * 2 > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : p->backoff_ms * 2;
}

/* A host that is gone, or a server that stands still, closes no connection: who waits would wait for good, and more would come. */
static void
patience_over(struct loop_timer *t)
{
	struct pipe *p = container_of(t, struct pipe, patience);
	int64_t left = p->heard_ms + config()->statement_ms + SILENT_MS - loop_now(p->loop);

	if (!p->first)
		return;
	if (left > 0) {
		loop_arm(p->loop, t, left);
		return;
	}
	log_warn("the database says nothing");
	connection_lost(p);
}

static void
flush(struct pipe *p)
{
	int left = PQflush(p->conn);

	if (left < 0)
		connection_lost(p);
	else
		loop_watch(p->loop, &p->fd, EPOLLIN | (left > 0 ? EPOLLOUT : 0));
}

static void
unit_failed(struct unit *u, const PGresult *res)
{
	struct str text;

	u->e = sql_err(res, &text);
	u->failed = u->seen;
	if (text.p)
		u->text = xstrdup(text.p);
	if (u->e == ERR_INTERNAL || u->e == ERR_OVERLOADED)
		log_error("statement failed", "query", u->name, "error", PQresultErrorMessage(res));
}

/* One result that came in belongs to the first unit in flight. */
static void
take_result(struct pipe *p, PGresult *res)
{
	struct unit *u = p->first;
	ExecStatusType status = PQresultStatus(res);

	p->heard_ms = loop_now(p->loop);
	if (status == PGRES_PIPELINE_SYNC) {
		PQclear(res);
		unit_finish(p);
		return;
	}
	if ((status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) && u->seen < u->n) {
		u->results[u->seen++] = res;
		return;
	}
	if (status != PGRES_PIPELINE_ABORTED && u->e == ERR_OK) {
		if (PQresultErrorField(res, PG_DIAG_SQLSTATE))
			unit_failed(u, res);
		else
			u->e = ERR_OVERLOADED;
	}
	u->seen++;
	PQclear(res);
}

static void
take_input(struct pipe *p)
{
	PGnotify *n;

	if (!PQconsumeInput(p->conn) || PQstatus(p->conn) != CONNECTION_OK) {
		connection_lost(p);
		return;
	}
	while (p->first && !PQisBusy(p->conn)) {
		PGresult *res = PQgetResult(p->conn);

		if (res)
			take_result(p, res);
		if (PQstatus(p->conn) != CONNECTION_OK) {
			connection_lost(p);
			return;
		}
	}
	while ((n = PQnotifies(p->conn)) != NULL) {
		if (p->on_notify)
			p->on_notify(p->arg, str_from(n->relname), str_from(n->extra));
		PQfreemem(n);
	}
}

static void
on_ready(struct loop_fd *self, uint32_t events)
{
	struct pipe *p = container_of(self, struct pipe, fd);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		take_input(p);
	if (p->up)
		flush(p);
}

static void
ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static void
connect_go_on(struct loop_fd *self, uint32_t events)
{
	struct pipe *p = container_of(self, struct pipe, fd);
	PostgresPollingStatusType s;

	(void)events;
	/* libpq may close this descriptor and go on with another; the number may be the same. */
	if (self->events)
		loop_watch(p->loop, self, 0);
	s = PQconnectPoll(p->conn);
	self->fd = PQsocket(p->conn);
	if (s == PGRES_POLLING_FAILED || self->fd < 0) {
		connection_lost(p);
	} else if (s != PGRES_POLLING_OK) {
		loop_watch(p->loop, self, s == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT);
	} else {
		PQsetnonblocking(p->conn, 1);
		PQenterPipelineMode(p->conn);
		PQsetNoticeReceiver(p->conn, ignore_notice, NULL);
		self->ready = on_ready;
		loop_watch(p->loop, self, EPOLLIN);
		p->up = true;
		loop_disarm(p->loop, &p->retry);
		p->backoff_ms = BACKOFF_FIRST_MS;
		log_info("database connected");
		if (p->on_up)
			p->on_up(p->arg);
	}
}

static void
connect_start(struct pipe *p)
{
	p->conn = PQconnectStart(p->conninfo);
	if (!p->conn)
		abort();
	p->fd.fd = PQsocket(p->conn);
	if (PQstatus(p->conn) == CONNECTION_BAD || p->fd.fd < 0) {
		connection_lost(p);
		return;
	}
	p->fd.ready = connect_go_on;
	loop_watch(p->loop, &p->fd, EPOLLOUT);
	loop_arm(p->loop, &p->retry, CONNECT_MS);
}

static void
retry(struct loop_timer *t)
{
	struct pipe *p = container_of(t, struct pipe, retry);

	if (p->conn)
		disconnect(p);
	connect_start(p);
}

/* The connection is of no use any more; its units are failed from the loop, not from within a caller. */
static void
connection_broken(struct pipe *p)
{
	p->up = false;
	loop_arm(p->loop, &p->retry, 0);
}

/* Sends what can be sent now; the loop does the rest. */
static void
flush_from_caller(struct pipe *p)
{
	int left = PQflush(p->conn);

	if (left < 0)
		connection_broken(p);
	else if (left > 0)
		loop_watch(p->loop, &p->fd, EPOLLIN | EPOLLOUT);
}

struct pipe *
pipe_open(struct loop *l, const char *role, const char *application,
    void (*notify)(void *arg, struct str channel, struct str payload), void (*up)(void *arg),
    void *arg)
{
	struct arena *a = arena_new();
	struct pipe *p = xmalloc(sizeof(*p));

	*p = (struct pipe){
		.loop = l,
		.retry.fire = retry,
		.patience.fire = patience_over,
		.backoff_ms = BACKOFF_FIRST_MS,
		.on_notify = notify,
		.on_up = up,
		.arg = arg,
	};
	p->last = &p->first;
	p->conninfo =
	    xstrdup(arena_printf(a, "%s options='-c timezone=UTC -c statement_timeout=%lld'",
		db_conninfo(a, role, application), (long long)config()->statement_ms)
			.p);
	arena_free(a);
	connect_start(p);
	return p;
}

void
pipe_close(struct pipe *p)
{
	loop_disarm(p->loop, &p->retry);
	disconnect(p);
	free(p->conninfo);
	free(p);
}

static struct unit *
unit_new(struct pipe *p, int n, const char *name, pipe_done *done, void *arg)
{
	struct unit *u = xmalloc(sizeof(*u) + (size_t)n * sizeof(PGresult *));

	*u = (struct unit){ .done = done, .arg = arg, .n = n, .name = name };
	if (!p->first)
		p->heard_ms = loop_now(p->loop);
	if (p->patience.due_ms == 0)
		loop_arm(p->loop, &p->patience, config()->statement_ms + SILENT_MS);
	for (int i = 0; i < n; i++)
		u->results[i] = NULL;
	*p->last = u;
	p->last = &u->next;
	p->in_flight++;
	return u;
}

/* What a statement is prepared as; `room` holds the name where it is not the query's own. */
static const char *
statement_name(const struct pipe_statement *s, char room[STATEMENT_NAME_MAX])
{
	if (!s->keep)
		return s->query->name;
	snprintf(room, STATEMENT_NAME_MAX, "%s keep", s->query->name);
	return room;
}

/* A unit of its own, so that an error in another statement cannot keep it from being done. */
static bool
prepare(struct pipe *p, const struct pipe_statement *s)
{
	const char *sql = s->keep ? s->query->sql_keep : s->query->sql;
	struct prepared *known;
	char room[STATEMENT_NAME_MAX];

	HASH_FIND_PTR(p->prepared, &sql, known);
	if (known)
		return true;
	if (!PQsendPrepare(p->conn, statement_name(s, room), sql, 0, NULL) ||
	    !PQpipelineSync(p->conn))
		return false;
	(void)unit_new(p, 1, s->query->name, NULL, NULL);
	known = xmalloc(sizeof(*known));
	*known = (struct prepared){ .sql = sql };
	HASH_ADD_PTR(p->prepared, sql, known);
	return true;
}

enum err
pipe_send(struct pipe *p, struct arena *scratch, const struct pipe_statement *statements, int n,
    pipe_done *done, void *arg)
{
	bool sent = true;

	if (!p->up)
		return ERR_OVERLOADED;
	for (int i = 0; sent && i < n; i++)
		sent = prepare(p, &statements[i]);
	for (int i = 0; sent && i < n; i++) {
		const struct pipe_statement *s = &statements[i];
		struct sql_params params = sql_params(scratch, s->args, s->n_args);
		char room[STATEMENT_NAME_MAX];

		sent = PQsendQueryPrepared(p->conn, statement_name(s, room), params.n,
		    params.values, params.lengths, params.formats, 0);
	}
	if (sent)
		sent = PQpipelineSync(p->conn);
	if (!sent) {
		/* Half a unit may lie in libpq's buffer. */
		connection_broken(p);
		return ERR_OVERLOADED;
	}
	(void)unit_new(p, n, statements[0].query->name, done, arg);
	flush_from_caller(p);
	return ERR_OK;
}

void
pipe_listen(struct pipe *p, const char *channel)
{
	char text[128];

	snprintf(text, sizeof(text), "LISTEN \"%s\"", channel);
	if (!p->up || !PQsendQueryParams(p->conn, text, 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQpipelineSync(p->conn))
		return;
	(void)unit_new(p, 1, "listen", NULL, NULL);
	flush_from_caller(p);
}
