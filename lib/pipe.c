#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <uthash.h>

#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/db.h>
#include <millrace/log.h>

#include "lib/batch.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define CONNECT_TIMEOUT_MS 10000
/*
 * The server ends a statement after MILLRACE_STATEMENT_MS (statement_timeout). A connection that
 * brings no result for so much longer is dead.
 */
#define CLOSE_MS 1000
#define REPLY_GRACE_MS 15000
#define BUSY_UNITS 256
#define STATEMENT_NAME_MAX 128
#define HELD_AGAIN_MS 10

/* Keyed by the address of its text: a query and its keeping form are two statements. */
struct prepared {
	const char *sql;
	UT_hash_handle hh;
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
	return p->in_flight > BUSY_UNITS || (p->fd.events & EPOLLOUT);
}

static void
unit_clear(struct unit *u)
{
	for (int i = 0; i < u->n; i++) {
		PQclear(u->results[i]);
		u->results[i] = NULL;
	}
}

void
unit_lose(struct unit *u)
{
	unit_clear(u);
	u->e = ERR_OVERLOADED;
	u->failed = 0;
	free(u->text);
	u->text = xstrdup(DB_AWAY);
}

void
unit_answer(struct pipe *p, struct unit *u)
{
	p->in_flight--;
	if (u->kind != UNIT_PLAIN && u->kind != UNIT_LATE && u->kind != UNIT_FLUSH)
		p->batch.writers--;
	if (u->done)
		u->done(u->arg, &(struct pipe_reply){ .e = u->e,
				    .failed = u->failed,
				    .text = str_from(u->text),
				    .res = u->results,
				    .n = u->n });
	unit_clear(u);
	free(u->text);
	free(u);
}

/* Takes the first unit off the queue and answers it, or holds it. */
static void
unit_finish(struct pipe *p)
{
	struct unit *u = p->first;

	p->first = u->next;
	if (!p->first)
		p->last = &p->first;
	u->next = NULL;
	if (!batch_holds(p, u))
		unit_answer(p, u);
}

static void
disconnect(struct pipe *p)
{
	struct prepared *s, *next;

	p->up = false;
	loop_disarm(p->loop, &p->watchdog);
	if (p->fd.events)
		loop_watch(p->loop, &p->fd, 0);
	HASH_ITER (hh, p->prepared, s, next) {
		HASH_DEL(p->prepared, s);
		free(s);
	}
	PQfinish(p->conn);
	p->conn = NULL;
	batch_lose(p);
	while (p->first) {
		unit_lose(p->first);
		unit_finish(p);
	}
}

static void
lose_connection(struct pipe *p)
{
	log_warn("db: connection lost", "error", PQerrorMessage(p->conn));
	disconnect(p);
	loop_arm(p->loop, &p->retry, p->backoff_ms);
	p->backoff_ms = p->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : p->backoff_ms * 2;
}

/*
 * A host that died, or a server that hangs, closes no connection: without a limit the units in
 * flight would wait forever, and their number would grow.
 */
static void
pipe_timed_out(struct loop_timer *t)
{
	struct pipe *p = container_of(t, struct pipe, watchdog);
	int64_t left =
	    p->last_reply_ms + config()->statement_ms + REPLY_GRACE_MS - loop_now(p->loop);

	if (!p->first)
		return;
	if (left > 0) {
		loop_arm(p->loop, t, left);
		return;
	}
	log_warn("db: timeout", "query", p->first->name);
	lose_connection(p);
}

static void
flush(struct pipe *p)
{
	int left = PQflush(p->conn);

	if (left < 0)
		lose_connection(p);
	else
		loop_watch(p->loop, &p->fd, EPOLLIN | (left > 0 ? EPOLLOUT : 0));
}

static void
unit_set_error(struct unit *u, const PGresult *res)
{
	struct str text;

	u->e = sql_err(res, &text);
	u->failed = u->seen > 0 ? u->seen : 0;
	if (text.p)
		u->text = xstrdup(text.p);
	if (u->e == ERR_INTERNAL || u->e == ERR_OVERLOADED)
		log_error(
		    "db: statement failed", "query", u->name, "error", PQresultErrorMessage(res));
}

/* A result always belongs to the first unit in flight. */
static void
accept_result(struct pipe *p, PGresult *res)
{
	struct unit *u = p->first;
	ExecStatusType status = PQresultStatus(res);

	p->last_reply_ms = loop_now(p->loop);
	if (status == PGRES_PIPELINE_SYNC) {
		PQclear(res);
		unit_finish(p);
		return;
	}
	if ((status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) && u->seen < u->n) {
		if (u->seen >= 0)
			u->results[u->seen] = res;
		else
			PQclear(res);
		u->seen++;
		return;
	}
	if (status != PGRES_PIPELINE_ABORTED && u->e == ERR_OK) {
		if (PQresultErrorField(res, PG_DIAG_SQLSTATE))
			unit_set_error(u, res);
		else
			u->e = ERR_OVERLOADED;
	}
	u->seen++;
	PQclear(res);
}

static void
read_input(struct pipe *p)
{
	PGnotify *n;

	if (!PQconsumeInput(p->conn) || PQstatus(p->conn) != CONNECTION_OK) {
		lose_connection(p);
		return;
	}
	while (p->first && !PQisBusy(p->conn)) {
		PGresult *res = PQgetResult(p->conn);

		if (res)
			accept_result(p, res);
		if (PQstatus(p->conn) != CONNECTION_OK) {
			lose_connection(p);
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
pipe_ready(struct loop_fd *self, uint32_t events)
{
	struct pipe *p = container_of(self, struct pipe, fd);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_input(p);
	if (p->up)
		flush(p);
}

static void
pipe_connecting(struct loop_fd *self, uint32_t events)
{
	struct pipe *p = container_of(self, struct pipe, fd);
	PostgresPollingStatusType s;

	(void)events;
	/* libpq may close this descriptor and continue with another of the same number. */
	if (self->events)
		loop_watch(p->loop, self, 0);
	s = PQconnectPoll(p->conn);
	self->fd = PQsocket(p->conn);
	if (s == PGRES_POLLING_FAILED || self->fd < 0) {
		lose_connection(p);
	} else if (s != PGRES_POLLING_OK) {
		loop_watch(p->loop, self, s == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT);
	} else {
		PQsetnonblocking(p->conn, 1);
		PQenterPipelineMode(p->conn);
		PQsetNoticeReceiver(p->conn, db_ignore_notice, NULL);
		self->ready = pipe_ready;
		loop_watch(p->loop, self, EPOLLIN);
		p->up = true;
		loop_disarm(p->loop, &p->retry);
		p->backoff_ms = BACKOFF_MIN_MS;
		log_info("db: connected");
		if (p->batch.on)
			batch_begin(p);
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
		lose_connection(p);
		return;
	}
	p->fd.ready = pipe_connecting;
	loop_watch(p->loop, &p->fd, EPOLLOUT);
	loop_arm(p->loop, &p->retry, CONNECT_TIMEOUT_MS);
}

static void
pipe_retry(struct loop_timer *t)
{
	struct pipe *p = container_of(t, struct pipe, retry);

	if (p->conn)
		disconnect(p);
	connect_start(p);
}

void
pipe_lose_later(struct pipe *p)
{
	p->up = false;
	loop_arm(p->loop, &p->retry, 0);
}

/* Writes as much as the socket takes now; the loop writes the rest. */
static void
flush_deferred(struct pipe *p)
{
	int left = PQflush(p->conn);

	if (left < 0)
		pipe_lose_later(p);
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
		.retry.fire = pipe_retry,
		.watchdog.fire = pipe_timed_out,
		.backoff_ms = BACKOFF_MIN_MS,
		.on_notify = notify,
		.on_up = up,
		.arg = arg,
	};
	p->last = &p->first;
	p->conninfo =
	    xstrdup(arena_printf(a, "%s options='" DB_SESSION " -c statement_timeout=%lld'",
		db_conninfo(a, role, application), (long long)config()->statement_ms)
			.p);
	arena_free(a);
	connect_start(p);
	return p;
}

/* Does somebody wait for one of the units? */
static bool
is_awaited(const struct pipe *p)
{
	for (const struct unit *u = p->first; u; u = u->next)
		if (u->done)
			return true;
	return false;
}

void
pipe_close(struct pipe *p)
{
	struct pollfd fd = { .events = POLLIN };

	/* A server that still has something to say calls that a lost client, in its log. */
	while (p->up && p->first && !is_awaited(p)) {
		fd.fd = PQsocket(p->conn);
		if (poll(&fd, 1, CLOSE_MS) <= 0)
			break;
		read_input(p);
	}
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
		p->last_reply_ms = loop_now(p->loop);
	if (p->watchdog.due_ms == 0)
		loop_arm(p->loop, &p->watchdog, config()->statement_ms + REPLY_GRACE_MS);
	for (int i = 0; i < n; i++)
		u->results[i] = NULL;
	*p->last = u;
	p->last = &u->next;
	p->in_flight++;
	return u;
}

/* The prepared statement's name; `room` holds it where it is not the query's own. */
static const char *
statement_name(const struct pipe_statement *s, char room[STATEMENT_NAME_MAX])
{
	if (!s->keep)
		return s->query->name;
	snprintf(room, STATEMENT_NAME_MAX, "%s keep", s->query->name);
	return room;
}

/* Preparing is a unit of its own, so that an error in another statement cannot undo it. */
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

static bool
send_statement(struct pipe *p, struct arena *scratch, const struct pipe_statement *s)
{
	struct sql_params params = sql_params(scratch, s->args, s->n_args);
	char room[STATEMENT_NAME_MAX];

	return PQsendQueryPrepared(p->conn, statement_name(s, room), params.n, params.values,
	    params.lengths, params.formats, 0);
}

struct unit *
unit_send(struct pipe *p, struct arena *scratch, enum unit_kind kind,
    const struct pipe_statement *statements, int n, pipe_done *done, void *arg)
{
	struct pipe_statement before = { .query = NULL };
	bool sent = batch_before(p, kind, &before) && (!before.query || prepare(p, &before));
	struct unit *u;

	for (int i = 0; sent && i < n; i++)
		sent = prepare(p, &statements[i]);
	if (sent && before.query)
		sent = send_statement(p, scratch, &before);
	for (int i = 0; sent && i < n; i++)
		sent = send_statement(p, scratch, &statements[i]);
	if (sent)
		sent = PQpipelineSync(p->conn);
	if (!sent) {
		/* Half a unit may be left in libpq's buffer. */
		pipe_lose_later(p);
		return NULL;
	}
	u = unit_new(p, n, statements[0].query->name, done, arg);
	u->kind = kind;
	u->seen = before.query ? -1 : 0;
	batch_sent(p, kind);
	flush_deferred(p);
	return u;
}

bool
pipe_unit_reads(const struct pipe_statement *statements, int n)
{
	for (int i = 0; i < n; i++)
		if (!statements[i].query->reads)
			return false;
	return true;
}

enum err
pipe_send_held(struct pipe *p, struct arena *scratch, const struct pipe_statement *statements,
    int n, pipe_held *held, pipe_done *done, void *arg)
{
	enum unit_kind kind = UNIT_PLAIN;
	struct unit *u;

	if (!p->up)
		return ERR_OVERLOADED;
	if (p->batch.on && done && !pipe_unit_reads(statements, n))
		kind = batch_kind(p, statements, n);
	u = unit_send(p, scratch, kind, statements, n, done, arg);
	if (!u)
		return ERR_OVERLOADED;
	u->held = held;
	return ERR_OK;
}

enum err
pipe_send(struct pipe *p, struct arena *scratch, const struct pipe_statement *statements, int n,
    pipe_done *done, void *arg)
{
	return pipe_send_held(p, scratch, statements, n, NULL, done, arg);
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
	flush_deferred(p);
}
