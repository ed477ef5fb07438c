/* From a handler's statement to its rows: the unit that goes down the pipe, and what comes back. */
#include <stdlib.h>

#include <millrace/db.h>
#include <millrace/json.h>

#include "fcgi/caller.h"
#include "fcgi/rate.h"
#include "fcgi/worker.h"

/* sql_… functions answer a request; these two statements are parts of a unit. */
extern const struct query query_idempotency_claim;
extern const struct query query_idempotency_reply;
/* Linked in by the test build alone (tests/switches): lets what follows in the unit only read. */
extern const struct query query_read_only __attribute__((weak));

#define ASK_STATEMENTS_MAX 3
#define ASK_ARGS_MAX 16

static bool
is_idempotent(const struct req *r, const struct query *q)
{
	return r->idempotency_key.p && q->sql_keep;
}

/* What the claim's MAC covers: the route and the body. */
static struct str
request_text(struct req *r)
{
	/* Of JSON that was stored r->body is not all. */
	struct str all = r->body_sha256.p ? base64url(r->a, r->body_sha256) : S("");

	return arena_printf(r->a, "%s\n%.*s\n%.*s%.*s", method_name(r->route->method),
	    S_ARG(r->path), S_ARG(r->body), S_ARG(all));
}

/* Runs the second half, or ends the request with an error. */
static void
ask_answer(struct req *r, enum err e)
{
	if (e == ERR_OK)
		e = r->answer(r);
	if (e != ERR_OK)
		r->worker->fail(r, e);
}

/* Keeps a result as the request's rows; of a reply in pieces, only as the present page's. */
static void
ask_keep_rows(struct req *r, PGresult **res)
{
	struct arena *a = r->page ? r->page : r->a;

	if (r->page)
		arena_reset(r->page);
	r->rows = *res;
	*res = NULL;
	sql_adopt(a, r->rows);
}

/* Completes the caller from the first statement's row, which alone knows whose a key is. */
static void
ask_complete_caller(struct caller *c, const PGresult *row)
{
	if (c->how == CALLER_KEY || c->how == CALLER_EXTERNAL)
		(void)!uuid_parse(sql_get(row, 0, 0), &c->user);
	if (c->how == CALLER_KEY) {
		rate_know_key(c->key_hash, &c->user);
		(void)!uuid_parse(sql_get(row, 0, 1), &c->key);
		(void)!str_int(sql_get(row, 0, 2), &c->claims.expires_at);
	}
}

/* The stored row is an array of texts; the second half sees it as its one row. */
static void
ask_replayed(void *arg, const struct pipe_reply *reply)
{
	struct req *r = arg;
	const PGresult *last;
	enum err e = reply->e;
	json_object *stored = NULL;
	const char *why;

	if (e == ERR_OK) {
		last = reply->res[reply->n - 1];
		if (PQntuples(last) != 1 ||
		    json_parse(r->a, sql_get(last, 0, 0), &stored, &why) != ERR_OK)
			e = ERR_OVERLOADED;
	}
	if (e == ERR_OK) {
		ask_complete_caller(&r->caller, reply->res[0]);
		r->n_replayed = json_object_array_length(stored);
		r->replayed = arena_alloc(r->a, (r->n_replayed + 1) * sizeof(*r->replayed));
		for (size_t i = 0; i < r->n_replayed; i++) {
			json_object *o = json_object_array_get_idx(stored, i);

			if (o)
				r->replayed[i] = (struct str){ json_object_get_string(o),
					(size_t)json_object_get_string_len(o) };
		}
		reply_header(r, "Idempotent-Replayed", S("true"));
	}
	ask_answer(r, e);
}

static enum err
ask_send(struct req *r, struct pipe_statement *s, size_t n, pipe_done *done)
{
	enum err e = share_send(r, s, (int)n, done);

	if (e == ERR_OVERLOADED)
		r->error_text = S(DB_AWAY);
	return e;
}

/* Puts the unit's last statement behind the `n` others; the unit's length. */
static size_t
ask_statement(struct pipe_statement *s, size_t n, struct pipe_statement own)
{
	if (&query_read_only && own.query->reads && pipe_unit_reads(s, (int)n))
		s[n++] = (struct pipe_statement){ .query = &query_read_only };
	s[n++] = own;
	return n;
}

/* The Idempotency-Key was claimed before: asks for the row that its request was answered with. */
static void
ask_replay(struct req *r)
{
	struct pipe_statement s[ASK_STATEMENTS_MAX];
	struct sql_arg caller[CALLER_ARGS], key = { .type = SQL_TEXT, .s = r->idempotency_key };
	size_t n = caller_statement(r, s, caller);
	enum err e;

	n = ask_statement(s, n,
	    (struct pipe_statement){
		.query = &query_idempotency_reply, .args = &key, .n_args = 1 });
	if ((e = ask_send(r, s, n, ask_replayed)) != ERR_OK)
		r->worker->fail(r, e);
}

static void
ask_done(void *arg, const struct pipe_reply *reply)
{
	struct req *r = arg;

	if (reply->e == ERR_REPLAY) {
		ask_replay(r);
		return;
	}
	if (reply->e == ERR_UNAUTHORIZED && r->caller.how == CALLER_KEY)
		rate_forget_key(r->caller.key_hash);
	if (reply->e != ERR_OK) {
		r->error_text = arena_str(r->a, reply->text);
	} else {
		ask_complete_caller(&r->caller, reply->res[0]);
		ask_keep_rows(r, &reply->res[reply->n - 1]);
	}
	ask_answer(r, reply->e);
}

enum err
req_ask(struct req *r, const struct query *q, const struct sql_arg *args, int n, answer_fn *answer)
{
	struct pipe_statement s[ASK_STATEMENTS_MAX];
	struct sql_arg caller[CALLER_ARGS], claim[3], with_key[ASK_ARGS_MAX];
	size_t count = caller_statement(r, s, caller);

	if (!r->worker->current && pipe_is_up(r->worker->pipe))
		return refuse(r, ERR_OVERLOADED,
		    "The database is not at this version; an administrator runs: millracectl "
		    "migrate");
	r->answer = answer;
	if (!is_idempotent(r, q)) {
		count = ask_statement(
		    s, count, (struct pipe_statement){ .query = q, .args = args, .n_args = n });
		return ask_send(r, s, count, ask_done);
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
	return ask_send(r, s, count, ask_done);
}

enum err
req_also(struct req *r, const struct query *q, const struct sql_arg *args, int n, pipe_done *done)
{
	struct pipe_statement s[ASK_STATEMENTS_MAX];
	struct sql_arg caller[CALLER_ARGS];
	size_t count = caller_statement(r, s, caller);

	count = ask_statement(
	    s, count, (struct pipe_statement){ .query = q, .args = args, .n_args = n });
	return ask_send(r, s, count, done);
}
