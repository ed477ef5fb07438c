/*
 * A task of a process: reads the rows of its data sources, stores them, makes of them what they are
 * compared by, and looks for leads that have the same, or a similar name. How far it is stands in
 * the database after each ten thousand rows or so (sql/functions/tasks.sql), and a new attempt goes
 * on from there; but reading begins anew.
 */
#include <ctype.h>
#include <string.h>

#include <millrace/config.h>
#include <millrace/json.h>

#include "runner/jobs/kinds.h"
#include "runner/jobs/task.h"
#include "runner/thread.h"
#include "sql_job.h"

#define CLEAR_ROWS 5000
#define TURN_MS 1000 /* until a task looks again whether it is its turn */
#define MATCH_ROWS 100000
#define COMPARE_ROWS 20000
#define COMPARE_NAMES 500 /* in one statement */
#define COMPARE_MAX 20000 /* names that are looked up: some milliseconds each */

/* After a statement of the task's: true, or *o is the job's end. */
static bool
went_well(struct job *j, enum err e, PGresult *res, struct outcome *o)
{
	if (e != ERR_OK)
		*o = job_db_error(j, e, "the task could not go on");
	else if (PQntuples(res) != 1 || PQgetisnull(res, 0, 0))
		*o = job_lost(j);
	else if (stop_why(&j->stop) != STOP_NOT)
		*o = job_stopped();
	else
		return true;
	return false;
}

static bool
begin_step(struct task *t, const char *step, struct str error, struct outcome *o)
{
	PGresult *res = NULL;
	enum err e = job_runner_task_step(t->j, &res, str_from(step), error);

	return went_well(t->j, e, res, o);
}

/* --- extract, load and transform --- */

static void
read_said(struct arena *a, struct str config, struct task_said *out)
{
	json_object *o = NULL;
	const char *why;

	if (json_parse(a, config, &o, &why) != ERR_OK)
		return;
	for (size_t i = 0; i < json_object_array_length(o); i++) {
		json_object *one = json_object_array_get_idx(o, i);
		const struct {
			const char *name;
			struct str *to;
		} members[] = { { "name", &out->name }, { "email", &out->email },
			{ "phone", &out->phone }, { "region", &out->region } };

		for (size_t m = 0; m < sizeof(members) / sizeof(*members); m++)
			if (json_text(one, members[m].name).n > 0)
				*members[m].to = json_text(one, members[m].name);
	}
	if (out->region.n != 2 || !isalpha((unsigned char)out->region.p[0]) ||
	    !isalpha((unsigned char)out->region.p[1]))
		out->region = S("");
	else
		out->region = arena_printf(a, "%c%c", toupper((unsigned char)out->region.p[0]),
		    toupper((unsigned char)out->region.p[1]));
}

static struct task_source
source_of(struct job *j, PGresult *rows, int i)
{
	struct task_source s = { .platform = sql_get(rows, i, 1),
		.resource = sql_get(rows, i, 2),
		.name = sql_get(rows, i, 3),
		.secret = sql_get(rows, i, 5),
		.headers = sql_get(rows, i, 6) };

	(void)uuid_parse(sql_get(rows, i, 0), &s.id);
	read_said(j->a, sql_get(rows, i, 4), &s.said);
	return s;
}

void
task_note(struct task *t, const struct task_source *s, const char *why)
{
	struct str name = s->name.n > 0 ? s->name : s->platform;

	t->errors = arena_printf(t->j->a, "%.*s%s%.*s: %s", S_ARG(t->errors),
	    t->errors.n > 0 ? " " : "", S_ARG(name), why);
}

/* A source that could not be read is told of; what may pass is tried again, all from the start. */
static bool
read_source(struct task *t, const struct task_source *s, struct outcome *o)
{
	struct job *j = t->j;
	PGresult *res = NULL;
	const char *why;
	bool later;
	enum err e;

	if (!task_source_read(t, s, &why, &later, o))
		return false;
	if (why && later && j->attempt < j->max_attempts) {
		*o = job_again(why, 0);
		return false;
	}
	if (why)
		task_note(t, s, why);
	e = job_runner_task_source_answered(j, &res, s->id, str_from(why));
	return went_well(j, e, res, o);
}

static bool
clear(struct task *t, struct outcome *o)
{
	PGresult *res = NULL;

	do {
		enum err e = job_runner_task_clear(t->j, &res, CLEAR_ROWS);

		if (!went_well(t->j, e, res, o))
			return false;
	} while (sql_bool(res, 0, 0));
	return true;
}

static bool
extract_step(struct task *t, struct outcome *o)
{
	struct job *j = t->j;
	PGresult *rows = NULL;
	enum err e;

	t->rows = 0;
	if (!clear(t, o))
		return false;
	if ((e = job_runner_task_sources(j, &rows, t->process)) != ERR_OK) {
		*o = job_db_error(j, e, "the data sources could not be looked up");
		return false;
	}
	t->n_sources = (size_t)PQntuples(rows);
	for (t->source = 0; t->source < t->n_sources; t->source++) {
		struct task_source s = source_of(j, rows, (int)t->source);

		if (!read_source(t, &s, o))
			return false;
	}
	if (t->rows > 0)
		return begin_step(t, "match", t->errors, o);
	*o = job_failed("NO_ROWS", t->n_sources == 0 ? "The process has no data sources."
				   : t->errors.n > 0 ? t->errors.p
						     : "The data sources have no rows.");
	return false;
}

/* --- match --- */

/* Leads on their way to being matched. */
struct leads {
	struct job *j;
	struct str region; /* of numbers without a country */
	struct uuid after; /* up to which they were read */
};

/* The next of those that have changed since they were looked at last. */
static bool
read_leads(struct leads *l, struct task_batch *b, struct outcome *o)
{
	PGresult *rows = NULL;
	enum err e = job_runner_leads_without_keys(
	    l->j, b->a, &rows, l->j->owner, l->region, l->after, TASK_BATCH_ROWS);

	if (e != ERR_OK) {
		*o = job_db_error(l->j, e, "leads could not be read");
		return false;
	}
	b->n = (size_t)PQntuples(rows);
	for (size_t i = 0; i < b->n; i++) {
		b->ids[i] = sql_get(rows, (int)i, 0);
		b->more[i] = sql_get(rows, (int)i, 1);
		b->k[i] = (struct task_keys){ .name = sql_get(rows, (int)i, 2),
			.email = sql_get(rows, (int)i, 3),
			.phone = sql_get(rows, (int)i, 4),
			.region = l->region };
	}
	return b->n == 0 || uuid_parse(b->ids[b->n - 1], &l->after);
}

static bool
store_leads(void *arg, const struct task_batch *b, const struct task_lists *l, struct outcome *o)
{
	struct leads *leads = arg;
	PGresult *res = NULL;
	enum err e = job_runner_lead_keys_store(b->j, b->a, &res, b->j->owner, leads->region,
	    l->ids, l->more, l->e164, l->phone, l->email, l->mailbox, l->name);

	return went_well(b->j, e, res, o);
}

/* Numbers of leads without a country are of the sources' region, where these say one. */
static bool
find_region(struct task *t, struct str *region, struct outcome *o)
{
	PGresult *rows = NULL;

	*region = S("");
	if (job_runner_task_sources(t->j, &rows, t->process) != ERR_OK) {
		*o = job_again("the data sources could not be looked up", 0);
		return false;
	}
	for (int i = 0; i < PQntuples(rows) && region->n == 0; i++) {
		struct str said = source_of(t->j, rows, i).said.region;

		*region = said.p ? said : S("");
	}
	return true;
}

static bool
index_leads(struct task *t, struct outcome *o)
{
	struct leads leads = { .j = t->j, .after = { "00000000-0000-0000-0000-000000000000" } };
	struct task_flow f = { .j = t->j, .store = store_leads, .arg = &leads };
	PGresult *res = NULL;
	bool good = true;
	size_t n;
	enum err e;

	if (!find_region(t, &leads.region, o))
		return false;
	task_flow_begin(&f);
	do {
		struct task_batch *b = task_flow_batch(&f);

		good = read_leads(&leads, b, o);
		n = b->n;
		good = good && task_flow_next(&f, o);
	} while (good && n == TASK_BATCH_ROWS);
	if (!task_flow_end(&f, good, o))
		return false;
	e = job_runner_lead_keys_stored(t->j, &res);
	return went_well(t->j, e, res, o);
}

static bool
match_step(struct task *t, int64_t at, struct outcome *o)
{
	PGresult *res = NULL;

	if (!index_leads(t, o))
		return false;
	while (at < t->rows) {
		int64_t upto = at + MATCH_ROWS < t->rows ? at + MATCH_ROWS : t->rows;
		enum err e = job_runner_task_match(t->j, &res, at, upto);

		if (!went_well(t->j, e, res, o))
			return false;
		at = upto;
	}
	return begin_step(t, "compare", (struct str){ NULL, 0 }, o);
}

static bool
compare_step(struct task *t, int64_t at, int64_t compared, struct outcome *o)
{
	struct str why = { NULL, 0 };
	PGresult *res = NULL;

	while (at < t->rows && compared < COMPARE_MAX) {
		int64_t upto = at + COMPARE_ROWS < t->rows ? at + COMPARE_ROWS : t->rows;
		int64_t left = COMPARE_MAX - compared;
		enum err e = job_runner_task_compare(
		    t->j, &res, at, upto, left < COMPARE_NAMES ? left : COMPARE_NAMES);

		if (!went_well(t->j, e, res, o))
			return false;
		(void)str_int(sql_get(res, 0, 0), &at);
		(void)str_int(sql_get(res, 0, 1), &compared);
	}
	if (at < t->rows)
		why = S("Similar names were looked for only of the first 20,000.");
	return begin_step(t, "end", why, o);
}

/* --- */

/* The steps from the one that is to be done on. */
static bool
walk(struct task *t, struct str step, int64_t at, int64_t compared, struct outcome *o)
{
	bool from = str_eq(step, S("extract"));

	if (from && !extract_step(t, o))
		return false;
	if (from || str_eq(step, S("match"))) {
		if (!match_step(t, from ? 0 : at, o))
			return false;
		from = true;
	}
	if (from || str_eq(step, S("compare")))
		return compare_step(t, from ? 0 : at, compared, o);
	return true;
}

struct outcome
task_run(struct job *j)
{
	struct task t = { .j = j, .errors = { NULL, 0 } };
	int64_t at = 0, compared = 0;
	PGresult *row = NULL;
	struct outcome o;
	enum err e = job_runner_task_turn(j, &row);

	if (!went_well(j, e, row, &o))
		return o;
	if (!sql_bool(row, 0, 0))
		return job_again("an earlier task of the process is under way", TURN_MS);
	if ((e = job_runner_task_claim(j, &row)) != ERR_OK)
		return job_db_error(j, e, "the task could not be looked up");
	if (PQntuples(row) != 1 || !uuid_parse(sql_get(row, 0, 0), &t.process))
		return job_failed("NOT_FOUND", "The process was deleted.");
	if (!str_int(sql_get(row, 0, 2), &at) || !str_int(sql_get(row, 0, 3), &t.rows) ||
	    !str_int(sql_get(row, 0, 4), &compared))
		return job_again("the task's row is broken", 0);
	if (!walk(&t, sql_get(row, 0, 1), at, compared, &o))
		return o;
	return job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
}
