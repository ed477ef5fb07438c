/* lib/json.c: json_parse takes what RFC 8259 allows and nothing else; url_decode. */
#include <millrace/json.h>

#include "test.h"

static bool
taken(struct str text)
{
	struct arena *a = arena_new();
	json_object *o = NULL;
	const char *why = NULL;
	bool good = json_parse(a, text, &o, &why) == ERR_OK;

	if (good != (o != NULL) || (!good && !why)) {
		printf("# no reason given for %.*s\n", S_ARG(text));
		good = !good;
	}
	arena_free(a);
	return good;
}

#define TEXT(s)                     \
	{                           \
		s, sizeof("" s) - 1 \
	}

static const struct str valid[] = {
	TEXT("{}"),
	TEXT("[]"),
	TEXT(" \t\r\n{} \n"),
	TEXT("0"),
	TEXT("-0"),
	TEXT("0.5"),
	TEXT("-1.25e+10"),
	TEXT("1E5"),
	TEXT("1e-05"),
	TEXT("1e00"),
	TEXT("10"),
	TEXT("100.001"),
	TEXT("[0,0.0,-0.0]"),
	TEXT("true"),
	TEXT("[null]"),
	TEXT("\"\""),
	TEXT("\"\\u00e4\\ud83d\\ude00\\n\\/\\\\\\\"\""),
	TEXT("\"\\\\u0000\""),
	TEXT("\"01 1. [[[ \xc3\xa4\""),
	TEXT("{\"a\":{\"b\":[1,\"x\",null,false]}}"),
	TEXT("12345678901234567890"),
	TEXT("123456789012345678901234567890"),
	TEXT("{\"\":1}"),
};

static const struct str invalid[] = {
	TEXT(""),
	TEXT(" "),
	TEXT("null"),
	TEXT("nul"),
	TEXT("True"),
	TEXT("NaN"),
	TEXT("-.5"),
	TEXT("[.5]"),
	TEXT("nan"),
	TEXT("-NaN"),
	TEXT("[NaN]"),
	TEXT("Infinity"),
	TEXT("-Infinity"),
	TEXT("{\"a\":Infinity}"),
	TEXT("1e999"),
	TEXT("-1e999"),
	TEXT("01"),
	TEXT("00"),
	TEXT("-01"),
	TEXT("[1,02]"),
	TEXT("1."),
	TEXT("1.e5"),
	TEXT(".5"),
	TEXT("+1"),
	TEXT("-"),
	TEXT("--1"),
	TEXT("1e"),
	TEXT("1e+"),
	TEXT("0x10"),
	TEXT("1.5.2"),
	TEXT("1-2"),
	TEXT("{"),
	TEXT("["),
	TEXT("[1"),
	TEXT("[1,"),
	TEXT("[1,]"),
	TEXT("[,1]"),
	TEXT("[1 2]"),
	TEXT("[1}"),
	TEXT("{\"a\""),
	TEXT("{\"a\":"),
	TEXT("{\"a\":1"),
	TEXT("{\"a\":1,}"),
	TEXT("{\"a\" 1}"),
	TEXT("{a:1}"),
	TEXT("{,}"),
	TEXT("{1:2}"),
	TEXT("'a'"),
	TEXT("\"abc"),
	TEXT("\"abc\\"),
	TEXT("\"\\x41\""),
	TEXT("\"\\u00\""),
	TEXT("\"\\u00"),
	TEXT("\"a\tb\""),
	TEXT("\"a\nb\""),
	TEXT("\"\x01\""),
	TEXT("\"\\u0000\""),
	TEXT("\"a\\u0000b\""),
	TEXT("\"\\\\\\u0000\""),
	TEXT("{\"a\\u0000b\":1}"),
	TEXT("{\"\\u0000\":1}"),
	TEXT("{\"a\":\"\0\"}"),
	TEXT("{}\0"),
	TEXT("\0{}"),
	TEXT("\"\\ud800\""),
	TEXT("\"\\udc00\""),
	TEXT("\"\\ud800\\u0041\""),
	TEXT("\"\\ud800x\""),
	TEXT("{} {}"),
	TEXT("{}x"),
	TEXT("1 1"),
	TEXT("[]]"),
	TEXT("// a\n1"),
	TEXT("/* a */ 1"),
	TEXT("\xef\xbb\xbf{}"),
	TEXT("\xa0{}"),
	TEXT("\"\xff\""),
	TEXT("\"\xc3\""),
	TEXT("\"\xed\xa0\x80\""),
	TEXT("\f1"),
	TEXT("\v{}"),
	TEXT("{\"\xc0\x80\":1}"),
	TEXT("1e-99999"),
	TEXT("[0.5E-0400]"),
};

/* n times open, then `inner`, then n times close. */
static struct str
nested(struct arena *a, int n, const char *open, const char *inner, const char *close)
{
	struct buf b = { .a = a };

	for (int i = 0; i < n; i++)
		buf_put(&b, str_from(open));
	buf_put(&b, str_from(inner));
	for (int i = 0; i < n; i++)
		buf_put(&b, str_from(close));
	return buf_str(&b);
}

static void
long_numbers(void)
{
	struct arena *a = arena_new();
	struct str fraction = nested(a, 900, "1", "", ""), endless = nested(a, 20000, "0", "1", "");

	CHECK("a number may be long", taken(arena_printf(a, "0.%.*s", S_ARG(fraction))) &&
					  taken(arena_printf(a, "\"%.*s\"", S_ARG(endless))));
	CHECK("but not endless", !taken(arena_printf(a, "[0.%.*s]", S_ARG(endless))));
	arena_free(a);
}

/* What json_parse makes of a text, as it is written again. */
static bool
becomes(struct str text, const char *want)
{
	struct arena *a = arena_new();
	json_object *o = NULL;
	const char *why = NULL;
	bool good = json_parse(a, text, &o, &why) == ERR_OK &&
		    strcmp(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), want) == 0;

	arena_free(a);
	return good;
}

static void
large_numbers(void)
{
	CHECK("what 64 bits hold stays as it is",
	    becomes(S("[18446744073709551615,-9223372036854775808]"),
		"[18446744073709551615,-9223372036854775808]"));
	CHECK("and what they do not has the same value",
	    becomes(S("[18446744073709551616,-9223372036854775809,123456789012345678901]"),
		"[18446744073709551616e0,-9223372036854775809e0,123456789012345678901e0]"));
	CHECK("in a fraction and in a string digits are digits",
	    becomes(S("[0.123456789012345678901,\"\\\"123456789012345678901\",1.5]"),
		"[0.123456789012345678901,\"\\\"123456789012345678901\",1.5]"));
}

static void
why_not(void)
{
	struct arena *a = arena_new();
	json_object *o;
	const char *bom = NULL, *comma = NULL;

	if (json_parse(a, S("\xef\xbb\xbf{}"), &o, &bom) == ERR_OK ||
	    json_parse(a, S("{\"a\":1,}"), &o, &comma) == ERR_OK)
		abort();
	CHECK("a byte order mark is named", strcmp(bom, "it begins with a byte order mark") == 0);
	CHECK("and the place", strcmp(comma, "not JSON from byte 8 on") == 0);
	if (json_parse(a, S("[123456789012345678901,123456789012345678901,x]"), &o, &comma) ==
	    ERR_OK)
		abort();
	CHECK("behind numbers beyond 64 bits, too", strcmp(comma, "not JSON from byte 46 on") == 0);
	arena_free(a);
}

static void
grammar(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(valid) / sizeof(*valid); i++)
		EACH(good, taken(valid[i]), "%s", valid[i].p);
	CHECK("what RFC 8259 allows is taken", good);
	good = true;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++)
		EACH(good, !taken(invalid[i]), "%s", invalid[i].p);
	CHECK(
	    "what it forbids is refused, and null, NUL, half characters, what is not finite", good);
}

static void
depth(void)
{
	struct arena *a = arena_new();

	CHECK("32 deep", taken(nested(a, 32, "[", "", "]")) &&
			     taken(nested(a, 32, "[", "1", "]")) &&
			     taken(nested(a, 32, "{\"a\":", "1", "}")));
	CHECK("33 are refused", !taken(nested(a, 33, "[", "", "]")) &&
				    !taken(nested(a, 33, "[", "1", "]")) &&
				    !taken(nested(a, 33, "{\"a\":", "1", "}")) &&
				    !taken(nested(a, 32, "[", "{}", "]")));
	CHECK("a million are refused", !taken(nested(a, 1000000, "[", "", "]")) &&
					   !taken(nested(a, 1000000, "{\"a\":", "", "")));
	CHECK("brackets in strings do not count",
	    taken(nested(a, 2, "[", "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"", "]")));
	CHECK("what has been closed does not count",
	    taken(S("[[[[[[[[[[]]]]]]]]],[[[[[[[[[[[]]]]]]]]]]],[[[[[[[[[[[]]]]]]]]]]]]")));
	arena_free(a);
}

/* Every start of a valid text is refused, not crashed on. */
static void
truncation(void)
{
	static const char text[] =
	    "{\"name\":\"\xc3\xa4\\ud83d\\ude00\\\"\",\"n\":[-1.5e+3,true,null],\"o\":{\"x\":{}}}";
	bool good = true;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		/* Its own allocation: a read past its end is seen. */
		char *copy = xmalloc(n);

		memcpy(copy, text, n);
		EACH(good, !taken((struct str){ copy, n }), "%.*s", (int)n, text);
		free(copy);
	}
	CHECK("a text that is cut short anywhere is refused", good);
	CHECK("the whole is taken", taken(str_from(text)));
}

static void
members(void)
{
	struct arena *a = arena_new();
	json_object *o = NULL;
	const char *why;

	if (json_parse(a, S("{\"s\":\"x\",\"n\":5,\"s2\":7,\"d\":1,\"d\":2,\"z\":null,\"e\":\"\"}"),
		&o, &why) != ERR_OK)
		o = NULL;
	CHECK("a text", str_eq(json_text(o, "s"), S("x")));
	CHECK("a text that is none is absent", json_text(o, "n").p == NULL &&
						   json_text(o, "q").p == NULL &&
						   json_text(o, "z").p == NULL);
	CHECK("an empty text is present", json_text(o, "e").p && json_text(o, "e").n == 0);
	CHECK("an integer", json_int(o, "n", -1) == 5 && json_int(o, "s", -1) == -1);
	CHECK("of duplicates the last counts", json_int(o, "d", -1) == 2);
	CHECK("nothing of nothing", json_at(NULL, "a") == NULL && json_text(NULL, "a").p == NULL);
	arena_free(a);
}

static bool
decodes(struct str s, bool plus, const char *want)
{
	struct arena *a = arena_new();
	struct str out = { NULL, 0 };
	bool good = url_decode(a, s, plus, &out) ? want && str_eq(out, str_from(want)) : !want;

	arena_free(a);
	return good;
}

static void
percent(void)
{
	CHECK("escapes", decodes(S("a%20b%C3%a4"), false, "a b\xc3\xa4"));
	CHECK("plus", decodes(S("a+b%2B"), true, "a b+") && decodes(S("a+b"), false, "a+b"));
	CHECK("broken escapes", decodes(S("%"), true, NULL) && decodes(S("%4"), true, NULL) &&
				    decodes(S("a%zz"), true, NULL) &&
				    decodes(S("%%41"), true, NULL) &&
				    decodes(S("%4g"), true, NULL));
	CHECK("an escape at the end", decodes(S("%41"), true, "A"));
	CHECK("NUL", decodes(S("a%00"), true, NULL) && decodes(S("a\0"), true, NULL));
	CHECK("not UTF-8", decodes(S("%ff"), true, NULL) && decodes(S("\xc3"), true, NULL) &&
			       decodes(S("%c0%af"), true, NULL));
	CHECK("nothing", decodes(S(""), true, ""));
}

int
main(void)
{
	grammar();
	large_numbers();
	why_not();
	long_numbers();
	depth();
	truncation();
	members();
	percent();
	return test_end();
}
