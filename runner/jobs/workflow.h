/*
 * A workflow's run, one walk of a job's thread through the definition: steps that have ended are
 * passed by, one that waits blocks what comes after it, and when nothing can go on the job leaves
 * the queue until something can. A step is on disk before it has an effect elsewhere or takes time,
 * and what it gave is before the next such step; what only fills in values goes along with either.
 * Everything is the job's arena's; a walk is its job's thread's.
 */
#ifndef RUNNER_JOBS_WORKFLOW_H
#define RUNNER_JOBS_WORKFLOW_H

#include <json-c/json.h>

#include "runner/queue/job.h"

/* How a step, or a list of them, came out. */
enum step_end {
	STEP_DONE = 1,
	STEP_WAITS, /* for a time, somebody, or an agent */
	STEP_FAILED, /* for good: `why` of the walk says it */
	STEP_STOPPED /* the job's stop is set, or the database said no */
};

/* A step at hand. */
struct step {
	json_object *at; /* of the definition */
	struct str id;
	int n; /* its place among the run's steps */
	int row; /* of `rows`; -1: it has not begun */
	int64_t tries; /* with this one */
};

struct unstored; /* workflow_store.c */

struct walk {
	struct job *j;
	PGresult *rows; /* the steps', as runner_workflow_steps gives them; NULL: none has begun */
	json_object *scope; /* {inputs, steps: {ID: {output}}}: what references name */
	struct unstored *unstored; /* of steps, room for all */
	size_t n_unstored;
	int n; /* the next step's place */
	int n_all, n_ended; /* of steps, for the progress */
	size_t held; /* bytes of outputs */
	size_t given; /* bytes of inputs that this walk has filled in */
	const char *why;
	enum err e; /* STEP_STOPPED: the database's error, where it is that */
};

/* What a step did that ends at once. */
struct effect {
	struct str output; /* JSON */
	const char *problem; /* why it failed; the arena's */
	bool again; /* trying again may help */
};

/* -- workflow_store.c: what becomes of steps, until it is on disk -- */

/* Room for n steps. */
void walk_room(struct walk *w, int n);

/* The step is tried with this input (JSON), and not stored so yet. */
void step_tried(struct walk *w, const struct step *s, struct str input);
/* How it came out: `output` is JSON or absent, `problem` NULL or the reason. */
void step_ended(struct walk *w, const struct step *s, struct str output, const char *problem);
/*
 * It waits so many seconds, or WAIT_FOREVER; `asks` for an approval; `problem` of the try before,
 * or NULL.
 */
#define WAIT_FOREVER (-1)
void step_waits(
    struct walk *w, const struct step *s, int64_t seconds, bool asks, const char *problem);

/* What is not stored, as the functions of sql/functions/workflow_runs.sql take it. */
struct str walk_unstored(struct walk *w);
struct str walk_progress(struct walk *w);
/* It is now. */
void walk_stored(struct walk *w);
/* Stores it. False where the lease is lost or the database says no; `e` says which. */
MUST_CHECK bool walk_store(struct walk *w);

/* -- the types that end at once: workflow_http.c and, by jq, workflow_jq.c -- */

/*
 * What one step does; `input` is JSON with references filled in. False where the stop is set.
 */
bool workflow_http(struct walk *w, json_object *step, struct str input, struct effect *out);
bool workflow_transform(struct walk *w, json_object *step, struct str input, struct effect *out);
/* Is the condition true? Its output is true or false. */
bool workflow_condition(struct walk *w, json_object *step, struct str input, struct effect *out);

#endif
