/*
 * Rows as the extractor prints them, a line each, into the database with what they are compared by,
 * some thousand at a time: at no time are more than twice these in memory, and the extractor waits
 * while they are stored.
 */
#include <ctype.h>
#include <stdlib.h>

#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/jobs/task.h"
#include "sql_job.h"

#define BATCH_BYTES ((size_t)2 * 1024 * 1024)
#define COLUMN_NAME_MAX 200 /* bytes */
#define LOOK_ROWS 20 /* of titles above the columns' names */
#define NUMBER_DIGITS 7 /* of what a number without a country has */
#define HALF_WAY 5000 /* rows: how many a file has is not known before its end */

struct reading {
	struct task *t;
	const struct task_source *source;
	struct uuid document;
	const char *name; /* of the file */
	struct str sheet; /* the arena's of the job */
	struct task_columns columns;
	int looked; /* at how many of the sheet's first rows */
	bool wide; /* one of them had more than a cell */
	bool begun; /* they were enough */
	bool has_columns; /* they say what to compare */
	struct str_list held; /* its names; those of groups of columns, as long as not begun */
	struct arena *names; /* the held ones' */
	bool any; /* a sheet's did */
	bool whole; /* the last line was there */
	int64_t first; /* how many rows there were before this file */
	int64_t no_country; /* rows whose number is none without one */

	struct task_flow flow; /* what waits to be stored */
	struct arena *line; /* of one line */
	const char *why; /* it cannot go on, for a person */
	struct outcome o; /* or: the job is to end so */
	bool ended;
};

static bool
end_job(struct reading *r, struct outcome o)
{
	r->o = o;
	r->ended = true;
	return false;
}

/* After a statement of the task's. */
static bool
went_well(struct reading *r, enum err e, PGresult *res)
{
	if (e != ERR_OK)
		return end_job(r, job_db_error(r->t->j, e, "rows could not be stored"));
	if (PQntuples(res) != 1 || PQgetisnull(res, 0, 0))
		return end_job(r, job_lost(r->t->j));
	return true;
}

/* Of all sources, in percent. */
static int64_t
progress(const struct reading *r)
{
	int64_t n = r->t->rows - r->first;

	return (100 * (int64_t)r->t->source + 100 * n / (n + HALF_WAY)) / (int64_t)r->t->n_sources;
}

static size_t
digits(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += isdigit((unsigned char)s.p[i]) != 0;
	return n;
}

static bool
store(void *arg, const struct task_batch *b, const struct task_lists *l, struct outcome *o)
{
	struct reading *r = arg;
	PGresult *res = NULL;
	enum err e = job_runner_task_load(r->t->j, b->a, &res, b->first, b->file, l->ids, l->more,
	    l->e164, l->phone, l->email, l->mailbox, l->name, r->t->rows, progress(r));

	for (size_t i = 0; i < b->n; i++)
		r->no_country += b->k[i].e164.n == 0 && b->k[i].region.n == 0 &&
				 digits(b->k[i].phone) >= NUMBER_DIGITS;
	if (went_well(r, e, res))
		return true;
	*o = r->o;
	return false;
}

/* What is there goes on its way. */
static bool
flush(struct reading *r)
{
	struct task_batch *b = task_flow_batch(&r->flow);
	struct outcome o;

	if (b->n == 0)
		return true;
	b->first = r->t->rows;
	b->file = r->t->files;
	r->t->rows += (int64_t)b->n;
	r->t->bytes += (int64_t)b->bytes;
	return task_flow_next(&r->flow, &o) || end_job(r, o);
}

/* A cell's text: absent for none, and for an error that a formula came to. */
static struct str
text_of(json_object *cell)
{
	if (json_object_is_type(cell, json_type_string))
		return (struct str){ json_object_get_string(cell),
			(size_t)json_object_get_string_len(cell) };
	if (str_eq(json_text(cell, "type"), S("error")))
		return (struct str){ NULL, 0 };
	return json_text(cell, "value");
}

static struct str
cell(const struct str *cells, size_t n, int column)
{
	return column >= 0 && (size_t)column < n && cells[column].p ? cells[column] : S("");
}

static bool
is_taken(const struct str_list *names, struct str name)
{
	for (size_t i = 0; i < names->n; i++)
		if (str_eq(names->p[i], name))
			return true;
	return false;
}

/* The columns' names, each another: "name", "name (2)", "column 4". */
static struct str_list
names_of(struct arena *a, const struct str *cells, size_t n, bool has_names)
{
	struct str_list names = { arena_alloc(a, (n + 1) * sizeof(struct str)), 0 };

	for (size_t i = 0; i < n; i++) {
		struct str name = str_trim(cell(cells, has_names ? n : 0, (int)i)), own;

		if (name.n == 0 || name.n > COLUMN_NAME_MAX)
			name = arena_printf(a, "column %zu", i + 1);
		own = arena_str(a, name);
		for (int k = 2; is_taken(&names, own); k++)
			own = arena_printf(a, "%.*s (%d)", S_ARG(name), k);
		names.p[names.n++] = own;
	}
	return names;
}

static size_t
filled(const struct str *cells, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += str_trim(cell(cells, n, (int)i)).n > 0;
	return count;
}

static bool
begin_rows(struct reading *r, struct str_list names)
{
	struct task *t = r->t;
	PGresult *res = NULL;
	struct str name = r->sheet.n > 0
			      ? arena_printf(r->line, "%s: %.*s", r->name, S_ARG(r->sheet))
			      : str_from(r->name);
	enum err e =
	    job_runner_task_file(t->j, &res, ++t->files, r->source->id, r->document, name, names);

	r->begun = r->has_columns = true;
	return went_well(r, e, res);
}

/* Do these columns begin the rows? What is no name, or one word alone, may be below titles. */
static bool
may_begin(const struct reading *r, const struct task_columns *found)
{
	return found->has_names ? !r->wide || found->meanings > 1 : r->looked == 0;
}

/*
 * The second row of names, below those of groups: where it has none, as below cells that are merged
 * with the one above, the first one's are. False: it is data.
 */
static bool
join_names(struct reading *r, const struct str *cells, size_t n)
{
	size_t most = n > r->held.n ? n : r->held.n;
	struct str *both = arena_alloc(r->line, (most + 1) * sizeof(*both));
	struct task_columns below, joined;

	for (size_t i = 0; i < most; i++) {
		both[i] = cell(cells, n, (int)i);
		if (str_trim(both[i]).n == 0)
			both[i] = cell(r->held.p, r->held.n, (int)i);
	}
	if (!task_columns_find(r->line, cells, n, &r->source->said, &below) || !below.has_names ||
	    below.is_data || !task_columns_find(r->line, both, most, &r->source->said, &joined) ||
	    joined.meanings <= r->columns.meanings)
		return false;
	r->columns = joined;
	r->held = names_of(r->names, both, most, true);
	return true;
}

/*
 * A row before those of data. It says by its names what the columns are, below titles; or, the
 * first, by what stands there, and is data then. Where the names say one thing alone they may be
 * those of groups ("Contact", above "Name", "Phone"): the next row is looked at, too.
 */
static bool
begin_sheet(struct reading *r, const struct str *cells, size_t n, bool *is_data)
{
	struct task_columns found;
	bool good;

	*is_data = false;
	if (filled(cells, n) == 0)
		return true;
	if (r->held.n > 0) {
		*is_data = !join_names(r, cells, n);
		return begin_rows(r, r->held);
	}
	good = task_columns_find(r->line, cells, n, &r->source->said, &found);
	if (!good || !may_begin(r, &found)) {
		r->wide = r->wide || filled(cells, n) > 1;
		r->begun = ++r->looked == LOOK_ROWS;
		return true;
	}
	r->columns = found;
	r->any = true;
	*is_data = !found.has_names;
	r->held = names_of(r->names, cells, n, found.has_names);
	return (found.has_names && found.meanings == 1) || begin_rows(r, r->held);
}

/* What the row has in the first of these columns that is not empty. */
static struct str
cell_of(const struct str *cells, size_t n, const struct task_alike *columns)
{
	struct str found = S("");

	for (int i = 0; i < columns->n && str_trim(found).n == 0; i++)
		found = cell(cells, n, columns->at[i]);
	return found;
}

static struct str
whole_name(const struct reading *r, struct arena *a, const struct str *cells, size_t n)
{
	struct str first = cell(cells, n, r->columns.name);
	struct str last = cell(cells, n, r->columns.last_name);

	if (last.n == 0)
		return arena_str(a, first);
	return arena_printf(a, "%.*s %.*s", S_ARG(first), S_ARG(last));
}

static bool
keep(struct reading *r, int64_t number, const struct str *cells, size_t n)
{
	struct task_batch *to = task_flow_batch(&r->flow);
	struct buf b = { .a = to->a };

	buf_put(&b, S("["));
	for (size_t i = 0; i < n; i++) {
		buf_put(&b, i > 0 ? S(",") : S(""));
		buf_json(&b, cells[i]);
	}
	buf_put(&b, S("]"));
	to->ids[to->n] = arena_printf(to->a, "%lld", (long long)number);
	to->more[to->n] = buf_str(&b);
	to->k[to->n] = (struct task_keys){ .name = whole_name(r, to->a, cells, n),
		.email = arena_str(to->a, cell_of(cells, n, &r->columns.email)),
		.phone = arena_str(to->a, cell_of(cells, n, &r->columns.phone)),
		.region = r->source->said.region };
	to->n++;
	to->bytes += b.n;
	return (to->n < TASK_BATCH_ROWS && to->bytes < BATCH_BYTES) || flush(r);
}

static bool
take_row(struct reading *r, json_object *o, json_object *list_of)
{
	const struct task_batch *b = task_flow_batch(&r->flow);
	size_t n = json_object_array_length(list_of);
	bool is_data = true;
	struct str *cells;

	n = n < TASK_COLUMNS_MAX ? n : TASK_COLUMNS_MAX;
	cells = arena_alloc(r->line, (n + 1) * sizeof(*cells));
	for (size_t i = 0; i < n; i++)
		cells[i] = text_of(json_object_array_get_idx(list_of, i));
	if (!r->begun && !begin_sheet(r, cells, n, &is_data))
		return false;
	/* Totals are no data. */
	if (!r->has_columns || !is_data || json_has(o, "totals"))
		return true;
	if (r->t->rows + (int64_t)b->n >= TASK_ROWS_MAX) {
		r->why = "It has more rows than one task takes: 500,000 of all its sources.";
		return false;
	}
	if (r->t->bytes + (int64_t)b->bytes >= TASK_BYTES_MAX) {
		r->why = "Its rows are more than one task takes: 1 GiB of all its sources.";
		return false;
	}
	return keep(r, json_int(o, "row", 0), cells, n);
}

/* What the extractor has to say of the file: formulas that were never calculated, an encoding. */
static void
take_notices(struct reading *r, json_object *notices)
{
	for (size_t i = 0; i < json_length(notices); i++)
		task_note(r->t, r->source,
		    arena_printf(r->t->j->a, "%s",
			json_object_get_string(json_object_array_get_idx(notices, i)))
			.p);
}

static bool
take_line(void *arg, struct str line)
{
	struct reading *r = arg;
	json_object *o = NULL, *cells;
	bool goes_on = true;
	const char *why;

	if (json_parse(r->line, line, &o, &why) != ERR_OK)
		return end_job(r, job_again("the extractor's output is broken", 0));
	cells = json_at(o, "cells");
	if (json_object_is_type(cells, json_type_array)) {
		goes_on = take_row(r, o, cells);
	} else if (json_has(o, "sheet")) {
		goes_on = flush(r);
		r->sheet = arena_str(r->t->j->a, json_text(o, "sheet"));
		r->begun = r->has_columns = r->wide = false;
		r->looked = 0;
		r->held.n = 0;
		arena_reset(r->names);
	} else if (json_has(o, "end")) {
		r->whole = true;
		take_notices(r, json_at(o, "notices"));
	}
	arena_reset(r->line);
	return goes_on;
}

/* What came of it. */
static bool
conclude(struct reading *r, enum extract_end end, const struct extracted *x, const char **why,
    struct outcome *o)
{
	struct arena *a = r->t->j->a;

	*o = r->o;
	if (r->ended)
		return false;
	if (end == EXTRACT_STOPPED && !r->why) {
		*o = job_stopped();
		return false;
	}
	if (end == EXTRACT_BROKEN || (end == EXTRACT_TEXT && !r->whole)) {
		log_error("extractor: failed", "run", r->t->j->run.text, "error", x->why);
		*o = job_again("the extractor could not be run", 0);
		return false;
	}
	if (!flush(r)) {
		*o = r->o;
		return false;
	}
	if (r->why)
		*why = r->why;
	else if (end == EXTRACT_UNREADABLE)
		*why = arena_printf(a, "%s", x->why).p;
	else if (!r->any)
		*why = "No column of it is known for names, e-mail addresses or phone numbers: "
		       "say in the source's config which is, as [{\"phone\": \"the column's "
		       "name\"}].";
	return true;
}

bool
task_rows_read(struct task *t, const struct task_source *s, struct uuid document, int file,
    const struct extract_how *how, const char **why, struct outcome *o)
{
	struct reading *r = xmalloc(sizeof(*r));
	struct extract_how lines = *how;
	enum extract_end end;
	struct extracted x;
	bool good;

	*r = (struct reading){ .t = t,
		.source = s,
		.document = document,
		.name = s->name.n > 0 ? arena_cstr(t->j->a, s->name) : how->name,
		.first = t->rows,
		.flow = { .j = t->j, .store = store, .arg = r },
		.line = arena_new(),
		.names = arena_new() };
	task_flow_begin(&r->flow);
	lines.line = take_line;
	lines.arg = r;
	*why = NULL;
	end = extract(&t->j->stop, file, &lines, &x);
	good = task_flow_end(&r->flow, conclude(r, end, &x, why, o), o);
	if (good && r->no_country > 0)
		task_note(t, s,
		    arena_printf(t->j->a,
			"Numbers without a country, which are not compared: %lld. Say in the "
			"source's config which it is, as [{\"region\": \"PT\"}].",
			(long long)r->no_country)
			.p);
	free(x.text);
	arena_free(r->line);
	arena_free(r->names);
	free(r);
	return good;
}
