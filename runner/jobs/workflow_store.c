#include <string.h>

#include "runner/jobs/workflow.h"
#include "sql_job.h"

/* What has become of a step since it was stored last. */
struct unstored {
	struct str id;
	int n;
	int64_t tries;
	const char *status;
	struct str input, output; /* JSON; absent: what is stored stays, or none */
	const char *problem;
	bool asks;
	int64_t seconds;
};

void
walk_room(struct walk *w, int n)
{
	w->unstored = arena_alloc(w->j->a, (size_t)(n + 1) * sizeof(*w->unstored));
}

/* The step's entry, which is the last from now on. */
static struct unstored *
entry(struct walk *w, const struct step *s, const char *status)
{
	struct unstored u = { .id = s->id, .n = s->n };
	size_t i = 0;

	while (i < w->n_unstored && w->unstored[i].n != s->n)
		i++;
	if (i < w->n_unstored) {
		u = w->unstored[i];
		memmove(w->unstored + i, w->unstored + i + 1,
		    (w->n_unstored - i - 1) * sizeof(*w->unstored));
		w->n_unstored--;
	}
	u.status = status;
	u.tries = s->tries;
	w->unstored[w->n_unstored] = u;
	return &w->unstored[w->n_unstored++];
}

void
step_tried(struct walk *w, const struct step *s, struct str input)
{
	entry(w, s, "running")->input = input;
}

void
step_ended(struct walk *w, const struct step *s, struct str output, const char *problem)
{
	struct unstored *u = entry(w, s, problem ? "failed" : "completed");

	u->output = output;
	u->problem = problem;
}

void
step_waits(struct walk *w, const struct step *s, int64_t seconds, bool asks, const char *problem)
{
	struct unstored *u = entry(w, s, "waiting");

	u->seconds = seconds;
	u->asks = asks;
	u->problem = problem;
}

static void
put_entry(struct buf *b, const struct unstored *u)
{
	buf_printf(b, "{\"n\":%d,\"id\":", u->n);
	buf_json(b, u->id);
	buf_printf(b, ",\"status\":\"%s\",\"tries\":%lld", u->status, (long long)u->tries);
	if (u->input.p) {
		buf_put(b, S(",\"input\":"));
		buf_put(b, u->input);
	}
	if (u->output.p) {
		buf_put(b, S(",\"output\":"));
		buf_put(b, u->output);
	}
	if (u->problem) {
		buf_put(b, S(",\"error\":"));
		buf_json(b, str_from(u->problem));
	}
	if (u->seconds)
		buf_printf(b, ",\"seconds\":%lld", (long long)u->seconds);
	buf_put(b, u->asks ? S(",\"asks\":true}") : S("}"));
}

struct str
walk_unstored(struct walk *w)
{
	struct buf b = { .a = w->j->a };

	buf_put(&b, S("["));
	for (size_t i = 0; i < w->n_unstored; i++) {
		buf_put(&b, i > 0 ? S(",") : S(""));
		put_entry(&b, &w->unstored[i]);
	}
	buf_put(&b, S("]"));
	return buf_str(&b);
}

struct str
walk_progress(struct walk *w)
{
	return arena_printf(
	    w->j->a, "%.4f", w->n_all > 0 ? (double)w->n_ended / (double)w->n_all : 0.0);
}

void
walk_stored(struct walk *w)
{
	w->n_unstored = 0;
}

bool
walk_store(struct walk *w)
{
	PGresult *res = NULL;

	if (w->n_unstored == 0)
		return true;
	w->e = job_runner_workflow_store(w->j, &res, walk_unstored(w), walk_progress(w));
	if (w->e == ERR_OK && !sql_bool(res, 0, 0))
		(void)job_lost(w->j);
	if (w->e != ERR_OK || stop_why(&w->j->stop) == STOP_LOST)
		return false;
	walk_stored(w);
	return true;
}
