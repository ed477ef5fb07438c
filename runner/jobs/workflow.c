#include <string.h>

#include <millrace/config.h>
#include <millrace/json.h>

#include "runner/jobs/kinds.h"
#include "runner/jobs/workflow.h"
#include "runner/jobs/workflow_value.h"
#include "sql_job.h"

#define AGENT_TIMEOUT_S 900 /* of a step that says nothing else */
#define CROWDED_S 5 /* until an agent is invoked again where too much waited */
#define HELD_MAX ((size_t)4 * 1024 * 1024) /* bytes of all outputs of a run */
#define GIVEN_MAX ((size_t)16 * 1024 * 1024) /* bytes of all inputs of a walk */

/* Columns of runner_workflow_steps. */
enum {
	ROW_ID,
	ROW_STATUS,
	ROW_TRIES,
	ROW_OUTPUT,
	ROW_ERROR,
	ROW_DUE,
	ROW_APPROVED,
	ROW_HAS_CHILD,
	ROW_CHILD_STATUS,
	ROW_CHILD_RESULT,
	ROW_CHILD_ERROR
};

static enum step_end walk_steps(struct walk *w, json_object *steps);

/* -- what a step's row says -- */

static struct str
row_get(const struct walk *w, const struct step *s, int column)
{
	return s->row >= 0 ? sql_get(w->rows, s->row, column) : (struct str){ NULL, 0 };
}

static bool
row_is(const struct walk *w, const struct step *s, const char *status)
{
	return str_eq(row_get(w, s, ROW_STATUS), str_from(status));
}

/* The step, and what is known of it; its place is counted. */
static struct step
step_at(struct walk *w, json_object *at)
{
	struct step s = { .at = at, .id = json_text(at, "id"), .n = w->n++, .row = -1 };

	for (int i = 0; w->rows && i < PQntuples(w->rows); i++)
		if (str_eq(sql_get(w->rows, i, ROW_ID), s.id))
			s.row = i;
	if (s.row >= 0)
		(void)str_int(row_get(w, &s, ROW_TRIES), &s.tries);
	return s;
}

/* -- a step's end -- */

/* The output, a JSON text or absent, can be referred to from now on. False: it is too much. */
static bool
keep_output(struct walk *w, struct str id, struct str output, const char **why)
{
	json_object *step = json_object_new_object(), *o = NULL;

	w->held += output.n;
	*why = "the outputs of all steps together are longer than 4 MiB";
	if (w->held > HELD_MAX || (output.p && !str_eq(output, S("null")) &&
				      json_parse(w->j->a, output, &o, why) != ERR_OK)) {
		json_object_put(step);
		return false;
	}
	json_object_object_add(step, "output", json_object_get(o));
	json_object_object_add(json_at(w->scope, "steps"), arena_cstr(w->j->a, id), step);
	w->n_ended++;
	return true;
}

static enum step_end
step_failed(struct walk *w, const struct step *s, const char *problem)
{
	step_ended(w, s, (struct str){ NULL, 0 }, problem);
	w->why = arena_printf(w->j->a, "The step %.*s failed: %s", S_ARG(s->id), problem).p;
	return STEP_FAILED;
}

static enum step_end
step_done(struct walk *w, const struct step *s, struct str output)
{
	const char *why;

	if (!keep_output(w, s->id, output, &why))
		return step_failed(
		    w, s, arena_printf(w->j->a, "its output cannot be kept: %s.", why).p);
	step_ended(w, s, output, NULL);
	return STEP_DONE;
}

/* Another try after a while, where the step has tries left. */
static enum step_end
step_failed_once(struct walk *w, const struct step *s, const char *problem, bool again)
{
	if (!again || s->tries > json_int(s->at, "retries", 0))
		return step_failed(w, s, problem);
	step_waits(w, s, INT64_C(1) << (s->tries < 8 ? s->tries : 8), false, problem);
	return STEP_WAITS;
}

/* -- steps -- */

/* Fills in what the step is given: its member, or all of it. False: *end is how it ended. */
static bool
step_begin(
    struct walk *w, struct step *s, const char *member, struct str *input, enum step_end *end)
{
	json_object *given = member ? json_at(s->at, member) : s->at;

	s->tries++;
	*input = given ? workflow_fill(w->j->a, w->scope, given) : S("{}");
	w->given += input->n;
	if (input->p && w->given <= GIVEN_MAX) {
		step_tried(w, s, *input);
		return true;
	}
	*end = step_failed(w, s,
	    input->p ? "the inputs of the steps together are longer than 16 MiB."
		     : "its input is longer than 1 MiB.");
	return false;
}

/* On disk before it is done, whose effect may be elsewhere, or which may take seconds. */
static enum step_end
at_once(struct walk *w, struct step *s,
    bool (*run)(struct walk *w, json_object *step, struct str input, struct effect *out),
    const char *member)
{
	struct effect out = { 0 };
	struct str input;
	enum step_end end;

	if (!step_begin(w, s, member, &input, &end))
		return end;
	if (!walk_store(w) || !run(w, s->at, input, &out))
		return STEP_STOPPED;
	return out.problem ? step_failed_once(w, s, out.problem, out.again)
			   : step_done(w, s, out.output);
}

/* Without an expression it gives its input as it is: that needs no jq. */
static enum step_end
transform(struct walk *w, struct step *s)
{
	struct str input;
	enum step_end end;

	if (json_at(s->at, "expression"))
		return at_once(w, s, workflow_transform, "input");
	return step_begin(w, s, "input", &input, &end) ? step_done(w, s, input) : end;
}

static enum step_end
agent_begins(struct walk *w, struct step *s)
{
	PGresult *res = NULL;
	struct str input, refused;
	enum step_end end;

	if (!step_begin(w, s, "input", &input, &end))
		return end;
	step_waits(w, s, workflow_timeout(s->at, AGENT_TIMEOUT_S), false, NULL);
	w->e = job_runner_workflow_agent(w->j, &res, walk_unstored(w), walk_progress(w),
	    json_text(s->at, "agent"), config()->queue_max,
	    strcmp(config()->credits, "required") == 0);
	if (w->e != ERR_OK)
		return STEP_STOPPED;
	if (!sql_bool(res, 0, 0)) {
		(void)job_lost(w->j);
		return STEP_STOPPED;
	}
	walk_stored(w);
	refused = sql_get(res, 0, 1);
	if (!refused.p)
		return STEP_WAITS;
	if (!sql_bool(res, 0, 2))
		return step_failed(w, s, arena_cstr(w->j->a, refused));
	s->tries--;
	step_waits(w, s, CROWDED_S, false, arena_cstr(w->j->a, refused));
	return STEP_WAITS;
}

/* Its run has ended, or its time is over. */
static enum step_end
agent_ended(struct walk *w, struct step *s)
{
	struct str status = row_get(w, s, ROW_CHILD_STATUS);
	struct str error = row_get(w, s, ROW_CHILD_ERROR);

	if (str_eq(status, S("completed")))
		return step_done(w, s, row_get(w, s, ROW_CHILD_RESULT));
	return step_failed_once(
	    w, s, error.n > 0 ? arena_cstr(w->j->a, error) : "the agent took too long.", true);
}

static enum step_end
agent(struct walk *w, struct step *s, bool due)
{
	return due && sql_bool(w->rows, s->row, ROW_HAS_CHILD) ? agent_ended(w, s)
							       : agent_begins(w, s);
}

static enum step_end
approval(struct walk *w, struct step *s, bool due)
{
	struct str input, approved = row_get(w, s, ROW_APPROVED);
	enum step_end end;

	if (due && !approved.p)
		return step_failed(w, s, "nobody approved it in time.");
	if (due)
		return sql_bool(w->rows, s->row, ROW_APPROVED)
			   ? step_done(w, s, S("{\"approved\":true}"))
			   : step_failed(w, s, "it was not approved.");
	if (!step_begin(w, s, "message", &input, &end))
		return end;
	step_waits(w, s, workflow_timeout(s->at, WAIT_FOREVER), true, NULL);
	return STEP_WAITS;
}

static enum step_end
wait_step(struct walk *w, struct step *s, bool due)
{
	struct str input;
	enum step_end end;

	if (due)
		return step_done(w, s, S("null"));
	if (!step_begin(w, s, "seconds", &input, &end))
		return end;
	step_waits(w, s, json_int(s->at, "seconds", 1), false, NULL);
	return STEP_WAITS;
}

/* -- steps that hold steps -- */

static int count_steps(json_object *steps);

/* What a step of this type holds; NULL: it is of another, whose unknown members nobody checked. */
static json_object *
held_by(json_object *at, const char *type, const char *member)
{
	json_object *held = json_at(at, member);

	return str_eq(json_text(at, "type"), str_from(type)) &&
		       json_object_is_type(held, json_type_array)
		   ? held
		   : NULL;
}

/* How many steps have a row in this one, with it: a parallel has none. */
static int
count_step(json_object *at)
{
	json_object *branches = held_by(at, "parallel", "branches");
	int n = branches == NULL;

	for (size_t i = 0; branches && i < json_object_array_length(branches); i++)
		n += count_steps(json_object_array_get_idx(branches, i));
	return n + count_steps(held_by(at, "condition", "then")) +
	       count_steps(held_by(at, "condition", "else"));
}

static int
count_steps(json_object *steps)
{
	int n = 0;

	for (size_t i = 0; steps && i < json_object_array_length(steps); i++)
		n += count_step(json_object_array_get_idx(steps, i));
	return n;
}

static void
pass_by(struct walk *w, json_object *steps)
{
	w->n += count_steps(steps);
	w->n_ended += count_steps(steps);
}

/* What was decided once stays so. */
static enum step_end
condition(struct walk *w, struct step *s)
{
	json_object *then = json_at(s->at, "then"), *otherwise = json_at(s->at, "else");
	bool decided = row_is(w, s, "completed");
	enum step_end end;

	if (!decided && (end = at_once(w, s, workflow_condition, "condition")) != STEP_DONE) {
		w->n += count_steps(then) + count_steps(otherwise);
		return end;
	}
	if (json_object_get_boolean(json_at(
		json_at(json_at(w->scope, "steps"), arena_cstr(w->j->a, s->id)), "output"))) {
		end = walk_steps(w, then);
		pass_by(w, otherwise);
		return end;
	}
	pass_by(w, then);
	return otherwise ? walk_steps(w, otherwise) : STEP_DONE;
}

/* Each branch goes on as far as it can; the first failure is the step's. */
static enum step_end
parallel(struct walk *w, json_object *at)
{
	json_object *branches = json_at(at, "branches");
	bool waits = false;

	for (size_t i = 0; i < json_object_array_length(branches); i++) {
		enum step_end end = walk_steps(w, json_object_array_get_idx(branches, i));

		if (end == STEP_FAILED || end == STEP_STOPPED)
			return end;
		waits = waits || end == STEP_WAITS;
	}
	return waits ? STEP_WAITS : STEP_DONE;
}

/* A step that has not ended; `due`: it has waited, and does no more. */
static enum step_end
go_on(struct walk *w, struct step *s, bool due)
{
	struct str type = json_text(s->at, "type");

	if (str_eq(type, S("agent")))
		return agent(w, s, due);
	if (str_eq(type, S("wait")))
		return wait_step(w, s, due);
	if (str_eq(type, S("approval")))
		return approval(w, s, due);
	if (str_eq(type, S("http")))
		return at_once(w, s, workflow_http, NULL);
	if (str_eq(type, S("condition")))
		return condition(w, s);
	return transform(w, s);
}

static enum step_end
walk_step(struct walk *w, json_object *at)
{
	struct step s;
	const char *why;

	if (stop_why(&w->j->stop) != STOP_NOT)
		return STEP_STOPPED;
	if (held_by(at, "parallel", "branches"))
		return parallel(w, at);
	s = step_at(w, at);
	if (row_is(w, &s, "failed"))
		return step_failed(w, &s, arena_cstr(w->j->a, row_get(w, &s, ROW_ERROR)));
	if (row_is(w, &s, "completed")) {
		(void)keep_output(w, s.id, row_get(w, &s, ROW_OUTPUT), &why);
		return held_by(at, "condition", "then") ? condition(w, &s) : STEP_DONE;
	}
	if (row_is(w, &s, "waiting") && !sql_bool(w->rows, s.row, ROW_DUE))
		return STEP_WAITS;
	return go_on(w, &s, row_is(w, &s, "waiting"));
}

/* All places are counted, also of steps that do not begin yet. */
static enum step_end
walk_steps(struct walk *w, json_object *steps)
{
	enum step_end end = STEP_DONE;

	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		json_object *at = json_object_array_get_idx(steps, i);

		if (end == STEP_DONE)
			end = walk_step(w, at);
		else
			w->n += count_step(at);
	}
	return end;
}

/* -- the job -- */

/* What the steps at the top gave, by their ids. */
static struct str
outputs(struct walk *w, json_object *steps)
{
	struct buf b = { .a = w->j->a };

	buf_put(&b, S("{"));
	for (size_t i = 0; i < json_object_array_length(steps); i++) {
		struct str id = json_text(json_object_array_get_idx(steps, i), "id");
		json_object *kept = json_at(json_at(w->scope, "steps"), arena_cstr(w->j->a, id));

		if (!kept)
			continue;
		buf_put(&b, b.n > 1 ? S(",") : S(""));
		buf_json(&b, id);
		buf_put(&b, S(":"));
		buf_put(&b, str_from(json_object_to_json_string(json_at(kept, "output"))));
	}
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* What the run is to do; it came with the claim where it is not long. */
static enum err
read_begun(struct job *j, json_object **o)
{
	PGresult *res = NULL;
	const char *why;
	enum err e;

	if (j->begun.n > 0)
		return json_parse(j->a, j->begun, o, &why);
	if ((e = job_runner_workflow(j, &res)) != ERR_OK)
		return e;
	return PQntuples(res) == 1 ? json_parse(j->a, sql_get(res, 0, 0), o, &why) : ERR_INTERNAL;
}

static bool
load(struct walk *w, json_object **steps, struct outcome *o)
{
	struct job *j = w->j;
	json_object *begun = NULL;
	const char *why;
	enum err e = read_begun(j, &begun);

	if (e == ERR_OK && json_object_get_boolean(json_at(begun, "begun")))
		e = job_runner_workflow_steps(j, &w->rows);
	if (e == ERR_OK)
		e = json_parse(j->a, S("{\"steps\":{}}"), &w->scope, &why);
	if (e != ERR_OK) {
		*o = job_db_error(j, e, "the workflow could not be read");
		return false;
	}
	json_object_object_add(w->scope, "inputs", json_object_get(json_at(begun, "inputs")));
	*steps = json_at(json_at(begun, "definition"), "steps");
	w->n_all = count_steps(*steps);
	walk_room(w, w->n_all);
	return true;
}

struct outcome
workflow_run(struct job *j)
{
	struct walk w = { .j = j, .e = ERR_OK };
	struct str none = { NULL, 0 };
	json_object *steps;
	struct outcome o;

	if (!load(&w, &steps, &o))
		return o;
	switch (walk_steps(&w, steps)) {
	case STEP_DONE:
		return job_end_runner_workflow_end(j, walk_unstored(&w), outputs(&w, steps), none);
	case STEP_WAITS:
		return job_end_runner_workflow_park(j, walk_unstored(&w), walk_progress(&w));
	case STEP_FAILED:
		return job_end_runner_workflow_end(j, walk_unstored(&w), none, str_from(w.why));
	case STEP_STOPPED:
	default:
		if (w.e == ERR_OK && walk_store(&w))
			return job_stopped();
		return stop_why(&j->stop) != STOP_NOT
			   ? job_stopped()
			   : job_db_error(j, w.e, "a step could not be stored");
	}
}
