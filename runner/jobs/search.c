/* GET /api/documents/search: the passages that chat would be given, as the request's reply. */
#include <millrace/fields.h>
#include <millrace/json.h>

#include "runner/knowledge/retrieve.h"
#include "runner/runner.h"
#include "sql_runner.h"

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
	struct problems problems = { .json = { .a = j->a } };
	struct passages *found = arena_alloc(j->a, sizeof(*found));
	struct outcome o = { 0 };
	struct str body, data, reply;
	json_object *input;
	const char *why;
	size_t first;
	enum err found_e;

	if (json_parse(j->a, j->input, &input, &why) != ERR_OK ||
	    !json_fields(j->a, search_fields, 2, input, &in, &problems))
		return job_failed(
		    "BAD_REQUEST", "The search needs a text to look for and a limit from 1 to 64.");
	found_e = retrieve(j, in.q, (int)(in.limit ? in.limit : LIMIT_DEFAULT), found, &first);
	if (found_e != ERR_OK)
		return job_db_error(j, found_e, "the search could not be done");
	if (job_stop(j) != STOP_NOT)
		return (struct outcome){ .end = END_STOPPED };
	body = body_of(j->a, found);
	data = arena_printf(j->a, "{\"found\":%zu}", found->n);
	reply = arena_printf(j->a, "{\"status\":200,\"headers\":{},\"body\":%.*s}", S_ARG(body));
	JOB_END(j, &o,
	    db_runner_job_end_done(
		db, j->a, &res, j->run, str_from(me.name), j->attempt, after, data, reply));
	return o;
}
