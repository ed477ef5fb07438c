/* Runs: outcome, stream from where the client was, cancellation. */
#include "handlers/chat/chat.h"
#include "sql_api.h"

struct stream_in {
	int64_t after;
};

static const struct field stream_fields[] = {
	F_INT(struct stream_in, after, 0, INT64_MAX - 1, OPTIONAL),
};
FIELD_TABLE(run_stream_query, struct stream_in, stream_fields, run_stream);

/* GET /api/runs/{id} */
enum err
run_show(struct req *r)
{
	return sql_run_show(r, res_one, path_uuid(r, 0));
}

/* POST /api/runs/{id}/cancel: keeps the output so far; a run that has ended stays as it is. */
enum err
run_cancel(struct req *r)
{
	return sql_run_cancel(r, res_one, path_uuid(r, 0));
}

static enum err
run_resumed(struct req *r)
{
	const int64_t *after = r->state;
	struct grant g = { .after = *after };
	int64_t last;

	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	/* 204 stops an EventSource from reconnecting (HTML, 9.2.3). */
	if (str_int(row_text(r, 0, 2), &last) && *after >= last)
		return reply_json(r, 204, (struct str){ NULL, 0 });
	if (!row_bool(r, 0, 3))
		return refuse(r, ERR_NOT_FOUND,
		    "The run's events are no longer kept; GET /api/runs/{id} has its outcome.");
	g.topic = arena_printf(r->a, "run:%.*s", S_ARG(row_text(r, 0, 0)));
	g.headers[g.n_headers++] = (struct grant_header){ S("X-Run-Id"), row_text(r, 0, 0) };
	if (row_text(r, 0, 1).p)
		g.headers[g.n_headers++] =
		    (struct grant_header){ S("X-Conversation-Id"), row_text(r, 0, 1) };
	return res_stream(r, &g);
}

/* GET /api/runs/{id}/stream: its events after Last-Event-ID, or ?after=, or all. */
enum err
run_stream(struct req *r)
{
	struct stream_in in = { 0 };
	struct str last = req_param(r, "HTTP_LAST_EVENT_ID");
	int64_t *after = arena_alloc(r->a, sizeof(*after));
	enum err e;

	if ((e = query_bind(r, run_stream_query, &in)) != ERR_OK)
		return e;
	*after = in.after;
	if (last.n > 0 && (!str_int(last, after) || *after < 0)) {
		problem_add(&r->problems, S("Last-Event-ID"), "must be the id of an event");
		return ERR_BAD_REQUEST;
	}
	r->state = after;
	return sql_run_resume(r, run_resumed, path_uuid(r, 0));
}
