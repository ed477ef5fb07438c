/* What goes out: replies, the shared answer's halves, the error shape, the hand-over to streamd. */
#include <time.h>

#include <millrace/config.h>

#include "fcgi/worker.h"

#define RETRY_AFTER_S "2"

enum err
refuse(struct req *r, enum err e, const char *text)
{
	r->error_text = str_from(text);
	return e;
}

void
reply_header(struct req *r, const char *name, struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return;
	buf_printf(&r->headers, "%s: %.*s\r\n", name, S_ARG(value));
}

static void
reply_number(struct req *r, const char *name, int64_t value)
{
	buf_printf(&r->headers, "%s: %lld\r\n", name, (long long)value);
}

void
reply_head(struct req *r, struct buf *head, int status, const char *content_type)
{
	buf_printf(head, "Status: %d\r\n", status);
	if (content_type)
		buf_printf(head, "Content-Type: %s\r\n", content_type);
	if (r->rate_limit > 0) {
		reply_number(r, "X-RateLimit-Limit", r->rate_limit);
		reply_number(r, "X-RateLimit-Remaining", r->rate_remaining);
		reply_number(r, "X-RateLimit-Reset", r->rate_reset);
	}
	buf_put(head, buf_str(&r->headers));
}

/* Writes the head and the body at once, and ends the exchange. */
static void
send_reply(struct req *r, int status, const char *content_type, struct str body)
{
	struct buf head = { .a = r->a };

	reply_head(r, &head, status, content_type);
	if (status != 204)
		buf_printf(&head, "Content-Length: %zu\r\n", body.n);
	buf_put(&head, S("\r\n"));
	/* A failed write shows itself at the end: libfcgi closes the connection, and worker.c sees that. */
	(void)FCGX_PutStr(head.p, (int)head.n, r->fcgx.out);
	if (body.n > 0)
		(void)FCGX_PutStr(body.p, (int)body.n, r->fcgx.out);
	r->replied = true;
	req_end(r, status);
}

enum err
reply_body(struct req *r, int status, const char *content_type, struct str body)
{
	send_reply(r, status, content_type, body);
	return ERR_OK;
}

enum err
reply_json(struct req *r, int status, struct str json)
{
	return reply_body(r, status, json.p ? "application/json" : NULL, json);
}

void
reply_error(struct req *r, enum err e)
{
	const struct err_info *info = err_info(e);
	struct str text = r->error_text.p ? r->error_text : str_from(info->text);
	struct buf b = { .a = r->a };

	if (r->pieces) {
		reply_break(r);
		return;
	}
	if (e == ERR_UNAUTHORIZED && caller_in_band(r) && r->route->nobody(r) == ERR_OK)
		return;
	if (e == ERR_RATE_LIMITED)
		reply_number(r, "Retry-After",
		    r->rate_reset - time(NULL) > 0 ? r->rate_reset - time(NULL) : 1);
	if (e == ERR_OVERLOADED)
		reply_header(r, "Retry-After", S(RETRY_AFTER_S));
	if (e == ERR_UNAUTHORIZED)
		reply_header(r, "WWW-Authenticate", S("Bearer"));
	buf_put(&b, S("{\"error\":"));
	buf_json(&b, text);
	buf_printf(&b, ",\"code\":\"%s\",\"detail\":", info->code);
	buf_json(&b, text);
	buf_put(&b, S(",\"request_id\":"));
	buf_json(&b, r->request_id);
	if (r->problems.n > 0)
		buf_printf(&b, ",\"fields\":[%.*s]", S_ARG(buf_str(&r->problems.json)));
	buf_put(&b, S("}"));
	send_reply(r, info->status, "application/json", buf_str(&b));
}

static enum err
first_column(struct req *r, int status)
{
	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	return reply_json(r, status, row_text(r, 0, 0));
}

enum err
res_one(struct req *r)
{
	return first_column(r, 200);
}

enum err
res_created(struct req *r)
{
	return first_column(r, 201);
}

enum err
res_accepted(struct req *r)
{
	return first_column(r, 202);
}

enum err
res_empty(struct req *r)
{
	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	return reply_json(r, 204, (struct str){ NULL, 0 });
}

int64_t
list_rows(struct req *r, const struct list_in *in)
{
	int64_t *limit = arena_alloc(r->a, sizeof(*limit));

	*limit = in->limit > 0 ? in->limit : LIST_LIMIT_DEFAULT;
	r->state = limit;
	return *limit + 1;
}

/* RFC 8288: the same address, with `before` the last row shown. Other parameters stay as they came. */
static void
link_next(struct req *r, struct str cursor)
{
	struct buf b = { .a = r->a };
	struct str rest = r->query_string, pair;

	buf_printf(&b, "<%.*s?", S_ARG(r->path));
	while (rest.n > 0) {
		rest = str_cut(rest, '&', &pair);
		if (!str_starts(pair, S("before=")) && pair.n > 0 && !memchr(pair.p, '>', pair.n))
			buf_printf(&b, "%.*s&", S_ARG(pair));
	}
	buf_printf(&b, "before=%.*s>; rel=\"next\"", S_ARG(cursor));
	reply_header(r, "Link", buf_str(&b));
}

enum err
res_list(struct req *r)
{
	int64_t limit = *(int64_t *)r->state;
	int n = row_count(r), shown = n > limit ? (int)limit : n;
	struct buf b = { .a = r->a };

	buf_put(&b, S("["));
	for (int i = 0; i < shown; i++) {
		buf_put(&b, i ? S(",") : S(""));
		buf_put(&b, row_text(r, i, 0));
	}
	buf_put(&b, S("]"));
	if (n > shown)
		link_next(r, row_text(r, shown - 1, 1));
	return reply_json(r, 200, buf_str(&b));
}

/* nginx drops a worker's headers at X-Accel-Redirect, so what belongs to the reply travels in the grant. */
static void
grant_number(struct req *r, struct grant *g, const char *name, int64_t value)
{
	if (g->n_headers < GRANT_HEADERS_MAX)
		g->headers[g->n_headers++] = (struct grant_header){ str_from(name),
			arena_printf(r->a, "%lld", (long long)value) };
}

static enum err
hand_over(struct req *r, struct grant *g, struct str to)
{
	const struct external *external = r->caller.external;

	g->method = r->method;
	g->user = r->caller.user;
	g->session = r->caller.claims.session;
	g->key = r->caller.key;
	if (external)
		g->token_hash =
		    (struct str){ (const char *)external->hash, sizeof(external->hash) };
	g->expires_at = r->caller.claims.expires_at;
	g->request_id = r->request_id;
	if (r->rate_limit > 0) {
		grant_number(r, g, "X-RateLimit-Limit", r->rate_limit);
		grant_number(r, g, "X-RateLimit-Remaining", r->rate_remaining);
		grant_number(r, g, "X-RateLimit-Reset", r->rate_reset);
	}
	reply_header(r, "X-Accel-Redirect", arena_printf(r->a, "/_stream/%.*s", S_ARG(to)));
	reply_header(r, "X-Grant", grant_write(r->a, g));
	return reply_body(r, 200, NULL, S(""));
}

/* "run/<id>" for the topic run:<id>. */
static struct str
run_path(struct req *r, const struct grant *g, const char *what)
{
	struct str id = str_cut(g->topic, ':', &(struct str){ NULL, 0 });

	return arena_printf(r->a, "%s/%.*s", what, S_ARG(id));
}

enum err
res_stream(struct req *r, struct grant *g)
{
	return hand_over(r, g, run_path(r, g, "run"));
}

enum err
res_socket(struct req *r, struct grant *g, struct str to)
{
	return hand_over(r, g, to);
}

enum err
res_deferred(struct req *r, struct grant *g)
{
	if (g->wait_seconds == 0)
		g->wait_seconds = config()->reply_seconds;
	return hand_over(r, g, run_path(r, g, "reply"));
}

enum err
res_run_reply(struct req *r, int column)
{
	struct str run = row_text(r, 0, column);
	const struct err_info *late = err_info(ERR_UPSTREAM_TIMEOUT);
	struct buf b = { .a = r->a };
	struct grant g = { .timeout_status = late->status };

	if (row_count(r) == 0 || !run.p)
		return ERR_NOT_FOUND;
	buf_put(&b, S("{\"error\":"));
	buf_json(&b, str_from(late->text));
	buf_printf(&b, ",\"code\":\"%s\",\"detail\":", late->code);
	buf_json(&b, str_from(late->text));
	buf_put(&b, S(",\"run_id\":"));
	buf_json(&b, run);
	buf_put(&b, S(",\"request_id\":"));
	buf_json(&b, r->request_id);
	buf_put(&b, S("}"));
	g.timeout_body = buf_str(&b);
	g.topic = arena_printf(r->a, "run:%.*s", S_ARG(run));
	g.headers[g.n_headers++] = (struct grant_header){ S("X-Run-Id"), run };
	return res_deferred(r, &g);
}
