/* A workflow's steps that evaluate an expression of jq's, in the extractor's sandbox. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/jobs/workflow.h"
#include "runner/jobs/workflow_value.h"
#include "runner/knowledge/extractor.h"

static bool
write_whole(int file, struct str s)
{
	while (s.n > 0) {
		ssize_t n = write(file, s.p, s.n);

		if (n <= 0)
			return false;
		s.p += n;
		s.n -= (size_t)n;
	}
	return true;
}

/* The expression's first result. False where the stop is set. */
static bool
evaluate(
    struct walk *w, json_object *step, struct str expression, struct str input, struct effect *out)
{
	struct extract_how how = {
		.name = "", .jq = true, .within_ms = workflow_timeout(step, 0) * 1000
	};
	struct extracted x = { 0 };
	int file = memfd_create("jq", MFD_CLOEXEC);
	enum extract_end end = EXTRACT_BROKEN;

	if (file >= 0 && write_whole(file, expression) && write_whole(file, S("\0")) &&
	    write_whole(file, input))
		end = extract(&w->j->stop, file, &how, &x);
	if (file >= 0)
		close(file);
	if (end == EXTRACT_TEXT)
		out->output = arena_str(w->j->a, (struct str){ x.text, x.n });
	else
		out->problem = arena_printf(w->j->a, "%s",
		    end == EXTRACT_UNREADABLE ? x.why : "the expression could not be evaluated.")
				   .p;
	out->again = end == EXTRACT_BROKEN;
	if (end == EXTRACT_BROKEN)
		log_error("extractor: failed", "run", w->j->run.text, "error", x.why);
	free(x.text);
	return end != EXTRACT_STOPPED;
}

bool
workflow_transform(struct walk *w, json_object *step, struct str input, struct effect *out)
{
	struct str expression =
	    workflow_fill_expression(w->j->a, w->scope, json_text(step, "expression"));

	if (!expression.p) {
		out->problem = "its expression is too large.";
		return true;
	}
	return evaluate(w, step, expression, input, out);
}

bool
workflow_condition(struct walk *w, json_object *step, struct str input, struct effect *out)
{
	struct str expression =
	    workflow_fill_expression(w->j->a, w->scope, json_text(step, "condition"));

	(void)input; /* it has what the expression is made of, for people to read */
	if (!expression.p) {
		out->problem = "its condition is too large.";
		return true;
	}
	if (!evaluate(w, step, expression, S("null"), out))
		return false;
	if (!out->problem)
		out->output = str_eq(out->output, S("null")) || str_eq(out->output, S("false"))
				  ? S("false")
				  : S("true");
	return true;
}
