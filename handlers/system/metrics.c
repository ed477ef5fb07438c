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

/* The family's lines, begun with its HELP and TYPE where it is new; NULL where there are too many.
 */
static struct buf *
family_lines(struct req *r, struct str name, struct str kind, struct str help)
{
	struct exposition *x = r->state;
	struct family *f = x->families;

	while (f < x->families + x->n && !str_eq(f->name, name))
		f++;
	if (f == x->families + x->n) {
		if (x->n == FAMILIES_MAX)
			return NULL;
		x->n++;
		*f = (struct family){ .name = name, .lines.a = r->a };
		buf_printf(&f->lines, "# HELP %.*s %.*s\n# TYPE %.*s %.*s\n", S_ARG(name),
		    S_ARG(help), S_ARG(name), S_ARG(kind));
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

/* `,name="value"` with the value's quotes, backslashes and line breaks escaped. */
static void
put_label(struct buf *b, const char *name, struct str value)
{
	buf_printf(b, "%s=\"", name);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == '\n')
			buf_put(b, S("\\n"));
		else
			buf_printf(b, "%s%c", value.p[i] == '"' || value.p[i] == '\\' ? "\\" : "",
			    value.p[i]);
	buf_put(b, S("\""));
}

/* name{labels} becomes name{role="…",pid="…",labels}. */
static void
put_sample(struct buf *b, const struct req *r, int row, struct str sample, json_object *value)
{
	struct str name, labels = str_cut(sample, '{', &name);

	buf_printf(b, "%.*s{", S_ARG(name));
	put_label(b, "role", row_text(r, row, 0));
	put_label(b, ",pid", row_text(r, row, 1));
	if (labels.p)
		buf_printf(b, ",%.*s", S_ARG(labels));
	else
		buf_put(b, S("}"));
	buf_printf(b, " %s\n", json_object_get_string(value));
}

static bool
is_number(json_object *value)
{
	return json_object_is_type(value, json_type_int) ||
	       json_object_is_type(value, json_type_double);
}

/* One process's stats, as metrics_json wrote them (lib/metrics.c); any other row adds nothing. */
static void
put_process(struct req *r, int row, json_object *stats)
{
	json_object *families = json_at(stats, "families");

	if (!json_object_is_type(families, json_type_object))
		return;
	json_object_object_foreach (families, name, about) {
		struct str kind = json_text(about, "type"), help = json_text(about, "help");
		struct buf *b =
		    kind.p && help.p ? family_lines(r, str_from(name), kind, help) : NULL;

		if (!b)
			continue;
		json_object_object_foreach (stats, sample, value)
			if (is_number(value) &&
			    is_of_family(str_from(sample), name, str_eq(kind, S("histogram"))))
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
		struct buf *up = family_lines(r, S("millrace_process_up"), S("gauge"),
		    S("A process that has refreshed its row within 15 seconds."));

		buf_put(up, S("millrace_process_up{"));
		put_label(up, "role", row_text(r, i, 0));
		put_label(up, ",pid", row_text(r, i, 1));
		put_label(up, ",version", row_text(r, i, 2));
		buf_put(up, S("} 1\n"));
		if (json_parse(r->a, row_text(r, i, 3), &stats, &why) == ERR_OK)
			put_process(r, i, stats);
	}
	for (size_t i = 0; i < x->n; i++)
		buf_put(&text, buf_str(&x->families[i].lines));
	return reply_body(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&text));
}

static enum err
metrics_roles_read(struct req *r)
{
	struct buf *up = family_lines(r, S("millrace_role_up"), S("gauge"),
	    S("Whether a process of the role was there within 15 seconds, on any host: 1, or 0."));

	for (int i = 0; i < row_count(r); i++)
		buf_printf(up, "millrace_role_up{role=\"%.*s\"} %.*s\n", S_ARG(row_text(r, i, 0)),
		    S_ARG(row_text(r, i, 1)));
	return sql_system_processes(r, metrics_processes_read, str_from(process_host()));
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
		{ "millrace_containers_running", "Users' containers that run, start or stop." },
	};

	r->state = arena_alloc(r->a, sizeof(struct exposition));
	for (int i = 0; i < (int)(sizeof(columns) / sizeof(*columns)); i++)
		buf_printf(family_lines(
			       r, str_from(columns[i].name), S("gauge"), str_from(columns[i].help)),
		    "%s %.*s\n", columns[i].name, S_ARG(row_text(r, 0, i)));
	return sql_system_roles(r, metrics_roles_read, S(MILLRACE_VERSION));
}

/* GET /metrics: Prometheus text; nginx lets local addresses only come here. */
enum err
system_metrics(struct req *r)
{
	return sql_system_state(r, metrics_state_read);
}
