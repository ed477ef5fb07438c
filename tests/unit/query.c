/* lib/query.c: arguments as libpq takes them. lib/err.c: the one table of errs. */
#include <millrace/err.h>
#include <millrace/query.h>

#include "test.h"

static struct arena *mem;

static const char *
array(struct str *p, size_t n)
{
	const struct sql_arg arg = { .type = SQL_TEXTS, .list = { p, n } };

	return sql_params(mem, &arg, 1).values[0];
}

static void
arrays(void)
{
	struct str one[] = { S("") };
	struct str odd[] = { S("a\"b"), S("c\\d"), S("{e,f}"), S("NULL"), S("\\"), S("\"\""),
		S(" \xc3\xa4 ") };

	CHECK("an empty array", strcmp(array(NULL, 0), "{}") == 0);
	CHECK("an empty text", strcmp(array(one, 1), "{\"\"}") == 0);
	CHECK("quotes, backslashes, braces, commas",
	    strcmp(array(odd, sizeof(odd) / sizeof(*odd)),
		"{\"a\\\"b\",\"c\\\\d\",\"{e,f}\",\"NULL\",\"\\\\\",\"\\\"\\\"\",\" \xc3\xa4 "
		"\"}") == 0);
}

static void
arguments(void)
{
	const struct sql_arg args[] = {
		{ .type = SQL_TEXT, .s = { "abcdef", 3 } },
		{ .type = SQL_TEXT, .s = { NULL, 0 } },
		{ .type = SQL_TEXT, .s = { "", 0 } },
		{ .type = SQL_UUID, .u = { "0190b3e8-8a54-7c3e-9d55-0242ac120002" } },
		{ .type = SQL_UUID, .u = { "" } },
		{ .type = SQL_INT, .i = INT64_MAX },
		{ .type = SQL_INT, .i = SQL_NULL_INT },
		{ .type = SQL_INT, .i = 0 },
		{ .type = SQL_BOOL, .b = true },
		{ .type = SQL_BOOL, .b = false },
		{ .type = SQL_BYTES, .s = { "\0\1\2", 3 } },
		{ .type = SQL_BYTES, .s = { NULL, 0 } },
	};
	struct sql_params p = sql_params(mem, args, 12);

	CHECK("texts end where they end", strcmp(p.values[0], "abc") == 0);
	CHECK("absent is NULL, empty is not", !p.values[1] && p.values[2] && !*p.values[2]);
	CHECK("uuids", strlen(p.values[3]) == 36 && !p.values[4]);
	CHECK("integers", strcmp(p.values[5], "9223372036854775807") == 0 && !p.values[6] &&
			      strcmp(p.values[7], "0") == 0);
	CHECK("booleans", strcmp(p.values[8], "t") == 0 && strcmp(p.values[9], "f") == 0);
	CHECK("bytes go in binary", p.formats[10] == 1 && p.lengths[10] == 3 &&
					memcmp(p.values[10], "\0\1\2", 3) == 0 && !p.values[11]);
	CHECK("all else as text", p.formats[0] == 0 && p.formats[5] == 0 && p.n == 12);
}

static void
many(void)
{
	const struct query q = { .n_args = 3 };
	const struct sql_arg one[] = { { .type = SQL_UUID,
					   .u = { "0190b3e8-8a54-7c3e-9d55-0242ac120002" } },
		{ .type = SQL_INT, .i = 7 }, { .type = SQL_TEXT, .s = { NULL, 0 } } };
	const struct sql_arg two[] = { { .type = SQL_UUID,
					   .u = { "0190b3e8-8a54-7c3e-9d55-0242ac120003" } },
		{ .type = SQL_INT, .i = -1 }, { .type = SQL_TEXT, .s = { "a,b", 3 } } };
	const struct sql_arg *const both[] = { one, two };
	struct sql_params p = sql_params(mem, sql_args_many(mem, &q, both, 2), 3);

	CHECK(
	    "arguments of many are arrays", p.n == 3 && strcmp(p.values[1], "{\"7\",\"-1\"}") == 0);
	CHECK("in their order, absent ones empty",
	    strncmp(p.values[0], "{\"0190b3e8-8a54-7c3e-9d55-0242ac120002\",", 40) == 0 &&
		strcmp(p.values[2], "{\"\",\"a,b\"}") == 0);
}

static void
errs(void)
{
	bool good = true;

	for (int e = 0; e < ERR_COUNT; e++) {
		const struct err_info *info = err_info((enum err)e);

		EACH(good,
		    info->status >= 200 && info->code && *info->code && info->text && *info->text,
		    "%d", e);
		EACH(good,
		    e == ERR_OK || e == ERR_REPLAY || err_from_code(info->code) == (enum err)e,
		    "%s", info->code);
	}
	CHECK("every err has a status, a code of its own and a text", good);
	CHECK("a code that is in no row is none", err_from_code("") == ERR_COUNT &&
						      err_from_code("OK") == ERR_COUNT &&
						      err_from_code("CONFLICT ") == ERR_COUNT);
}

int
main(void)
{
	mem = arena_new();
	arrays();
	arguments();
	many();
	errs();
	arena_free(mem);
	return test_end();
}
