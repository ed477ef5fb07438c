/* GET /api/documents/search: the passages that chat would be given, as the request's reply. */
#include "runner/jobs/kinds.h"
#include "runner/knowledge/retrieve.h"
#include "sql_job.h"

#define LIMIT_DEFAULT 10

struct search_in {
	struct str q;
	int64_t limit;
};

static const struct field search_fields[] = {
	F_STR(struct search_in, q, 1, INT32_MAX, REQUIRED),
	F_INT(struct search_in, limit, 1, PASSAGES_MAX, OPTIONAL),
};

static struct str
body_of(struct arena *a, const struct passages *found)
{
	struct buf b = { .a = a };

	buf_put(&b, S("["));
	for (size_t i = 0; i < found->n; i++) {
		if (i > 0)
			buf_put(&b, S(","));
		passage_json(&b, &found->p[i], 0);
	}
	buf_put(&b, S("]"));
	return buf_str(&b);
}

struct outcome
search_run(struct job *j)
{
	struct search_in in = { 0 };
	struct passages *found = arena_alloc(j->a, sizeof(*found));
	struct outcome o;
	struct str body, data, reply;
	size_t first;
	enum err e;

	if (!job_input(j, search_fields, 2, &in, &o))
		return o;
	e = retrieve(j, in.q, (int)(in.limit ? in.limit : LIMIT_DEFAULT), found, &first);
	if (e != ERR_OK)
		return job_db_error(j, e, "the search could not be done");
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	body = body_of(j->a, found);
	data = arena_printf(j->a, "{\"found\":%zu}", found->n);
	reply = arena_printf(j->a, "{\"status\":200,\"headers\":{},\"body\":%.*s}", S_ARG(body));
	return job_end_runner_job_end_done(j, data, reply);
}
