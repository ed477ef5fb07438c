/* From a handler's ask to its answer: the unit of statements that goes down the pipe, and what comes back. */
#include <millrace/json.h>

#include "fcgi/worker.h"

/* Generated functions for sql/queries/api are for handlers; here the statements are put together by hand. */
extern const struct query query_idempotency_claim;
extern const struct query query_idempotency_reply;

#define ASK_STATEMENTS_MAX 3
#define ASK_ARGS_MAX 16

static bool
is_idempotent(const struct req *r, const struct query *q)
{
	return r->idempotency_key.p && q->sql_keep;
}

/* The claim's MAC covers what the request asks for: its route and its body. */
static struct str
request_text(struct req *r)
{
	return arena_printf(
	    r->a, "%s\n%.*s\n%.*s", method_name(r->route->method), S_ARG(r->path), S_ARG(r->body));
}

static void
answer_now(struct req *r, enum err e)
{
	if (e == ERR_OK)
		e = r->answer(r);
	if (e != ERR_OK)
		reply_error(r, e);
}

static void
take_rows(struct req *r, PGresult **res)
{
	struct arena *a = r->page ? r->page : r->a;

	/* Of a reply in pieces only the last rows are kept. */
	if (r->page)
		arena_reset(r->page);
	r->rows = *res;
	*res = NULL;
	if (r->rows)
		arena_defer(a, (void (*)(void *))PQclear, r->rows);
}

/* What the first statement alone knows of who is calling. */
static void
take_caller(struct caller *c, const PGresult *row)
{
	if (c->how == CALLER_KEY || c->how == CALLER_EXTERNAL)
		(void)!uuid_parse(sql_get(row, 0, 0), &c->user);
	if (c->how == CALLER_KEY) {
		(void)!uuid_parse(sql_get(row, 0, 1), &c->key);
		(void)!str_int(sql_get(row, 0, 2), &c->claims.expires_at);
	}
}

/* The kept row is an array of texts; the answer's half sees it as its one row. */
static void
replay(void *arg, const struct pipe_reply *reply)
{
	struct req *r = arg;
	enum err e = reply->e;
	json_object *kept = NULL;
	const char *why;
	size_t count;

	if (e == ERR_OK &&
	    (PQntuples(reply->res[reply->n - 1]) != 1 ||
		json_parse(r->a, sql_get(reply->res[reply->n - 1], 0, 0), &kept, &why) != ERR_OK))
		e = ERR_OVERLOADED;
	if (e == ERR_OK) {
		take_caller(&r->caller, reply->res[0]);
		count = json_object_array_length(kept);
		r->replayed = arena_alloc(r->a, (count + 1) * sizeof(*r->replayed));
		for (size_t i = 0; i < count; i++) {
			json_object *o = json_object_array_get_idx(kept, i);

			if (o)
				r->replayed[i] = (struct str){ json_object_get_string(o),
					(size_t)json_object_get_string_len(o) };
		}
		r->n_replayed = count;
		reply_header(r, "Idempotent-Replayed", S("true"));
	}
	answer_now(r, e);
}

static enum err
send_unit(struct req *r, const struct pipe_statement *s, size_t n, pipe_done *done)
{
	enum err e = pipe_send(r->worker->pipe, r->worker->scratch, s, (int)n, done, r);

	arena_reset(r->worker->scratch);
	return e;
}

static void
ask_replay(struct req *r)
{
	struct pipe_statement s[ASK_STATEMENTS_MAX];
	struct sql_arg caller[CALLER_ARGS], key = { .type = SQL_TEXT, .s = r->idempotency_key };
	size_t n = caller_statement(r, s, caller);
	enum err e;

	s[n++] =
	    (struct pipe_statement){ .query = &query_idempotency_reply, .args = &key, .n_args = 1 };
	if ((e = send_unit(r, s, n, replay)) != ERR_OK)
		reply_error(r, e);
}

static void
answered(void *arg, const struct pipe_reply *reply)
{
	struct req *r = arg;

	if (reply->e == ERR_REPLAY) {
		ask_replay(r);
		return;
	}
	if (reply->e != ERR_OK) {
		r->error_text = arena_str(r->a, reply->text);
	} else {
		take_caller(&r->caller, reply->res[0]);
		take_rows(r, &reply->res[reply->n - 1]);
	}
	answer_now(r, reply->e);
}

enum err
req_ask(struct req *r, const struct query *q, const struct sql_arg *args, int n, answer_fn *answer)
{
	struct pipe_statement s[ASK_STATEMENTS_MAX];
	struct sql_arg caller[CALLER_ARGS], claim[3], with_key[ASK_ARGS_MAX];
	size_t count = caller_statement(r, s, caller);

	if (!r->worker->current)
		return refuse(r, ERR_OVERLOADED,
		    "The database is not at this version; an administrator runs: millracectl "
		    "migrate");
	r->answer = answer;
	r->asked = q;
	if (!is_idempotent(r, q)) {
		s[count++] = (struct pipe_statement){ .query = q, .args = args, .n_args = n };
		return send_unit(r, s, count, answered);
	}
	if (n + 1 > ASK_ARGS_MAX)
		abort();
	claim[0] = (struct sql_arg){ .type = SQL_TEXT, .s = r->idempotency_key };
	claim[1] =
	    (struct sql_arg){ .type = SQL_BYTES, .s = mac(r->a, "idempotency", request_text(r)) };
	claim[2] = (struct sql_arg){ .type = SQL_BYTES,
		.s = mac_old(r->a, "idempotency", request_text(r)) };
	s[count++] = (struct pipe_statement){
		.query = &query_idempotency_claim, .args = claim, .n_args = 3
	};
	if (n > 0)
		memcpy(with_key, args, (size_t)n * sizeof(*args));
	with_key[n] = claim[0];
	s[count++] =
	    (struct pipe_statement){ .query = q, .keep = true, .args = with_key, .n_args = n + 1 };
	return send_unit(r, s, count, answered);
}

enum err
req_also(struct req *r, const struct query *q, const struct sql_arg *args, int n, pipe_done *done)
{
	struct pipe_statement s[2];
	struct sql_arg caller[CALLER_ARGS];
	size_t count = caller_statement(r, s, caller);

	s[count++] = (struct pipe_statement){ .query = q, .args = args, .n_args = n };
	return send_unit(r, s, count, done);
}

int
row_count(const struct req *r)
{
	return r->replayed ? 1 : r->rows ? PQntuples(r->rows) : 0;
}

struct str
row_text(const struct req *r, int row, int column)
{
	if (r->replayed)
		return (size_t)column < r->n_replayed ? r->replayed[column]
						      : (struct str){ NULL, 0 };
	return sql_get(r->rows, row, column);
}

bool
row_bool(const struct req *r, int row, int column)
{
	return sql_text_is_true(row_text(r, row, column));
}

struct uuid
row_uuid(const struct req *r, int row, int column)
{
	struct uuid u = { "" };

	if (!uuid_parse(row_text(r, row, column), &u))
		u.text[0] = '\0';
	return u;
}
