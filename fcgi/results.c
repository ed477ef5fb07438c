#include <millrace/config.h>

#include "fcgi/request.h"

#define CALL_WAIT_S 600 /* as long as the vendors' clients wait, and less than nginx does */

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

static const struct field list_fields[] = {
	F_PAGE(struct list_in),
};
FIELD_TABLE(list_query, struct list_in, list_fields, NULL);

int64_t
list_rows(struct req *r, int64_t limit)
{
	r->list_limit = limit > 0 ? limit : PAGE_ROWS_DEFAULT;
	return r->list_limit + 1;
}

/* The same address, with `before` the last row shown. Other parameters stay as they came. */
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
	int64_t limit = r->list_limit;
	int n = row_count(r), shown = 0;
	struct buf b = { .a = r->a };

	buf_put(&b, S("["));
	for (; shown < n && shown < limit && row_text(r, shown, 0).p; shown++) {
		buf_put(&b, shown ? S(",") : S(""));
		buf_put(&b, row_text(r, shown, 0));
	}
	buf_put(&b, S("]"));
	if (n > shown)
		link_next(r, row_text(r, shown - 1, 1));
	return reply_json(r, 200, buf_str(&b));
}

bool
list_goes_on(struct req *r, struct uuid *before)
{
	return row_count(r) > 0 && !row_text(r, 0, 0).p && uuid_parse(row_text(r, 0, 1), before);
}

enum err
res_page(struct req *r)
{
	struct str cursor = row_count(r) > 0 ? row_text(r, 0, 1) : (struct str){ NULL, 0 };

	if (cursor.p)
		link_next(r, cursor);
	return res_one(r);
}

static void
grant_number(struct req *r, struct grant *g, const char *name, int64_t value)
{
	if (g->n_headers < GRANT_HEADERS_MAX)
		g->headers[g->n_headers++] = (struct grant_header){ str_from(name),
			arena_printf(r->a, "%lld", (long long)value) };
}

/* nginx drops a worker's headers at X-Accel-Redirect, so the reply's own travel in the grant. */
static enum err
hand_over(struct req *r, struct grant *g, struct str path)
{
	const struct external *external = r->caller.external;

	g->method = r->method;
	g->user = r->caller.user;
	g->session = r->caller.claims.session;
	g->key = r->caller.key;
	if (external)
		g->token_hash =
		    (struct str){ (const char *)external->hash, sizeof(external->hash) };
	/* An external token may be good for a minute; a run that it has begun ends by itself. */
	if (!external || !str_starts(g->topic, S("run:")))
		g->expires_at = r->caller.claims.expires_at;
	g->request_id = r->request_id;
	if (r->rate_limit > 0) {
		grant_number(r, g, "X-RateLimit-Limit", r->rate_limit);
		grant_number(r, g, "X-RateLimit-Remaining", r->rate_remaining);
		grant_number(r, g, "X-RateLimit-Reset", r->rate_reset);
	}
	if (r->allowed_origin.n > 0 && g->n_headers < GRANT_HEADERS_MAX)
		g->headers[g->n_headers++] =
		    (struct grant_header){ S(ALLOWED_ORIGIN), r->allowed_origin };
	reply_header(r, "X-Accel-Redirect", arena_printf(r->a, "/_stream/%.*s", S_ARG(path)));
	reply_header(r, "X-Grant", grant_write(r->a, g));
	return reply_body(r, 200, NULL, S(""));
}

/* "run/<id>" for the topic run:<id>. */
static struct str
run_path(struct req *r, const struct grant *g, const char *target)
{
	struct str id = str_cut(g->topic, ':', &(struct str){ NULL, 0 });

	return arena_printf(r->a, "%s/%.*s", target, S_ARG(id));
}

enum err
res_stream(struct req *r, struct grant *g)
{
	return hand_over(r, g, run_path(r, g, "run"));
}

enum err
res_socket(struct req *r, struct grant *g, struct str path)
{
	return hand_over(r, g, path);
}

enum err
res_deferred(struct req *r, struct grant *g)
{
	if (g->wait_seconds == 0)
		g->wait_seconds = config()->reply_seconds;
	return hand_over(r, g, run_path(r, g, "reply"));
}

enum err
res_run_reply_or(struct req *r, int column, int status, struct str body)
{
	struct str run = row_text(r, 0, column);
	struct grant g = { .timeout_status = status, .timeout_body = body };

	if (row_count(r) == 0 || !run.p)
		return ERR_NOT_FOUND;
	g.topic = arena_printf(r->a, "run:%.*s", S_ARG(run));
	g.headers[g.n_headers++] = (struct grant_header){ S("X-Run-Id"), run };
	return res_deferred(r, &g);
}

enum err
res_run_reply(struct req *r, int column)
{
	struct str run = row_text(r, 0, column);
	struct buf b = { .a = r->a };

	buf_put(&b, S("{"));
	reply_error_members(&b, ERR_UPSTREAM_TIMEOUT, (struct str){ NULL, 0 });
	buf_put(&b, S(",\"run_id\":"));
	buf_json(&b, run);
	buf_put(&b, S(",\"request_id\":"));
	buf_json(&b, r->request_id);
	buf_put(&b, S("}"));
	return res_run_reply_or(r, column, err_info(ERR_UPSTREAM_TIMEOUT)->status, buf_str(&b));
}

enum err
res_call(struct req *r, struct str run)
{
	struct grant g = { .streams = true,
		.wait_seconds = CALL_WAIT_S,
		.cancels = strcmp(config()->lost_streams, "stop") == 0 };

	if (face_is_path(r->path)) {
		g.face = str_starts(r->path, S("/v1/chat/")) ? FACE_PLAIN : FACE_NAMED;
		g.timeout_status = err_info(ERR_UPSTREAM_TIMEOUT)->status;
		g.timeout_body =
		    face_error(r->a, ERR_UPSTREAM_TIMEOUT, (struct str){ NULL, 0 }, r->request_id);
	}
	g.topic = arena_printf(r->a, "run:%.*s", S_ARG(run));
	g.headers[g.n_headers++] = (struct grant_header){ S("X-Run-Id"), run };
	return hand_over(r, &g, run_path(r, &g, "call"));
}
