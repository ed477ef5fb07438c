/* JSON and text of other people's servers: what is meant comes out. */
#include <stdio.h>

#include <millrace/json.h>

#include "lib/lenient.c"

#include "test.h"

static struct arena *a;

/* The text of the member "x" of a document. */
static struct str
text_of(struct str document)
{
	json_object *o;

	if (!lenient_parse(a, document, &o))
		return S("(no JSON)");
	return text_mend(a, lenient_text(a, json_at(o, "x")));
}

static void
test_parse(void)
{
	static const struct {
		const char *document, *text;
	} cases[] = {
		{ "{\"x\":\"a\"}", "a" },
		{ "\xef\xbb\xbf{\"x\":\"a\"}", "a" },
		{ "{\"x\":\"a\"} trailing", "a" },
		{ "{\"x\":\"\\ud83d\\ude00\"}", "😀" },
		{ "{\"x\":\"a\\ud83db\"}", "a\xef\xbf\xbd"
					   "b" },
		{ "{\"x\":\"a\\ude00b\"}", "a\xef\xbf\xbd"
					   "b" },
		{ "{\"x\":\"\\ud83d\\ud83d\\ude00\"}", "\xef\xbf\xbd😀" },
		{ "{\"x\":\"a\\u0000b\"}", "a\xef\xbf\xbd"
					   "b" },
		{ "{\"x\":\"\\\\u0000 \\\\ud83d\"}", "\\u0000 \\ud83d" },
		{ "{\"x\":\"a\xff"
		  "b\"}",
		    "a\xef\xbf\xbd"
		    "b" },
		{ "{\"x\":[{\"type\":\"text\",\"text\":\"a\"},\"b\",{\"text\":\"c\"},"
		  "{\"type\":\"thinking\",\"thinking\":\"no\"}]}",
		    "abc" },
		{ "{\"x\":{\"type\":\"text\",\"text\":\"a\"}}", "a" },
		{ "{\"x\":12}", "12" },
		{ "{\"x\":1.50}", "1.50" },
		{ "{\"x\":null}", "" },
		{ "{\"x\":{}}", "" },
		{ "{\"y\":NaN,\"x\":\"a\"}", "a" },
		{ "{\"x\":\"a\"", "(no JSON)" },
		{ "", "(no JSON)" },
		{ "data", "(no JSON)" },
	};
	bool good = true;
	json_object *o;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		EACH(good, str_eq(text_of(str_from(cases[i].document)), str_from(cases[i].text)),
		    "%s", cases[i].document);
	CHECK("what is meant is read", good);
	CHECK("null is JSON, and nothing", lenient_parse(a, S("null"), &o) && o == NULL);
	CHECK("NUL as a byte", str_eq(text_of(S("{\"x\":\"a\0b\"}")), S("a\xef\xbf\xbd"
									"b")));
}

static void
test_count(void)
{
	static const struct {
		const char *json;
		int64_t n;
	} cases[] = { { "{\"x\":11}", 11 }, { "{\"x\":11.0}", 11 }, { "{\"x\":11.5}", 12 },
		{ "{\"x\":1.1e1}", 11 }, { "{\"x\":\"11\"}", 11 }, { "{\"x\":0}", 0 },
		{ "{\"x\":-1}", -1 }, { "{\"x\":1e300}", -1 }, { "{\"x\":NaN}", -1 },
		{ "{\"x\":\"many\"}", -1 }, { "{\"x\":null}", -1 }, { "{\"x\":true}", -1 },
		{ "{}", -1 } };
	bool good = true;
	json_object *o;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		EACH(good,
		    lenient_parse(a, str_from(cases[i].json), &o) &&
			lenient_count(json_at(o, "x")) == cases[i].n,
		    "%s", cases[i].json);
	CHECK("numbers of any kind count", good);
}

/* Cut at every byte, the pieces give the same text again. */
static void
test_pieces(void)
{
	struct str s = S("a\xed\xa0\xbd\xed\xb8\x80 é語😀\xed\xa0\xbdz"), want = text_mend(a, s);
	bool good = true;

	for (size_t cut = 0; cut <= s.n; cut++) {
		struct buf b = { .a = a }, rest = { .a = a };
		size_t n = text_whole((struct str){ s.p, cut });

		EACH(good, n <= cut && cut - n <= 6, "cut at %zu", cut);
		buf_put(&b, text_mend(a, (struct str){ s.p, n }));
		buf_put(&rest, text_mend(a, (struct str){ s.p + n, s.n - n }));
		buf_put(&b, buf_str(&rest));
		EACH(good, str_eq(buf_str(&b), want), "cut at %zu", cut);
	}
	CHECK("characters are joined over pieces", good);
	CHECK("halves become a character", str_starts(want, S("a😀 é語😀\xef\xbf\xbdz")));
	CHECK("what is well stays where it is", text_mend(a, S("é")).n == 2);
}

/* What a strict parser refuses and a stranger sends is mended; the rest stays refused. */
static void
test_mend(void)
{
	const struct {
		struct str from, to; /* absent: it stays no JSON */
	} cases[] = { { S("\xef\xbb\xbf{\"x\":1}"), S("{\"x\":1}") },
		{ S("{\"x\":\"a\\ud83d\"}"), S("{\"x\":\"a\xef\xbf\xbd\"}") },
		{ S("{\"x\":\"\\ude00\\ud83d\"}"), S("{\"x\":\"\xef\xbf\xbd\xef\xbf\xbd\"}") },
		{ S("{\"x\":\"\\ud83d\\ude00\"}"), S("{\"x\":\"\\ud83d\\ude00\"}") },
		{ S("{\"x\":\"\\\\u0000\\u0000\"}"), S("{\"x\":\"\\\\u0000\xef\xbf\xbd\"}") },
		{ S("{\"x\":\"a\0\xff\"}"), S("{\"x\":\"a\xef\xbf\xbd\xef\xbf\xbd\"}") },
		{ S("[1]"), S("[1]") }, { S(""), { NULL, 0 } }, { S("\xef\xbb\xbf"), { NULL, 0 } },
		{ S("{\"x\":NaN}"), { NULL, 0 } }, { S("{\"x\":1} y"), { NULL, 0 } } };
	bool good = true;
	json_object *o;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str text = cases[i].from;
		bool parsed = mended_parse(a, &text, &o);

		EACH(good,
		    parsed == (cases[i].to.p != NULL) && (!parsed || str_eq(text, cases[i].to)),
		    "case %zu: %.*s", i, S_ARG(text));
	}
	CHECK("strangers' JSON is mended", good);
	CHECK("a list has a length, and nothing else has",
	    mended_parse(a, &(struct str){ "[1,2]", 5 }, &o) && json_length(o) == 2 &&
		mended_parse(a, &(struct str){ "{}", 2 }, &o) && json_length(o) == 0 &&
		json_length(NULL) == 0);
}

int
main(void)
{
	a = arena_new();
	test_mend();
	test_parse();
	test_count();
	test_pieces();
	CHECK("an object is one", is_json_object(S("{\"a\":1}")) && !is_json_object(S("[1]")) &&
				      !is_json_object(S("{\"a\":")) && !is_json_object(S("")));
	arena_free(a);
	return test_end();
}
