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
#define KEYS_ROWS 10000
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

/* --- extract and load --- */

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

static void
note_error(struct task *t, const struct task_source *s, const char *why)
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
		note_error(t, s, why);
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
		return begin_step(t, "transform", t->errors, o);
	*o = job_failed("NO_ROWS", t->n_sources == 0 ? "The process has no data sources."
				   : t->errors.n > 0 ? t->errors.p
						     : "The data sources have no rows.");
	return false;
}

/* --- transform --- */

struct keys_lists {
	struct str_list ids, changed, e164, phone, email, mailbox, name;
};

static struct str_list
new_list(struct arena *a, size_t n)
{
	return (struct str_list){ arena_alloc(a, (n + 1) * sizeof(struct str)), n };
}

/* As statements take them. */
static struct keys_lists
lists_of(struct arena *a, const struct task_keys *k, size_t n)
{
	struct keys_lists l = { new_list(a, n), new_list(a, n), new_list(a, n), new_list(a, n),
		new_list(a, n), new_list(a, n), new_list(a, n) };

	for (size_t i = 0; i < n; i++) {
		l.e164.p[i] = k[i].e164;
		l.phone.p[i] = k[i].phone_key;
		l.email.p[i] = k[i].email_key;
		l.mailbox.p[i] = k[i].mailbox_key;
		l.name.p[i] = k[i].name_key;
	}
	return l;
}

/*
 * Some rows, or leads, on their way. Their keys are made in a thread of its own, which alone has
 * the batch meanwhile: the processor's time that libphonenumber takes is not the database's.
 */
struct batch {
	struct job *j;
	struct arena *a;
	PGresult *rows;
	struct task_keys *k;
	size_t n;
	bool last; /* there are no more behind it */
	pthread_t thread;
	bool runs; /* the thread */
	bool good; /* the keys were made; else the job is to end, with o */
	struct outcome o;
};

struct flow {
	struct task *t;
	/* The next KEYS_ROWS at most, and `last`; false: the job is to end, with *o. */
	bool (*read)(struct flow *f, struct batch *b, struct outcome *o);
	bool (*store)(struct flow *f, struct batch *b, struct outcome *o);
	int64_t at; /* of rows, up to which they were read */
	struct uuid after; /* of leads */
	struct str region; /* of leads' numbers without a country */
};

static void *
make_keys(void *arg)
{
	struct batch *b = arg;

	b->good = task_keys_make(b->j, b->a, b->k, b->n, &b->o);
	return NULL;
}

/* Waits for its keys. */
static bool
batch_wait(struct batch *b, struct outcome *o)
{
	if (b->runs)
		pthread_join(b->thread, NULL);
	b->runs = false;
	if (!b->good)
		*o = b->o;
	return b->good;
}

/* Of rows whose name, address and number begin at this column. */
static void
take_rows(struct flow *f, struct batch *b, int column)
{
	b->n = (size_t)PQntuples(b->rows);
	b->k = arena_alloc(b->a, (b->n + 1) * sizeof(*b->k));
	for (size_t i = 0; i < b->n; i++)
		b->k[i] = (struct task_keys){ .name = sql_get(b->rows, (int)i, column),
			.email = sql_get(b->rows, (int)i, column + 1),
			.phone = sql_get(b->rows, (int)i, column + 2),
			.region = f->region.p ? f->region : sql_get(b->rows, (int)i, column + 3) };
}

/* The next batch, whose keys begin to be made. */
static bool
flow_begin(struct flow *f, struct batch *b, struct outcome *o)
{
	arena_reset(b->a);
	if (!f->read(f, b, o))
		return false;
	b->runs = thread_start(&b->thread, make_keys, b, false);
	if (!b->runs)
		make_keys(b);
	return true;
}

/* While the keys of one batch are made the one before is stored. */
static bool
flow_run(struct flow *f, struct outcome *o)
{
	struct batch both[2] = { { .j = f->t->j, .a = arena_new() },
		{ .j = f->t->j, .a = arena_new() } };
	bool good = flow_begin(f, &both[0], o);

	for (size_t i = 0; good; i = 1 - i) {
		struct batch *b = &both[i], *next = &both[1 - i];

		good = batch_wait(b, o) && (b->last || flow_begin(f, next, o)) &&
		       (b->n == 0 || f->store(f, b, o));
		if (b->last)
			break;
		if (!good && next->runs)
			pthread_join(next->thread, NULL);
	}
	arena_free(both[0].a);
	arena_free(both[1].a);
	return good;
}

static bool
read_rows(struct flow *f, struct batch *b, struct outcome *o)
{
	struct job *j = b->j;
	int64_t after = f->at;
	enum err e;

	f->at += KEYS_ROWS;
	b->last = f->at >= f->t->rows;
	e = job_runner_task_rows(j, b->a, &b->rows, j->run, after, f->at);
	if (e != ERR_OK) {
		*o = job_db_error(j, e, "rows could not be read back");
		return false;
	}
	take_rows(f, b, 1);
	return true;
}

static bool
store_rows(struct flow *f, struct batch *b, struct outcome *o)
{
	struct keys_lists l = lists_of(b->a, b->k, b->n);
	PGresult *res = NULL;
	enum err e;

	(void)f;
	for (size_t i = 0; i < b->n; i++)
		l.ids.p[i] = sql_get(b->rows, (int)i, 0);
	e = job_runner_task_transformed(
	    b->j, b->a, &res, l.ids, l.e164, l.phone, l.email, l.mailbox, l.name);
	return went_well(b->j, e, res, o);
}

static bool
transform_step(struct task *t, int64_t at, struct outcome *o)
{
	struct flow f = { .t = t, .read = read_rows, .store = store_rows, .at = at };

	return flow_run(&f, o) && begin_step(t, "match", (struct str){ NULL, 0 }, o);
}

/* --- match --- */

/* Leads that have changed since they were looked at last. */
static bool
read_leads(struct flow *f, struct batch *b, struct outcome *o)
{
	struct job *j = b->j;
	enum err e = job_runner_leads_without_keys(
	    j, b->a, &b->rows, j->owner, f->region, f->after, KEYS_ROWS);

	if (e != ERR_OK) {
		*o = job_db_error(j, e, "leads could not be read");
		return false;
	}
	take_rows(f, b, 2);
	b->last = b->n < KEYS_ROWS;
	return b->n == 0 || uuid_parse(sql_get(b->rows, (int)b->n - 1, 0), &f->after);
}

static bool
store_leads(struct flow *f, struct batch *b, struct outcome *o)
{
	struct keys_lists l = lists_of(b->a, b->k, b->n);
	PGresult *res = NULL;
	enum err e;

	for (size_t i = 0; i < b->n; i++) {
		l.ids.p[i] = sql_get(b->rows, (int)i, 0);
		l.changed.p[i] = sql_get(b->rows, (int)i, 1);
	}
	e = job_runner_lead_keys_store(b->j, b->a, &res, b->j->owner, f->region, l.ids, l.changed,
	    l.e164, l.phone, l.email, l.mailbox, l.name);
	return went_well(b->j, e, res, o);
}

/* Numbers of leads without a country are of the sources' region, where these say one. */
static bool
index_leads(struct task *t, struct outcome *o)
{
	struct flow f = { .t = t,
		.read = read_leads,
		.store = store_leads,
		.after = { "00000000-0000-0000-0000-000000000000" },
		.region = S("") };
	PGresult *rows = NULL;
	enum err e = job_runner_task_sources(t->j, &rows, t->process);

	if (e != ERR_OK) {
		*o = job_again("the data sources could not be looked up", 0);
		return false;
	}
	for (int i = 0; i < PQntuples(rows) && f.region.n == 0; i++) {
		struct str region = source_of(t->j, rows, i).said.region;

		f.region = region.p ? region : S("");
	}
	if (!flow_run(&f, o))
		return false;
	e = job_runner_lead_keys_stored(t->j, &rows);
	return went_well(t->j, e, rows, o);
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
	if (from || str_eq(step, S("transform"))) {
		if (!transform_step(t, from ? 0 : at, o))
			return false;
		from = true;
	}
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
	if ((e = job_runner_task_take(j, &row)) != ERR_OK)
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
