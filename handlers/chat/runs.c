/* Runs: outcome, stream from where the client was, cancellation. */
#include <millrace/sse.h>

#include "handlers/chat/chat.h"
#include "sql_api.h"

#define EVENT_ID_MAX (INT64_MAX - 1)

struct stream_in {
	int64_t after;
	struct str last_event_id;
};

static const struct field stream_fields[] = {
	F_INT(struct stream_in, after, 0, EVENT_ID_MAX, OPTIONAL),
	F_STR(struct stream_in, last_event_id, 0, 1000, OPTIONAL),
};
FIELD_TABLE(run_stream_query, struct stream_in, stream_fields, NULL);

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

/* Is it an event's id? Clients pass on what others have sent them, so anything else is none. */
static bool
read_event_id(struct str text, int64_t *id)
{
	int64_t n;

	if (!str_int(text, &n) || n < 0 || n > EVENT_ID_MAX)
		return false;
	*id = n;
	return true;
}

/*
 * Every event has been seen. 204 stops an EventSource from reconnecting (HTML, 9.2.3); programs
 * take it for no event stream, and try again.
 */
static enum err
run_is_over(struct req *r)
{
	reply_header(r, "X-Run-Id", row_text(r, 0, 0));
	if (route_is_event_source(r->route))
		return reply_json(r, 204, (struct str){ NULL, 0 });
	return reply_body(r, 200, SSE_TYPE, S(": every event has been seen\n"));
}

enum err
run_resumed(struct req *r)
{
	const int64_t *after = r->state;
	struct grant g = { .after = *after };
	int64_t last;

	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	if (str_int(row_text(r, 0, 2), &last) && *after >= last)
		return run_is_over(r);
	if (!row_bool(r, 0, 3))
		return refuse(r, ERR_NOT_FOUND,
		    "The run's events are no longer kept; GET /api/runs/{id} has its outcome.");
	return run_reply_stream(r, &g);
}

enum err
run_reply_stream(struct req *r, struct grant *g)
{
	struct str run = row_text(r, 0, 0), conversation = row_text(r, 0, 1);

	g->topic = arena_printf(r->a, "run:%.*s", S_ARG(run));
	g->headers[g->n_headers++] = (struct grant_header){ S("X-Run-Id"), run };
	if (conversation.p)
		g->headers[g->n_headers++] =
		    (struct grant_header){ S("X-Conversation-Id"), conversation };
	return res_stream(r, g);
}

void
run_resume_after(struct req *r, int64_t otherwise)
{
	int64_t *after = arena_alloc(r->a, sizeof(*after));

	*after = otherwise;
	(void)run_has_seen(r, after);
	r->state = after;
}

bool
run_has_seen(struct req *r, int64_t *after)
{
	return read_event_id(req_param(r, "HTTP_LAST_EVENT_ID"), after);
}

enum err
run_resume(struct req *r, struct uuid run, int64_t otherwise)
{
	run_resume_after(r, otherwise);
	return sql_run_resume(r, run_resumed, run);
}

enum err
run_stream_offset(struct req *r, int64_t *after)
{
	struct stream_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, run_stream_query, &in)) != ERR_OK)
		return e;
	(void)read_event_id(in.last_event_id, &in.after);
	*after = in.after;
	return ERR_OK;
}

/*
 * GET /api/runs/{id}/stream: its events after Last-Event-ID, ?lastEventId= or ?after=, or all.
 * reconnecting-eventsource makes a new EventSource with ?lastEventId= where one has given up; the
 * header, which that sends when it reconnects, is the later of the two.
 */
enum err
run_stream(struct req *r)
{
	int64_t after;
	enum err e;

	if ((e = run_stream_offset(r, &after)) != ERR_OK)
		return e;
	return run_resume(r, path_uuid(r, 0), after);
}
