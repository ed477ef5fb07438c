/* The tools of agents that look for leads, and say what they think of them. */
#include <millrace/json.h>

#include "runner/models/tools.h"
#include "sql_job.h"

#define LEADS_SHOWN 10

struct query_in {
	struct str query;
};

struct rank_in {
	struct str leads; /* an array */
};

struct rate_in {
	int64_t score;
	struct str summary;
	struct str next_action;
};

static const struct field query_in_fields[] = {
	F_STR(struct query_in, query, 1, 2000, REQUIRED),
};

static const struct field rank_fields[] = {
	F_ARRAY(struct rank_in, leads, 100000, REQUIRED),
};

static const struct field rate_fields[] = {
	F_INT(struct rate_in, score, 0, 100, REQUIRED),
	F_STR(struct rate_in, summary, 1, 2000, REQUIRED),
	F_STR(struct rate_in, next_action, 1, 500, REQUIRED),
};

enum err
tool_search_leads(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct query_in in = { 0 };
	struct buf b = { .a = j->a };
	PGresult *res = NULL;
	enum err e;

	(void)found;
	if ((*failed = !tool_bind(j, call, query_in_fields, 1, &in)))
		return ERR_OK;
	if ((e = job_runner_leads_rank(j, &res, j->owner, in.query, LEADS_SHOWN)) != ERR_OK)
		return e;
	for (int i = 0; i < PQntuples(res); i++) {
		buf_put(&b, sql_get(res, i, 0));
		buf_put(&b, S("\n"));
	}
	call->output = b.n > 0 ? buf_str(&b) : S("There are no leads.");
	return ERR_OK;
}

/* Is each entry what the schema says? The database takes them as they are. */
static bool
is_ranking(struct arena *a, struct str leads)
{
	static const char *const wanted[] = { "id", "score", "reasons" };
	static const json_type types[] = { json_type_string, json_type_int, json_type_array };
	json_object *list, *member;
	const char *why;

	if (json_parse(a, leads, &list, &why) != ERR_OK)
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		for (size_t k = 0; k < 3; k++) {
			member = json_at(json_object_array_get_idx(list, i), wanted[k]);
			if (!member || !json_object_is_type(member, types[k]))
				return false;
		}
	return true;
}

static bool
bind_ranking(struct job *j, struct tool_call *call, struct rank_in *in)
{
	if (!tool_bind(j, call, rank_fields, 1, in))
		return false;
	call->output = S("Each entry must have id, score (a whole number) and reasons.");
	return is_ranking(j->a, in->leads);
}

enum err
tool_rank_leads(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct rank_in in = { 0 };

	(void)found;
	if (!(*failed = !bind_ranking(j, call, &in)))
		call->output = S("Noted. Now say in a few sentences what you found.");
	return ERR_OK;
}

enum err
tool_rate_lead(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct rate_in in = { 0 };

	(void)found;
	if (!(*failed = !tool_bind(j, call, rate_fields, 3, &in)))
		call->output = S("Noted.");
	return ERR_OK;
}

struct str
tool_rating_json(struct arena *a, int64_t score, struct str summary, struct str next_action)
{
	struct buf b = { .a = a };

	buf_printf(&b, "{\"score\":%lld,\"summary\":", (long long)score);
	buf_json(&b, summary);
	buf_put(&b, S(",\"next_action\":"));
	buf_json(&b, next_action);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

struct str
tool_report(struct job *j, struct tool_call call)
{
	struct rank_in rank = { 0 };
	struct rate_in rate = { 0 };

	if (str_eq(call.name, S("rank_leads")) && bind_ranking(j, &call, &rank))
		return rank.leads;
	if (str_eq(call.name, S("rate_lead")) && tool_bind(j, &call, rate_fields, 3, &rate))
		return tool_rating_json(j->a, rate.score, rate.summary, rate.next_action);
	return (struct str){ NULL, 0 };
}
