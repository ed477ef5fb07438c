/* GET /metrics: the queue as the database has it, and the counters of each process of this host. */
#include <millrace/json.h>
#include <millrace/process.h>

#include "handlers/system/system.h"
#include "sql_api.h"

#define FAMILIES_MAX 128

/* Prometheus wants the lines of a family together, and they come from many processes. */
struct exposition {
	struct family {
		struct str name;
		struct buf lines;
	} families[FAMILIES_MAX];
	size_t n;
};

/* The family's lines, begun with its HELP and TYPE where it is new. */
static struct buf *
family_lines(struct req *r, struct str name, const char *kind, const char *help)
{
	struct exposition *x = r->state;
	struct family *f = x->families;

	while (f < x->families + x->n && !str_eq(f->name, name))
		f++;
	if (f == x->families + x->n) {
		if (x->n++ == FAMILIES_MAX)
			abort();
		*f = (struct family){ .name = name, .lines.a = r->a };
		buf_printf(&f->lines, "# HELP %.*s %s\n# TYPE %.*s %s\n", S_ARG(name), help,
		    S_ARG(name), kind);
	}
	return &f->lines;
}

/* Is `sample` (with its labels) of this family? */
static bool
is_of_family(struct str sample, const char *name, bool histogram)
{
	struct str bare, rest;

	(void)str_cut(sample, '{', &bare);
	if (!str_starts(bare, str_from(name)))
		return false;
	rest = (struct str){ bare.p + strlen(name), bare.n - strlen(name) };
	return histogram ? str_eq(rest, S("_bucket")) || str_eq(rest, S("_sum")) ||
			       str_eq(rest, S("_count"))
			 : rest.n == 0;
}

/* name{labels} becomes name{role="…",pid="…",labels}. */
static void
put_sample(struct buf *b, const struct req *r, int row, struct str sample, json_object *value)
{
	struct str name, labels = str_cut(sample, '{', &name);

	buf_printf(b, "%.*s{role=\"%.*s\",pid=\"%.*s\"", S_ARG(name), S_ARG(row_text(r, row, 0)),
	    S_ARG(row_text(r, row, 1)));
	if (labels.p)
		buf_printf(b, ",%.*s", S_ARG(labels));
	else
		buf_put(b, S("}"));
	buf_printf(b, " %s\n", json_object_get_string(value));
}

/* One process's stats, as metrics_json wrote them (lib/metrics.c). */
static void
put_process(struct req *r, int row, json_object *stats)
{
	json_object_object_foreach (json_at(stats, "families"), name, about) {
		const char *kind = json_object_get_string(json_object_array_get_idx(about, 0)),
			   *help = json_object_get_string(json_object_array_get_idx(about, 1));
		bool histogram = str_eq(str_from(kind), S("histogram"));
		struct buf *b = family_lines(r, str_from(name), kind, help);

		json_object_object_foreach (stats, sample, value)
			if (is_of_family(str_from(sample), name, histogram))
				put_sample(b, r, row, str_from(sample), value);
	}
}

static enum err
metrics_processes_read(struct req *r)
{
	struct exposition *x = r->state;
	struct buf text = { .a = r->a };
	json_object *stats;
	const char *why;

	for (int i = 0; i < row_count(r); i++) {
		buf_printf(family_lines(r, S("millrace_process_up"), "gauge",
			       "A process that has refreshed its row within 20 seconds."),
		    "millrace_process_up{role=\"%.*s\",pid=\"%.*s\",version=\"%.*s\"} 1\n",
		    S_ARG(row_text(r, i, 0)), S_ARG(row_text(r, i, 1)), S_ARG(row_text(r, i, 2)));
		if (json_parse(r->a, row_text(r, i, 3), &stats, &why) == ERR_OK)
			put_process(r, i, stats);
	}
	for (size_t i = 0; i < x->n; i++)
		buf_put(&text, buf_str(&x->families[i].lines));
	return reply_body(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&text));
}

static enum err
metrics_state_read(struct req *r)
{
	static const struct {
		const char *name, *help;
	} columns[] = {
		{ "millrace_migration", "The last migration of the database." },
		{ "millrace_jobs_queued", "Jobs that wait for a runner." },
		{ "millrace_jobs_leased", "Jobs that a runner has leased." },
		{ "millrace_jobs_dead", "Jobs given up after their last attempt, and kept." },
		{ "millrace_queue_oldest_seconds", "How long the oldest due job has waited." },
		{ "millrace_runs_open", "Runs that have not ended." },
	};

	r->state = arena_alloc(r->a, sizeof(struct exposition));
	for (int i = 0; i < (int)(sizeof(columns) / sizeof(*columns)); i++)
		buf_printf(family_lines(r, str_from(columns[i].name), "gauge", columns[i].help),
		    "%s %.*s\n", columns[i].name, S_ARG(row_text(r, 0, i)));
	return sql_system_processes(r, metrics_processes_read, str_from(process_host()));
}

/* GET /metrics: Prometheus text; nginx lets local addresses only come here. */
enum err
system_metrics(struct req *r)
{
	return sql_system_state(r, metrics_state_read);
}
