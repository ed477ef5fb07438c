#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <millrace/arena.h>

#include "fcgi/together.h"

/* Their arguments are caller_statement()'s. */
extern const struct query query_caller_session;
extern const struct query query_caller_key;

#define GROUP_MAX 32
#define GROUP_BYTES ((size_t)1 << 18) /* of the texts of a group; what is longer goes alone */
#define CALLER_LISTS 3
#define CALLER_COLUMNS 3 /* of a row, before the query's own */

struct member {
	struct member *next;
	struct arena *a; /* holds what follows */
	struct pipe_statement statements[2]; /* the caller's, and its own; copied */
	size_t bytes;
	pipe_held *held;
	pipe_done *done;
	void *arg;
};

/* What is one unit in the pipe. */
struct group {
	struct together *of;
	struct pipe *pipe;
	struct member *first;
	size_t n;
};

static void group_next(struct together *t, struct pipe *p);

/* May it go together with others? Who names a user does not. */
static bool
is_kind(const struct pipe_statement *s, int n)
{
	return n == 2 && s[1].query->many && !s[1].keep && !s[1].args[0].s.p &&
	       (s[0].query == &query_caller_session ||
		   (s[0].query == &query_caller_key && !s[0].args[1].b));
}

/* Puts a caller into the i-th place of the three lists. */
static void
list_caller(struct arena *a, const struct pipe_statement *s, struct sql_arg *lists, size_t i)
{
	struct str session = S(""), key = S(""), scope = S("");

	if (s->query == &query_caller_session) {
		session = uuid_str(&s->args[0].u);
	} else {
		size_t n = 2 * s->args[0].s.n + 1;
		char *hex = arena_alloc(a, n);

		sodium_bin2hex(hex, n, (const unsigned char *)s->args[0].s.p, s->args[0].s.n);
		key = str_from(hex);
		scope = s->args[2].s;
	}
	lists[0].list.p[i] = session;
	lists[1].list.p[i] = key;
	lists[2].list.p[i] = scope;
}

static size_t
bytes_of(const struct pipe_statement *s)
{
	size_t bytes = 0;

	for (int i = 0; i < s->n_args; i++)
		bytes += s->args[i].type == SQL_TEXT ? s->args[i].s.n : 0;
	return bytes;
}

static struct member *
member_new(const struct pipe_statement *s, pipe_held *held, pipe_done *done, void *arg)
{
	struct arena *a = arena_new();
	struct member *m = arena_alloc(a, sizeof(*m));

	*m = (struct member){
		.a = a, .bytes = bytes_of(&s[1]), .held = held, .done = done, .arg = arg
	};
	for (int i = 0; i < 2; i++) {
		m->statements[i] = s[i];
		m->statements[i].args = sql_args_copy(a, s[i].args, s[i].n_args);
	}
	return m;
}

static void
member_end(struct member *m, const struct pipe_reply *reply)
{
	m->done(m->arg, reply);
	arena_free(m->a);
}

static void
alone_held(void *arg)
{
	struct member *m = arg;

	m->held(m->arg);
}

static void
alone_done(void *arg, const struct pipe_reply *reply)
{
	member_end(arg, reply);
}

static void
member_send(struct member *m, struct pipe *p)
{
	struct arena *a = arena_new();
	enum err e = pipe_send_held(p, a, m->statements, 2, alone_held, alone_done, m);

	arena_free(a);
	if (e != ERR_OK)
		member_end(m, &(struct pipe_reply){ .e = e });
}

/* n columns of the row i, from `from` on, as a result of their own. */
static PGresult *
columns_alone(const PGresult *res, int i, int from, int n)
{
	PGresult *own = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc *columns = calloc((size_t)n, sizeof(*columns));

	if (!own || !columns)
		abort();
	for (int k = 0; k < n; k++)
		columns[k] = (PGresAttDesc){ .name = PQfname(res, from + k),
			.typid = PQftype(res, from + k) };
	(void)PQsetResultAttrs(own, n, columns);
	free(columns);
	for (int k = 0; k < n; k++) {
		bool is_null = PQgetisnull(res, i, from + k);

		(void)PQsetvalue(own, 0, k, is_null ? NULL : PQgetvalue(res, i, from + k),
		    is_null ? -1 : PQgetlength(res, i, from + k));
	}
	return own;
}

/* Answers a member from the row i, or sends it alone. */
static void
member_answer(struct member *m, struct pipe *p, const PGresult *rows, int i)
{
	PGresult *res[2];

	if (i >= PQntuples(rows) || PQgetisnull(rows, i, CALLER_COLUMNS)) {
		member_send(m, p);
		return;
	}
	res[0] = columns_alone(rows, i, 0, CALLER_COLUMNS);
	res[1] = columns_alone(rows, i, CALLER_COLUMNS, m->statements[1].query->n_columns);
	member_end(m, &(struct pipe_reply){ .e = ERR_OK, .res = res, .n = 2 });
	PQclear(res[0]);
	PQclear(res[1]);
}

/* The next may go: what is in the way now is the disk at most. */
static void
group_left(struct group *g)
{
	if (g->of->sent != g)
		return;
	g->of->sent = NULL;
	group_next(g->of, g->pipe);
}

static void
group_held(void *arg)
{
	struct group *g = arg;

	group_left(g);
	for (struct member *m = g->first; m; m = m->next)
		m->held(m->arg);
}

static void
group_done(void *arg, const struct pipe_reply *reply)
{
	struct group *g = arg;
	struct member *m, *next = g->first;

	group_left(g);
	for (int i = 0; (m = next) != NULL; i++) {
		next = m->next;
		if (g->n == 1 || (reply->e != ERR_OK && !pipe_is_up(g->pipe)))
			member_end(m, reply);
		else if (reply->e != ERR_OK)
			member_send(m, g->pipe);
		else
			member_answer(m, g->pipe, reply->res[0], i);
	}
	free(g);
}

/* Its statement for all, of which the lists of callers come first. */
static struct pipe_statement
group_statement(struct arena *a, const struct group *g)
{
	const struct query *q = g->first->statements[1].query;
	const struct sql_arg **own = arena_alloc(a, g->n * sizeof(*own));
	struct sql_arg *args = arena_alloc(a, (size_t)(CALLER_LISTS + q->n_args) * sizeof(*args));
	size_t n = 0;

	for (int k = 0; k < CALLER_LISTS; k++)
		args[k] = (struct sql_arg){ .type = SQL_TEXTS,
			.list = { arena_alloc(a, g->n * sizeof(struct str)), g->n } };
	for (const struct member *m = g->first; m; m = m->next, n++) {
		list_caller(a, &m->statements[0], args, n);
		own[n] = m->statements[1].args;
	}
	memcpy(
	    args + CALLER_LISTS, sql_args_many(a, q, own, g->n), (size_t)q->n_args * sizeof(*args));
	return (struct pipe_statement){
		.query = q->many, .args = args, .n_args = CALLER_LISTS + q->n_args
	};
}

static enum err
group_send(struct group *g, struct arena *a)
{
	struct pipe_statement all;

	if (g->n == 1)
		return pipe_send_held(
		    g->pipe, a, g->first->statements, 2, group_held, group_done, g);
	all = group_statement(a, g);
	return pipe_send_held(g->pipe, a, &all, 1, group_held, group_done, g);
}

/* Takes those of the first one's kind off what waits, as many as may go together. */
static struct group *
group_take(struct together *t, struct pipe *p)
{
	struct group *g = xmalloc(sizeof(*g));
	const struct query *q = t->first->statements[1].query;
	struct member **last = &g->first, *m;
	size_t bytes = 0;

	*g = (struct group){ .of = t, .pipe = p };
	while ((m = t->first) != NULL && m->statements[1].query == q && g->n < GROUP_MAX &&
	       (g->n == 0 || bytes + m->bytes <= GROUP_BYTES)) {
		t->first = m->next;
		m->next = NULL;
		bytes += m->bytes;
		*last = m;
		last = &m->next;
		g->n++;
	}
	if (!t->first)
		t->last = &t->first;
	return g;
}

static void
group_next(struct together *t, struct pipe *p)
{
	while (t->first && !t->sent) {
		struct group *g = group_take(t, p);
		struct arena *a = arena_new();
		enum err e;

		t->sent = g;
		e = group_send(g, a);
		arena_free(a);
		if (e != ERR_OK)
			group_done(g, &(struct pipe_reply){ .e = e });
	}
}

enum err
together_send(struct together *t, struct pipe *p, struct arena *scratch,
    const struct pipe_statement *statements, int n, pipe_held *held, pipe_done *done, void *arg)
{
	struct member *m;
	struct group *g;
	enum err e;

	if (!is_kind(statements, n) || !done)
		return pipe_send_held(p, scratch, statements, n, held, done, arg);
	if (!pipe_is_up(p))
		return ERR_OVERLOADED;
	m = member_new(statements, held, done, arg);
	if (t->sent) {
		*t->last = m;
		t->last = &m->next;
		return ERR_OK;
	}
	t->sent = g = xmalloc(sizeof(*g));
	*g = (struct group){ .of = t, .pipe = p, .first = m, .n = 1 };
	t->last = &t->first;
	if ((e = group_send(g, scratch)) != ERR_OK) {
		t->sent = NULL;
		arena_free(m->a);
		free(g);
	}
	return e;
}
