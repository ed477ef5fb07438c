/* runner/jobs/workflow_value.c: what a workflow's step is given, with its references filled in. */
#include <string.h>

#include <millrace/json.h>

#include "runner/jobs/workflow_value.h"

#include "test.h"

static struct arena *a;
static json_object *scope;

static json_object *
parsed(const char *text)
{
	json_object *o;
	const char *why;

	if (json_parse(a, str_from(text), &o, &why) != ERR_OK)
		abort();
	return o;
}

static void
test_fill(void)
{
	static const char *const cases[][3] = {
		{ "a value keeps its type", "{\"v\":\"{{inputs.n}}\"}", "{\"v\":1.50}" },
		{ "an object goes in whole", "[\"{{ steps.find.output }}\"]",
		    "[{\"leads\":[{\"id\":\"x\"},\"é\"]}]" },
		{ "an entry of an array", "[\"{{steps.find.output.leads.0.id}}\"]", "[\"x\"]" },
		{ "within a text", "[\"a {{inputs.text}} b {{inputs.n}}\"]",
		    "[\"a he said \\\"hi\\\" b 1.50\"]" },
		{ "nothing is null", "[\"{{inputs.none.of}}\",\"{{steps.find.output.leads.9}}\"]",
		    "[null,null]" },
		{ "nothing within a text is empty", "[\"<{{inputs.none}}>\"]", "[\"<>\"]" },
		{ "what was filled in is not looked at again", "[\"{{inputs.sly}}!\"]",
		    "[\"{{inputs.n}}!\"]" },
		{ "other values stay", "{\"a\":[true,null,1e3,{\"{{inputs.n}}\":2}]}",
		    "{\"a\":[true,null,1e3,{\"{{inputs.n}}\":2}]}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		CHECK(cases[i][0],
		    str_eq(workflow_fill(a, scope, parsed(cases[i][1])), str_from(cases[i][2])));
}

static void
test_expression(void)
{
	static const char *const cases[][3] = {
		{ "a value within quotes is no code", "\"{{inputs.or}}\" == \"yes\"",
		    "\" or true or \" == \"yes\"" },
		{ "nor does it end them", "\"<{{inputs.text}}>\" + {{inputs.text}}",
		    "\"<he said \\\"hi\\\">\" + \"he said \\\"hi\\\"\"" },
		{ "nor interpolate", "\"\\{{inputs.escape}}\"", "\"\\\\\\\\(env)\"" },
		{ "nor when its escape is cut", "\"\\{{inputs.paren}}\"", "\"\\\\(env)\"" },
		{ "what is no text is its JSON", "\"{{inputs.n}} {{steps.find.output.leads}}\"",
		    "\"1.50 [{\\\"id\\\":\\\"x\\\"},\\\"é\\\"]\"" },
		{ "nothing is empty there", "\"<{{inputs.none}}>\"", "\"<>\"" },
		{ "code within a text",
		    "\"a \\(({{inputs.or}}) | . ) {{inputs.or}}\" + {{inputs.or}}",
		    "\"a \\((\" or true or \") | . )  or true or \" + \" or true or \"" },
		{ "a comment's quotes", "# it's \"\n{{inputs.or}}", "# it's \"\n\" or true or \"" },
		{ "an escaped quote", "\"\\\" {{inputs.or}}\"", "\"\\\"  or true or \"" },
	};

	CHECK("literals", str_eq(workflow_fill_expression(a, scope,
				     S("{{inputs.n}} > 1 and {{inputs.text}} != {{inputs.none}}")),
			      S("1.50 > 1 and \"he said \\\"hi\\\"\" != null")));
	CHECK("a text cannot leave its quotes",
	    str_eq(workflow_fill_expression(a, scope, S("{{inputs.escape}}")), S("\"\\\\(env)\"")));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		CHECK(cases[i][0], str_eq(workflow_fill_expression(a, scope, str_from(cases[i][1])),
				       str_from(cases[i][2])));
}

static void
test_bound(void)
{
	struct buf b = { .a = a };

	buf_put(&b, S("[\""));
	for (int i = 0; i < 40000; i++)
		buf_put(&b, S("{{inputs.long}}"));
	buf_put(&b, S("\"]"));
	CHECK("growth ends", !workflow_fill(a, scope, parsed(arena_cstr(a, buf_str(&b)))).p);
}

int
main(void)
{
	a = arena_new();
	scope = parsed("{\"inputs\":{\"n\":1.50,\"text\":\"he said \\\"hi\\\"\","
		       "\"or\":\" or true or "
		       "\",\"paren\":\"(env)\",\"sly\":\"{{inputs.n}}\",\"escape\":\"\\\\(env)\","
		       "\"long\":\"0123456789012345678901234567890123456789\"},"
		       "\"steps\":{\"find\":{\"output\":{\"leads\":[{\"id\":\"x\"},\"é\"]}}}}");
	test_fill();
	test_expression();
	test_bound();
	arena_free(a);
	return test_end();
}
