#include <jq.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "extract/jq.h"

#define PROBLEM_MAX 300 /* bytes of what jq says */

/* jq's own words, the first of them, or what `error` was given. */
static void
keep_first(void *arg, jv message)
{
	char *kept = arg;

	if (jv_get_kind(message) != JV_KIND_STRING)
		message = jv_dump_string(message, 0);
	if (kept[0] == '\0')
		(void)snprintf(kept, PROBLEM_MAX, "%s", jv_string_value(message));
	jv_free(message);
}

/* jq calls what is set here without a look whether there is anything. */
static void
drop(void *arg, jv message)
{
	(void)arg;
	jv_free(message);
}

static _Noreturn void
write_result(jv result, int fd)
{
	jv text = jv_dump_string(result, 0);
	size_t n = (size_t)jv_string_length_bytes(jv_copy(text)), done = 0;
	const char *p = jv_string_value(text);

	if (n > JQ_OUTPUT_MAX)
		fail("The expression's result is larger than %zu MiB.", JQ_OUTPUT_MAX / MIB);
	if (write(fd, "T", 1) != 1)
		_exit(1);
	while (done < n) {
		ssize_t some = write(fd, p + done, n - done);

		if (some <= 0)
			_exit(1);
		done += (size_t)some;
	}
	_exit(0);
}

void
jq_reply(struct bytes all, int fd)
{
	const char *text = (const char *)all.p, *input = memchr(text, '\0', all.n);
	char problem[PROBLEM_MAX + 1] = "";
	jq_state *jq = jq_init();
	jv given, result;

	if (!input || !jq)
		fail("There is no expression, or no memory for it.");
	input++;
	given = jv_parse_sized(input, (int)(all.n - (size_t)(input - text)));
	if (!jv_is_valid(given))
		fail("The input is no JSON.");
	jq_set_error_cb(jq, keep_first, problem);
	jq_set_debug_cb(jq, drop, NULL);
	/* No modules; without a list, `import` ends the process. */
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	if (!jq_compile(jq, text))
		fail("The expression is not jq's: %s.", problem);
	jq_start(jq, given, 0);
	result = jq_next(jq);
	if (!jv_is_valid(result) && jv_invalid_has_msg(jv_copy(result))) {
		keep_first(problem, jv_invalid_get_msg(result));
		fail("The expression failed: %s.", problem);
	}
	write_result(jv_is_valid(result) ? result : jv_null(), fd);
}
