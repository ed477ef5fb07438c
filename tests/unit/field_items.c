/* lib/fields.c: arrays of objects by a table, and the names that problems have. */
#include <millrace/fields.h>
#include <millrace/json.h>

#include "test.h"

struct home {
	struct str street_name;
	int64_t house_no;
};

struct all {
	struct str full_name;
	struct str homes;
};

static const struct field home_fields[] = {
	F_STR(struct home, street_name, 1, 20, REQUIRED),
	F_INT(struct home, house_no, 1, 999, OPTIONAL),
};

static const struct field fields[] = {
	F_STR(struct all, full_name, 1, 5, REQUIRED),
	F_ITEMS(struct all, homes, struct home, home_fields, 2, OPTIONAL),
};

static struct arena *mem;
static struct all got;
static struct problems problems;

static bool
bind(struct str body, bool camel)
{
	json_object *o;
	const char *why;

	got = (struct all){ 0 };
	problems = (struct problems){ .json.a = mem, .camel = camel };
	return json_parse(mem, body, &o, &why) == ERR_OK &&
	       json_fields(mem, fields, 2, o, &got, &problems);
}

/* Is this the first problem, and the only one? */
static bool
lacks(struct str body, bool camel, struct str first)
{
	return !bind(body, camel) && problems.n == 1 && str_eq(problems.first, first);
}

#define HOMES(list) S("{\"full_name\":\"x\",\"homes\":" list "}")

int
main(void)
{
	struct str two = S("[{\"streetName\":\"a\",\"more\":1},{\"street_name\":\"b\"}]");
	struct buf b;
	json_object *o;
	const char *why;

	mem = arena_new();
	b = (struct buf){ .a = mem };
	CHECK("items that fit are kept as they came",
	    bind(HOMES("[{\"streetName\":\"a\",\"more\":1},{\"street_name\":\"b\"}]"), true) &&
		str_eq(got.homes, two));
	CHECK("none are an array", bind(HOMES("[]"), true) && str_eq(got.homes, S("[]")));
	CHECK("null is none", bind(HOMES("null"), true) && !got.homes.p);
	CHECK("an item's problem has its place",
	    lacks(HOMES("[{\"streetName\":\"a\"},{\"streetName\":\"a\",\"houseNo\":0}]"), false,
		S("homes[1].houseNo must be between 1 and 999")));
	CHECK("an item is an object", lacks(HOMES("[[]]"), true, S("homes[0] must be an object")));
	CHECK("too many are told",
	    lacks(HOMES("[1,2,3]"), true, S("homes must be an array of at most 2")));
	CHECK("an object is no array",
	    lacks(HOMES("{}"), true, S("homes must be an array of at most 2")));
	CHECK("what is missing has the client's spelling: camelCase",
	    lacks(HOMES("[{}]"), true, S("homes[0].streetName is required")) &&
		lacks(S("{}"), true, S("fullName is required")));
	CHECK("or snake_case", lacks(HOMES("[{}]"), false, S("homes[0].street_name is required")) &&
				   lacks(S("{}"), false, S("full_name is required")));
	fields_schema(&b, fields, 2, SCHEMA_CAMEL);
	CHECK("the schema is JSON", json_parse(mem, buf_str(&b), &o, &why) == ERR_OK);
	o = json_at(json_at(o, "properties"), "homes");
	CHECK("and describes the items",
	    json_int(o, "maxItems", 0) == 2 &&
		json_at(json_at(json_at(o, "items"), "properties"), "streetName"));
	arena_free(mem);
	return test_end();
}
