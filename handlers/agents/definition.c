#include <ctype.h>
#include <string.h>

#include <millrace/guard.h>
#include <millrace/json.h>

#include "handlers/agents/definition.h"

#define OBJECT_MAX 65536 /* bytes */
#define RETRIES_MAX 10
#define TIMEOUT_MAX_S 3600
#define WAIT_MAX_S (30 * 86400)
#define BRANCHES_MAX 20

/* Every step, and every type's own fields, in one struct; not those that may be any JSON. */
struct step_in {
	struct str id;
	struct str type;
	int64_t retries;
	int64_t timeout_s;
	struct str agent;
	struct str input;
	struct str method;
	struct str url;
	struct str headers;
	struct str expression;
	struct str condition;
	struct str then;
	struct str otherwise; /* "else" */
	struct str branches;
	int64_t seconds;
	struct str message;
};

/* What has been seen of the steps before. */
struct checking {
	struct arena *a;
	struct problems *problems;
	struct {
		struct str id;
		bool hidden; /* of a branch beside this one */
	} seen[STEPS_MAX];
	size_t n;
};

enum { TYPE_PARALLEL = 4, TYPE_WAIT }; /* their places in types[] */
static const char *const types[] = { "agent", "http", "transform", "condition", "parallel", "wait",
	"approval", NULL };
static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", NULL };

static bool
is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

static bool
is_step_url(struct str s)
{
	bool templated = s.n > 1 && memmem(s.p, s.n, "{{", 2) != NULL;

	return templated ? str_starts(s, S("{{")) || str_starts(s, S("https://")) ||
			       str_starts(s, S("http://"))
			 : guard_is_url(s);
}

static const struct field step_fields[] = {
	F_CHECKED(
	    struct step_in, id, 1, 64, REQUIRED, is_id, "must be letters, digits and underscores"),
	F_ENUM(struct step_in, type, types, REQUIRED),
	F_INT(struct step_in, retries, 0, RETRIES_MAX, OPTIONAL),
	F_INT(struct step_in, timeout_s, 1, TIMEOUT_MAX_S, OPTIONAL),
};
static const struct field agent_fields[] = {
	F_STR(struct step_in, agent, 1, 64, REQUIRED),
	F_JSON(struct step_in, input, OBJECT_MAX, OPTIONAL),
};
static const struct field http_fields[] = {
	F_ENUM(struct step_in, method, methods, OPTIONAL),
	F_CHECKED(struct step_in, url, 1, 2048, REQUIRED, is_step_url,
	    "must be an http or https address that is not a private one"),
	F_JSON(struct step_in, headers, OBJECT_MAX, OPTIONAL),
};
static const struct field transform_fields[] = {
	F_STR(struct step_in, expression, 1, 10000, OPTIONAL),
};
static const struct field condition_fields[] = {
	F_STR(struct step_in, condition, 1, 10000, REQUIRED),
	F_ARRAY(struct step_in, then, DEFINITION_MAX, REQUIRED),
	{ .name = "else",
	    .kind = FIELD_ARRAY,
	    .required = OPTIONAL,
	    .max = DEFINITION_MAX,
	    .offset = FIELD_AT(struct step_in, otherwise, struct str),
	    .struct_len = sizeof(struct step_in) },
};
static const struct field parallel_fields[] = {
	F_ARRAY(struct step_in, branches, DEFINITION_MAX, REQUIRED),
};
static const struct field wait_fields[] = {
	F_INT(struct step_in, seconds, 1, WAIT_MAX_S, REQUIRED),
};
static const struct field approval_fields[] = {
	F_SHOWN(struct step_in, message, 2000, REQUIRED),
};

#define OF_TYPE(fields)                                      \
	{                                                    \
		(fields), sizeof(fields) / sizeof(*(fields)) \
	}

/* In the order of types[]. */
static const struct {
	const struct field *fields;
	size_t n;
} type_fields[] = { OF_TYPE(agent_fields), OF_TYPE(http_fields), OF_TYPE(transform_fields),
	OF_TYPE(condition_fields), OF_TYPE(parallel_fields), OF_TYPE(wait_fields),
	OF_TYPE(approval_fields) };

static void check_steps(struct checking *c, json_object *steps, struct str path, int depth);

/* One reference without its braces: "inputs.x…" or "steps.ID.output…". */
static void
check_reference(struct checking *c, struct str path, struct str reference)
{
	struct str rest, part, id = { NULL, 0 };
	bool good = reference.n > 0 && reference.n <= 200;

	rest = str_cut(str_trim(reference), '.', &part);
	if (str_eq(part, S("steps"))) {
		rest = str_cut(rest, '.', &id);
		good = good && id.n > 0 && rest.p;
		rest = str_cut(rest, '.', &part);
		good = good && str_eq(part, S("output"));
	} else {
		good = good && str_eq(part, S("inputs")) && rest.p;
	}
	while (good && rest.p) {
		rest = str_cut(rest, '.', &part);
		good = part.n > 0 && is_id(part);
	}
	if (!good) {
		problem_add(c->problems, path,
		    "must refer to {{inputs.NAME}} or {{steps.ID.output}} between the braces");
		return;
	}
	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->seen[i].id, id) && !c->seen[i].hidden)
			return;
	if (id.p)
		problem_add(c->problems, path,
		    "refers to the step %.*s, which has not ended by then", S_ARG(id));
}

static void
check_text(struct checking *c, struct str path, struct str text)
{
	const char *open, *close;

	while ((open = memmem(text.p, text.n, "{{", 2)) != NULL) {
		size_t left = text.n - (size_t)(open + 2 - text.p);

		close = memmem(open + 2, left, "}}", 2);
		if (!close) {
			problem_add(c->problems, path, "has {{ without }} after it");
			return;
		}
		check_reference(c, path, (struct str){ open + 2, (size_t)(close - open - 2) });
		text = (struct str){ close + 2, text.n - (size_t)(close + 2 - text.p) };
	}
}

/* Every text in a step's value, at any depth; the parser has bounded that. */
static void
check_texts(struct checking *c, struct str path, json_object *v)
{
	if (json_object_is_type(v, json_type_string)) {
		check_text(c, path,
		    (struct str){
			json_object_get_string(v), (size_t)json_object_get_string_len(v) });
	} else if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			check_texts(c, arena_printf(c->a, "%.*s[%zu]", S_ARG(path), i),
			    json_object_array_get_idx(v, i));
	} else if (json_object_is_type(v, json_type_object)) {
		json_object_object_foreach (v, key, member)
			check_texts(c, arena_printf(c->a, "%.*s.%s", S_ARG(path), key), member);
	}
}

static void
check_branches(struct checking *c, json_object *branches, struct str path, int depth)
{
	size_t n = json_object_array_length(branches), start = c->n;

	if (n < 1 || n > BRANCHES_MAX)
		problem_add(c->problems, path, "must have 1 to %d entries", BRANCHES_MAX);
	for (size_t i = 0; i < n && n <= BRANCHES_MAX; i++) {
		for (size_t k = start; k < c->n; k++)
			c->seen[k].hidden = true;
		check_steps(c, json_object_array_get_idx(branches, i),
		    arena_printf(c->a, "%.*s[%zu]", S_ARG(path), i), depth + 1);
	}
	for (size_t k = start; k < c->n; k++)
		c->seen[k].hidden = false;
}

static void
check_headers(struct checking *c, json_object *headers, struct str path)
{
	json_object_object_foreach (headers, name, value) {
		(void)value;
		if (!guard_is_header(str_from(name)))
			problem_add(c->problems, path,
			    "must be headers that are not of the connection, such as Host");
	}
}

/* What a step of a good form holds: texts, headers, and steps. */
static void
check_contents(struct checking *c, json_object *step, struct str path, int depth)
{
	static const char *const nested[] = { "then", "else", "branches", NULL };

	if (str_eq(json_text(step, "type"), S("http")) && json_at(step, "headers"))
		check_headers(
		    c, json_at(step, "headers"), arena_printf(c->a, "%.*s.headers", S_ARG(path)));

	json_object_object_foreach (step, key, member) {
		if (!str_is_in(str_from(key), nested))
			check_texts(c, arena_printf(c->a, "%.*s.%s", S_ARG(path), key), member);
	}
	if (str_eq(json_text(step, "type"), S("condition"))) {
		check_steps(c, json_at(step, "then"), arena_printf(c->a, "%.*s.then", S_ARG(path)),
		    depth + 1);
		if (json_at(step, "else"))
			check_steps(c, json_at(step, "else"),
			    arena_printf(c->a, "%.*s.else", S_ARG(path)), depth + 1);
	} else if (str_eq(json_text(step, "type"), S("parallel"))) {
		check_branches(c, json_at(step, "branches"),
		    arena_printf(c->a, "%.*s.branches", S_ARG(path)), depth);
	}
}

static void
check_step(struct checking *c, json_object *step, struct str path, int depth)
{
	struct step_in in = { 0 };
	size_t type = 0;

	if (!json_object_is_type(step, json_type_object)) {
		problem_add(c->problems, path, "must be an object");
		return;
	}
	if (!json_fields_at(c->a, step_fields, sizeof(step_fields) / sizeof(*step_fields), step,
		&in, path, c->problems))
		return;
	while (!str_eq(in.type, str_from(types[type])))
		type++;
	if (!json_fields_at(
		c->a, type_fields[type].fields, type_fields[type].n, step, &in, path, c->problems))
		return;
	check_contents(c, step, path, depth);
	if (in.timeout_s > 0 && (type == TYPE_PARALLEL || type == TYPE_WAIT))
		problem_add(c->problems, arena_printf(c->a, "%.*s.timeout_s", S_ARG(path)),
		    "is of no use here: a wait has its seconds, and the steps of branches have "
		    "their own");
	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->seen[i].id, in.id))
			problem_add(c->problems, arena_printf(c->a, "%.*s.id", S_ARG(path)),
			    "is the id of another step");
	if (c->n < STEPS_MAX)
		c->seen[c->n++].id = in.id;
	else
		problem_add(c->problems, path, "is one step too many: %d are taken", STEPS_MAX);
}

static void
check_steps(struct checking *c, json_object *steps, struct str path, int depth)
{
	size_t n;

	if (!json_object_is_type(steps, json_type_array)) {
		problem_add(c->problems, path, "must be an array of steps");
		return;
	}
	n = json_object_array_length(steps);
	if (n < 1 || depth > STEPS_DEPTH_MAX)
		problem_add(c->problems, path,
		    n < 1 ? "must have a step" : "is nested too deep: %d levels are taken",
		    STEPS_DEPTH_MAX);
	for (size_t i = 0; i < n && depth <= STEPS_DEPTH_MAX; i++) {
		if (c->n == STEPS_MAX) {
			problem_add(c->problems, path, "has too many steps: %d are taken in all",
			    STEPS_MAX);
			return;
		}
		check_step(c, json_object_array_get_idx(steps, i),
		    arena_printf(c->a, "%.*s[%zu]", S_ARG(path), i), depth);
	}
}

void
definition_check(struct arena *a, json_object *definition, struct problems *problems)
{
	struct checking *c = arena_alloc(a, sizeof(*c));

	memset(c, 0, sizeof(*c));
	c->a = a;
	c->problems = problems;
	if (!json_at(definition, "steps"))
		problem_add(problems, S("definition.steps"), "is required");
	else
		check_steps(c, json_at(definition, "steps"), S("definition.steps"), 1);
}
