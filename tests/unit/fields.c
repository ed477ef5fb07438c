/* lib/field*.c: each kind of field, spellings, problems, query strings, forms, schemas, presets. */
#include <millrace/fields.h>
#include <millrace/json.h>

#include "test.h"

struct inner {
	struct str street_name;
	int64_t house_no;
};

struct all {
	struct str some_text;
	struct str pass;
	bool is_on;
	int64_t how_many;
	struct str price;
	struct uuid some_id;
	struct str at;
	struct str colour;
	struct str_list tags;
	struct str_list shades;
	struct str extra;
	struct inner home_address;
};

static bool
is_even(struct str s)
{
	return s.n % 2 == 0;
}

static const char *const colours[] = { "red", "green", NULL };

static const struct field inner_fields[] = {
	F_STR(struct inner, street_name, 1, 20, REQUIRED),
	F_INT(struct inner, house_no, 1, 999, OPTIONAL),
};

static const struct field fields[] = {
	F_STR(struct all, some_text, 1, 5, REQUIRED),
	F_CHECKED(struct all, pass, 2, 8, OPTIONAL, is_even, "must have an even length"),
	F_BOOL(struct all, is_on, OPTIONAL),
	F_INT(struct all, how_many, -5, 10, OPTIONAL),
	F_DECIMAL(struct all, price, 0, 1000, OPTIONAL),
	F_UUID(struct all, some_id, OPTIONAL),
	F_TIME(struct all, at, OPTIONAL),
	F_ENUM(struct all, colour, colours, OPTIONAL),
	F_STRS(struct all, tags, 3, OPTIONAL),
	F_NAMES(struct all, shades, colours, 3, OPTIONAL),
	F_JSON(struct all, extra, 30, OPTIONAL),
	F_OBJECT(struct all, home_address, inner_fields, OPTIONAL),
};
#define N_FIELDS (sizeof(fields) / sizeof(*fields))

static struct arena *mem;
static struct all got;
static struct problems problems;

/* Binds a JSON body; false also where it is not JSON. */
static bool
bind(struct str body)
{
	json_object *o;
	const char *why;

	got = (struct all){ 0 };
	problems = (struct problems){ .json = { .a = mem } };
	if (json_parse(mem, body, &o, &why) != ERR_OK) {
		printf("# not JSON: %.*s: %s\n", S_ARG(body), why);
		return false;
	}
	return json_fields(mem, fields, N_FIELDS, o, &got, &problems);
}

/* One member beside the required one. */
static bool
with(const char *member)
{
	return bind(arena_printf(mem, "{\"some_text\":\"x\",%s}", member));
}

/* Refused, with one problem, of this field. */
static bool
refused(const char *member, const char *field)
{
	struct str want = arena_printf(mem, "{\"field\":\"%s\",\"problem\":\"must ", field);

	if (!with(member) && problems.n == 1 && str_starts(buf_str(&problems.json), want))
		return true;
	printf("# %s: %zu problems: %s\n", member, problems.n, buf_str(&problems.json).p);
	return false;
}

static void
texts(void)
{
	CHECK("a text of characters, not bytes",
	    with("\"some_text\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
		 "\xf0\x9f\x98\x80\""));
	CHECK("too long", refused("\"some_text\":\"abcdef\"", "some_text"));
	CHECK("too short", refused("\"some_text\":\"\"", "some_text"));
	CHECK("not a text", refused("\"some_text\":5", "some_text") &&
				refused("\"some_text\":[]", "some_text") &&
				refused("\"some_text\":true", "some_text"));
	CHECK(
	    "a check of its own", with("\"pass\":\"abcd\"") && refused("\"pass\":\"abc\"", "pass"));
	CHECK("length comes before the check", refused("\"pass\":\"\"", "pass"));
}

static void
numbers(void)
{
	CHECK("integers at their bounds", with("\"how_many\":10") && got.how_many == 10 &&
					      with("\"how_many\":-5") && got.how_many == -5);
	CHECK("integers beyond", refused("\"how_many\":11", "how_many") &&
				     refused("\"how_many\":-6", "how_many") &&
				     refused("\"how_many\":12345678901234567890", "how_many") &&
				     refused("\"how_many\":-123456789012345678901", "how_many"));
	CHECK("no integers", refused("\"how_many\":\"5\"", "how_many") &&
				 refused("\"how_many\":5.0", "how_many") &&
				 refused("\"how_many\":1e1", "how_many") &&
				 refused("\"how_many\":true", "how_many"));
	CHECK("booleans", with("\"is_on\":true") && got.is_on && with("\"is_on\":false") &&
			      !got.is_on && refused("\"is_on\":1", "is_on") &&
			      refused("\"is_on\":\"true\"", "is_on"));
}

static void
decimals(void)
{
	static const char *const exact[] = { "0", "1000", "0.1", "999.999999999999999", "12.340",
		"0.00002340000000000001", "1000.000", "0.30000000000000004" };
	static const char *const bad[] = { "-0.5", "-1", "1000.01", "1001", "1e4", "1e99", "1e-99",
		"0.1234567890123456789", "1234567890123456789", "12345678901234567890123", "\"1\"",
		"true", "[]" };
	static const char *const exponents[][2] = { { "2.34e-05", "0.0000234" }, { "1e2", "100" },
		{ "1.25E+1", "12.5" }, { "2.3400000000000001e-05", "0.000023400000000000001" },
		{ "0e0", "0" } };
	bool good = true;

	for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
		EACH(good,
		    with(arena_printf(mem, "\"price\":%s", exact[i]).p) &&
			str_eq(got.price, str_from(exact[i])),
		    "%s, %.*s", exact[i], S_ARG(got.price));
	CHECK("decimals keep every digit", good);
	good = true;
	for (size_t i = 0; i < sizeof(exponents) / sizeof(*exponents); i++)
		EACH(good,
		    with(arena_printf(mem, "\"price\":%s", exponents[i][0]).p) &&
			str_eq(got.price, str_from(exponents[i][1])),
		    "%s, %.*s", exponents[i][0], S_ARG(got.price));
	CHECK("decimals with an exponent, as Python writes small ones, keep every digit", good);
	good = true;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, refused(arena_printf(mem, "\"price\":%s", bad[i]).p, "price"), "%s",
		    bad[i]);
	CHECK("decimals beyond their bounds or of another form are refused", good);
}

static void
negative_decimals(void)
{
	static const struct field below[] = { F_DECIMAL(struct all, price, -10, -5, OPTIONAL) };
	static const struct {
		const char *text;
		bool good;
	} cases[] = { { "-5", true }, { "-5.5", true }, { "-10.0", true }, { "-10.1", false },
		{ "-4.9", false }, { "5", false }, { "-0.5", false } };
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct problems p = { .json = { .a = mem } };
		struct str query = arena_printf(mem, "price=%s", cases[i].text);

		got = (struct all){ 0 };
		EACH(good, query_fields(mem, below, 1, query, &got, &p) == cases[i].good, "%s",
		    cases[i].text);
	}
	CHECK("bounds below zero", good);
}

static void
times(void)
{
	static const char *const cases[][2] = {
		{ "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z" },
		{ "2026-01-31t12:00:00z", "2026-01-31T12:00:00.000Z" },
		{ "2026-01-31 12:00:00", "2026-01-31T12:00:00.000Z" },
		{ "2026-01-31", "2026-01-31" },
		{ "2026-01-31T12:00:00.5", "2026-01-31T12:00:00.500Z" },
		{ "2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123Z" },
		{ "2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z" },
		{ "2025-12-31T20:00:00-05:30", "2026-01-01T01:30:00.000Z" },
		{ "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z" },
		{ "2000-02-29T23:59:59Z", "2000-02-29T23:59:59.000Z" },
		{ "2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z" },
		{ "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z" },
		{ "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z" },
		{ "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		EACH(good,
		    with(arena_printf(mem, "\"at\":\"%s\"", cases[i][0]).p) &&
			str_eq(got.at, str_from(cases[i][1])),
		    "%s, %.*s", cases[i][0], S_ARG(got.at));
	CHECK("times come out in UTC", good);
}

static void
no_times(void)
{
	static const char *const bad[] = { "", "2026", "2026-02-30", "2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-10T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
		"2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z",
		"2026-01-31T12:00Z", "2026-01-31T12", "2026-01-31T", "2026-01-31Z", "2026-1-31",
		"2026-01-31T12:00:00.Z", "2026-01-31T12:00:00.", "2026-01-31T12:00:00+24:00",
		"2026-01-31T12:00:00+1:00", "2026-01-31T12:00:00+0100", "2026-01-31T12:00:00+01",
		"2026-01-31T12:00:00+01:60", "2026-01-31T12:00:00Zx", "2026-01-31T12:00:00 Z",
		"2026/01/31", "20260131", "+026-01-31", "0000-01-01T00:00:00Z",
		"0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "1738324800", "now" };
	bool good = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, refused(arena_printf(mem, "\"at\":\"%s\"", bad[i]).p, "at"), "%s",
		    bad[i]);
	CHECK("what is no time is refused", good);
	CHECK("nor is a number", refused("\"at\":1738324800", "at"));
}

static void
others(void)
{
	CHECK("a UUID in either case",
	    with("\"some_id\":\"0190B3E8-8A54-7C3E-9D55-0242AC120002\"") &&
		str_eq(uuid_str(&got.some_id), S("0190b3e8-8a54-7c3e-9d55-0242ac120002")));
	CHECK("no UUID", refused("\"some_id\":\"x\"", "some_id") &&
			     refused("\"some_id\":\"\"", "some_id") &&
			     refused("\"some_id\":1", "some_id"));
	CHECK("an enum", with("\"colour\":\"green\"") && str_eq(got.colour, S("green")));
	CHECK("no enum", refused("\"colour\":\"Green\"", "colour") &&
			     refused("\"colour\":\"\"", "colour") &&
			     refused("\"colour\":0", "colour"));
	CHECK("a list", with("\"tags\":[\"a\",\"\",\"c\"]") && got.tags.n == 3 &&
			    str_eq(got.tags.p[2], S("c")));
	CHECK("a list of names", with("\"shades\":[\"red\",\"red\",\"green\"]") &&
				     got.shades.n == 3 && str_eq(got.shades.p[2], S("green")));
	CHECK("an entry that is no name", refused("\"shades\":[\"red\",\"blue\"]", "shades") &&
					      refused("\"shades\":[\"\"]", "shades"));
	CHECK("an empty list is present", with("\"tags\":[]") && got.tags.p && got.tags.n == 0);
	CHECK("no list", refused("\"tags\":[\"a\",\"b\",\"c\",\"d\"]", "tags") &&
			     refused("\"tags\":[1]", "tags") &&
			     refused("\"tags\":[null]", "tags") &&
			     refused("\"tags\":\"a\"", "tags") && refused("\"tags\":{}", "tags"));
	CHECK("an object as it is", with("\"extra\":{ \"a\" : [1.50, \"/\xc3\xa4\"] }") &&
					str_eq(got.extra, S("{\"a\":[1.50,\"/\xc3\xa4\"]}")));
	CHECK("no object", refused("\"extra\":[]", "extra") &&
			       refused("\"extra\":\"{}\"", "extra") &&
			       refused("\"extra\":{\"a\":\"1234567890123456789012345\"}", "extra"));
}

static void
long_entries(void)
{
	char entry[202] = "";
	struct str body;

	memset(entry, 'x', 201);
	body = arena_printf(mem, "\"tags\":[\"%s\"]", entry);
	CHECK("an entry of a list has at most 200 characters", refused(body.p, "tags"));
	entry[200] = '\0';
	body = arena_printf(mem, "\"tags\":[\"%s\"]", entry);
	CHECK("and may have them", with(body.p) && got.tags.p[0].n == 200);
}

static void
names(void)
{
	CHECK(
	    "camelCase", bind(S("{\"someText\":\"x\",\"howMany\":3,\"homeAddress\":{\"streetName\":"
				"\"s\",\"houseNo\":9}}")) &&
			     got.how_many == 3 && got.home_address.house_no == 9 &&
			     str_eq(got.home_address.street_name, S("s")));
	CHECK("unknown names are ignored",
	    bind(S("{\"some_text\":\"x\",\"SOME_TEXT\":5,\"sometext\":[],\"\":{},\"some\":1}")) &&
		str_eq(got.some_text, S("x")));
	CHECK("null is absent", with("\"how_many\":null,\"tags\":null,\"home_address\":null") &&
				    got.tags.p == NULL && got.home_address.street_name.p == NULL);
	CHECK("absent stays zero",
	    with("\"q\":1") && !got.price.p && !got.some_id.text[0] && !got.extra.p && !got.is_on);
	CHECK("a required one that is null is missing",
	    !bind(S("{\"some_text\":null}")) && problems.n == 1);
	CHECK("a problem has the client's spelling", refused("\"howMany\":99", "howMany"));
	CHECK("and the way to it",
	    refused("\"home_address\":{\"street_name\":5}", "home_address.street_name") &&
		refused("\"homeAddress\":{\"streetName\":\"s\",\"houseNo\":0}",
		    "homeAddress.houseNo") &&
		refused("\"home_address\":[]", "home_address"));
}

static void
every_problem(void)
{
	static const char *const want[] = { "some_text", "pass", "is_on", "how_many", "price",
		"some_id", "at", "colour", "tags", "extra", "home_address.street_name",
		"home_address.house_no" };
	json_object *list;
	const char *why;
	bool good;

	good =
	    !bind(
		S("{\"pass\":1,\"is_on\":1,\"how_many\":\"\",\"price\":\"\",\"some_id\":1,\"at\":1,"
		  "\"colour\":1,\"tags\":1,\"extra\":1,\"home_address\":{\"street_name\":\"\","
		  "\"house_no\":0}}")) &&
	    problems.n == 12 &&
	    json_parse(mem, arena_printf(mem, "[%s]", buf_str(&problems.json).p), &list, &why) ==
		ERR_OK &&
	    json_object_array_length(list) == 12;
	for (size_t i = 0; good && i < 12; i++) {
		json_object *p = json_object_array_get_idx(list, i);

		EACH(good, str_eq(json_text(p, "field"), str_from(want[i])), "%s", want[i]);
		EACH(good, json_text(p, "problem").n > 0, "%s", want[i]);
	}
	CHECK("every problem is told at once, by name, in the table's order", good);
	good = !bind(S("{\"home_address\":{}}"));
	CHECK("missing fields too", good && problems.n == 2 &&
					strstr(problems.json.p, "\"some_text\"") &&
					strstr(problems.json.p, "home_address.street"));
}

static bool
query(struct str s)
{
	got = (struct all){ 0 };
	problems = (struct problems){ .json = { .a = mem } };
	return query_fields(mem, fields, N_FIELDS, s, &got, &problems);
}

static void
queries(void)
{
	CHECK("a query string", query(S("some_text=a+b&howMany=7&is_on=1&colour=red")) &&
				    str_eq(got.some_text, S("a b")) && got.how_many == 7 &&
				    got.is_on);
	CHECK("escapes in names and values",
	    query(S("some%5Ftext=%C3%A4%26%3D&at=2026-01-31T12:00:00%2B01:00")) &&
		str_eq(got.some_text, S("\xc3\xa4&=")) &&
		str_eq(got.at, S("2026-01-31T11:00:00.000Z")));
	CHECK("of a name that comes twice the first counts",
	    query(S("some_text=a&someText=b&how_many=1&how_many=2&is_on=true&is_on=false")) &&
		str_eq(got.some_text, S("a")) && got.how_many == 1 && got.is_on);
	CHECK("also where the first is bad", !query(S("some_text=a&how_many=x&how_many=2")));
	CHECK("and where the second is", query(S("some_text=a&how_many=1&how_many=x")));
	CHECK("required",
	    !query(S("")) && problems.n == 1 && !query(S("how_many=1")) && problems.n == 1);
	CHECK("bad values", !query(S("some_text=&how_many=x&is_on=2&price=1,5&some_id=&colour=")) &&
				problems.n == 6);
	CHECK("values of no use in a query string",
	    !query(S("some_text=a&tags=x&extra={}&home_address=y")) && problems.n == 3);
	CHECK("broken escapes", !query(S("some_text=%zz")) && problems.n == 1 &&
				    !query(S("some_text=a&x=%4")) &&
				    !query(S("some_text=a&%zz=1")));
	CHECK("NUL and bad UTF-8", !query(S("some_text=%00")) && !query(S("some_text=a%ff")) &&
				       !query(S("some_text=\xff")) &&
				       !query(S("some_text=a&x\xff=1")));
	CHECK("what has no value is empty", !query(S("some_text")) && problems.n == 1);
	CHECK("odd separators", query(S("&&some_text=a&&=&=x&")));
}

static void
floods(void)
{
	struct buf b = { .a = mem };

	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "x%d=%%zz&", i);
	CHECK("ten thousand problems are counted, and a hundred told",
	    !query(buf_str(&b)) && problems.n == 10001 && problems.json.n < 10000);
	b = (struct buf){ .a = mem };
	for (int i = 0; i < 200; i++)
		buf_put(&b, S("n"));
	buf_put(&b, S("=1&some_text=a"));
	CHECK("a name that is too long is unknown", query(buf_str(&b)));
}

static void
form_fields(void)
{
	got = (struct all){ 0 };
	problems = (struct problems){ .json = { .a = mem } };
	CHECK("one field at a time",
	    text_field(mem, fields, N_FIELDS, S("someText"), S("abc"), &got, &problems) &&
		str_eq(got.some_text, S("abc")) &&
		text_field(mem, fields, N_FIELDS, S("some_text"), S("later"), &got, &problems) &&
		str_eq(got.some_text, S("abc")));
	CHECK("an unknown one is ignored",
	    text_field(mem, fields, N_FIELDS, S("other"), S(""), &got, &problems));
	fields_missing(fields, N_FIELDS, &got, &problems);
	CHECK("nothing is missing", problems.n == 0);
	CHECK("a bad one is told",
	    !text_field(mem, fields, N_FIELDS, S("colour"), S("blue"), &got, &problems) &&
		problems.n == 1);
	got = (struct all){ 0 };
	fields_missing(fields, N_FIELDS, &got, &problems);
	CHECK("what is missing is told", problems.n == 2);
}

static void
from_text(void)
{
	struct all in = { 0 };
	struct str why = { NULL, 0 };

	CHECK("text that fits fills the struct",
	    fields_from_text(mem, fields, N_FIELDS, S("{\"some_text\":\"x\"}"), &in, &why) &&
		str_eq(in.some_text, S("x")));
	CHECK("what is no JSON is told",
	    !fields_from_text(mem, fields, N_FIELDS, S("{"), &in, &why) && why.n > 0);
	CHECK("what is no object is told",
	    !fields_from_text(mem, fields, N_FIELDS, S("[]"), &in, &why) &&
		str_eq(why, S("not an object")));
	CHECK("a bad field is told",
	    !fields_from_text(mem, fields, N_FIELDS, S("{\"someText\":1}"), &in, &why) &&
		why.p[0] == '{');
}

static json_object *
schema_of(int flags)
{
	struct buf b = { .a = mem };
	json_object *o;
	const char *why;

	fields_schema(&b, fields, N_FIELDS, flags);
	return json_parse(mem, buf_str(&b), &o, &why) == ERR_OK ? o : NULL;
}

static void
schemas(void)
{
	for (int camel = 0; camel < 2; camel++) {
		json_object *o = schema_of(camel ? SCHEMA_CAMEL : 0), *properties;

		properties = json_at(o, "properties");
		CHECK(camel ? "a schema in camelCase is JSON" : "a schema in snake_case is JSON",
		    o && json_object_object_length(properties) == (int)N_FIELDS);
		CHECK("it has the bounds",
		    json_int(json_at(properties, camel ? "howMany" : "how_many"), "minimum", 0) ==
			    -5 &&
			json_int(json_at(properties, camel ? "someText" : "some_text"), "maxLength",
			    0) == 5);
		CHECK("and what is required",
		    json_object_array_length(json_at(o, "required")) == 1 &&
			json_object_array_length(
			    json_at(json_at(properties, camel ? "homeAddress" : "home_address"),
				"required")) == 1);
	}
}

/* Does a property's schema name null among its types, and among its values where it lists them? */
static bool
may_be_null(json_object *property)
{
	json_object *type = json_at(property, "type"), *values = json_at(property, "enum");
	size_t n = json_object_is_type(type, json_type_array) ? json_object_array_length(type) : 0;

	for (size_t i = 0; values && i <= json_object_array_length(values); i++) {
		if (i == json_object_array_length(values))
			return false;
		if (!json_object_array_get_idx(values, i))
			break;
	}
	return n == 2 &&
	       strcmp(json_object_get_string(json_object_array_get_idx(type, 1)), "null") == 0;
}

static void
schemas_with_null(void)
{
	json_object *with = json_at(schema_of(SCHEMA_NULL), "properties"),
		    *without = json_at(schema_of(0), "properties");
	bool good = true;

	for (size_t i = 0; i < N_FIELDS; i++) {
		const char *name = fields[i].name;

		EACH(good,
		    may_be_null(json_at(with, name)) == (fields[i].required == OPTIONAL) &&
			!may_be_null(json_at(without, name)),
		    "%s", name);
	}
	CHECK("in JSON optional fields of every kind may be null, and no others", good);
}

static void
fitting(void)
{
	static const struct field of_both[] = {
		F_STR(struct all, some_text, 1, 5, REQUIRED),
		F_STR(struct inner, street_name, 1, 20, REQUIRED),
	};
	struct field object = F_OBJECT(struct all, home_address, inner_fields, OPTIONAL);

	CHECK("a table fits its own struct alone",
	    fields_fit(fields, N_FIELDS, sizeof(struct all)) &&
		!fields_fit(fields, N_FIELDS, sizeof(struct inner)));
	CHECK("a row of another struct is found", !fields_fit(of_both, 2, sizeof(struct all)));
	object.object_len--;
	CHECK("a nested table of another struct too", !fields_fit(&object, 1, sizeof(struct all)));
}

static bool
is_password(const char *text)
{
	struct str out;

	return field_password(mem, str_from(text), &out);
}

static void
presets(void)
{
	char long_name[200];

	memset(long_name, 'a', sizeof(long_name));
	CHECK(
	    "a password's length is in bytes", !is_password("1234567") && is_password("12345678") &&
						   is_password("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"));
	CHECK("and of the form that is hashed",
	    !is_password("a\xcc\x88\x61\xcc\x88\x61\xcc\x88x") &&
		is_password("a\xcc\x88\x61\xcc\x88\x61\xcc\x88xy"));
	CHECK("which no control character is in", !is_password("12345678\t") &&
						      !is_password("1234\n5678") &&
						      !is_password("12345678\xc2\x85"));
	CHECK("time zones are those of the host, and never files beside them",
	    field_is_timezone(S("UTC")) && !field_is_timezone(S("Nowhere/Town")) &&
		!field_is_timezone(S("../zoneinfo/UTC")) && !field_is_timezone(S("Europe")) &&
		!field_is_timezone((struct str){ long_name, sizeof(long_name) }));
	CHECK("that are zones, by their own names",
	    field_is_timezone(S("Europe/Berlin")) && !field_is_timezone(S("leapseconds")) &&
		!field_is_timezone(S("right/Europe/Berlin")) &&
		!field_is_timezone(S("posix/Europe/Berlin")) &&
		!field_is_timezone(S("localtime")) && !field_is_timezone(S("posixrules")));
	CHECK(
	    "what is shown is not blank", field_is_shown(S(" a")) && !field_is_shown(S(" \t\r\n")));
	CHECK("origins are as browsers send them", field_is_origin(S("https://a.example:8443")) &&
						       !field_is_origin(S("http://[::1]:8o")) &&
						       !field_is_origin(S("https://a.example/")));
}

int
main(void)
{
	mem = arena_new();
	texts();
	numbers();
	decimals();
	negative_decimals();
	times();
	no_times();
	others();
	long_entries();
	names();
	every_problem();
	queries();
	floods();
	form_fields();
	from_text();
	schemas();
	schemas_with_null();
	fitting();
	presets();
	arena_free(mem);
	return test_end();
}
