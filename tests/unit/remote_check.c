/* Tools of other servers: what is in order is kept as it is, what is not would spoil the rest. */
#include <stdio.h>

#include "runner/jobs/remote_check.c"

#include "test.h"

static struct arena *a;

/* What is kept of a tool of this name and schema; "" for nothing. */
static struct str
kept(const char *name, const char *schema)
{
	struct buf b = { .a = a };
	json_object *o;
	const char *why;
	struct str text = arena_printf(a,
	    "{\"name\":\"%s\",\"description\":\"d\",\"annotations\":{\"readOnlyHint\":true},"
	    "\"inputSchema\":%s}",
	    name, schema);

	if (json_parse(a, text, &o, &why) != ERR_OK)
		return S("(no JSON)");
	return remote_check(&b, o) ? buf_str(&b) : S("");
}

static void
test_kept(void)
{
	static const char schema[] =
	    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"],\"enum\":["
	    "\"x\",null]},\"type\":{\"$ref\":\"#/$defs/b\"},\"c\":{\"type\":\"array\",\"items\":{"
	    "\"anyOf\":[{\"const\":1.50},true]}},\"d\":false},\"required\":[\"a\"],\"$defs\":{"
	    "\"b\":{\"type\":\"integer\"}},\"additionalProperties\":{},\"$schema\":\"x\"}";
	struct str all = arena_printf(a,
	    "{\"name\":\"get-it.v2/x_1\",\"description\":\"d\",\"inputSchema\":%s,\"reads\":true}",
	    schema);

	CHECK("a tool that is in order is kept", str_eq(kept("get-it.v2/x_1", schema), all));
	CHECK("and one without arguments", kept("a", "{\"type\":\"object\"}").n > 0);
}

static void
test_refused(void)
{
	static const char *const names[] = { "", "a b", "a\\\"b", "\u00fc", "a\\nb" };
	static const char *const schemas[] = { "null", "true", "{}", "[]", "5", "\"object\"",
		"{\"type\":\"array\"}", "{\"type\":[\"object\"]}",
		"{\"type\":\"object\",\"properties\":[]}",
		"{\"type\":\"object\",\"properties\":{\"a\":null}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"text\"}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[]}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"items\":[{}]}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[]}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"https://x.example\"}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"x-mcp-header\":\"A\"}}}",
		"{\"type\":\"object\",\"required\":[1]}", "{\"type\":\"object\",\"oneOf\":[]}",
		"{\"type\":\"object\",\"not\":5}", "{\"type\":\"object\",\"title\":{}}" };
	bool good = true;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		EACH(good, kept(names[i], "{\"type\":\"object\"}").n == 0, "%s", names[i]);
	CHECK("what is no name is refused", good);
	good = true;
	for (size_t i = 0; i < sizeof(schemas) / sizeof(*schemas); i++)
		EACH(good, kept("a", schemas[i]).n == 0, "%s", schemas[i]);
	CHECK("what is no schema of arguments is refused", good);
}

/* As many properties as given, beside each other or within each other. */
static struct str
nested(int n, bool deep)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"type\":\"object\",\"properties\":{"));
	for (int i = 0; i < n; i++)
		buf_printf(&b,
		    deep ? "\"p\":{\"type\":\"object\",\"properties\":{" : "%s\"p%d\":{}",
		    i > 0 ? "," : "", i);
	for (int i = 0; deep && i < n; i++)
		buf_put(&b, S("}}"));
	buf_put(&b, S("}}"));
	return buf_str(&b);
}

static void
test_bounds(void)
{
	CHECK("ten levels are taken", kept("a", nested(10, true).p).n > 0);
	CHECK("thirteen are not", kept("a", nested(13, true).p).n == 0);
	CHECK("299 properties are taken", kept("a", nested(299, false).p).n > 0);
	CHECK("300 are not", kept("a", nested(300, false).p).n == 0);
	CHECK("a long name", kept(arena_printf(a, "%0128d", 1).p, "{\"type\":\"object\"}").n > 0);
	CHECK("a longer one", kept(arena_printf(a, "%0129d", 1).p, "{\"type\":\"object\"}").n == 0);
}

int
main(void)
{
	a = arena_new();
	test_kept();
	test_refused();
	test_bounds();
	arena_free(a);
	return test_end();
}
