/*
 * What a step is given: its values with {{inputs.NAME}} and {{steps.ID.output}} filled in. Pure;
 * any thread.
 */
#ifndef RUNNER_JOBS_WORKFLOW_VALUE_H
#define RUNNER_JOBS_WORKFLOW_VALUE_H

#include <json-c/json.h>

#include <millrace/arena.h>

#define FILLED_MAX ((size_t)1024 * 1024) /* bytes of one value with all that is filled in */

/*
 * The value as JSON text, the arena's. A text that is one reference alone becomes what that names,
 * of whatever type; within a longer text, texts are put in as they are, and all else as JSON. What
 * names nothing is null, and empty within a text. `scope` has the members inputs and steps. Absent:
 * it would be longer than FILLED_MAX.
 */
struct str workflow_fill(struct arena *a, json_object *scope, json_object *value);

/* A step's limit in seconds, in either case of letters that a field has (millrace/fields.h). */
int64_t workflow_timeout(json_object *step, int64_t fallback);

/*
 * An expression of jq's with each reference as a JSON literal, and in a text between quotes as text
 * that stays there; absent as above.
 */
struct str workflow_fill_expression(struct arena *a, json_object *scope, struct str text);

#endif
