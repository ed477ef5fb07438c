/* runner/models/reply.c: long replies, by many pieces, up to what is bounded. */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"

#include "test.h"

static struct arena *a;
static struct call c;
static struct reply r;

static void
on_text(void *arg, struct str text)
{
	(void)arg;
	(void)text;
}

static void
begin(void)
{
	c = (struct call){ .a = a, .on_text = on_text, .text = { .a = a }, .input_tokens = -1 };
	reply_init(&r, &c, &wire_openai);
}

/* One chunk with this delta. False where nothing more is read. */
static bool
feed(const char *delta)
{
	struct buf b = { .a = a };

	buf_printf(&b, "data: {\"choices\":[{\"index\":0,\"delta\":%s}]}\n\n", delta);
	return reply_feed(&r, buf_str(&b));
}

static void
end(void)
{
	reply_end(&r, true);
	reply_calls(&r);
	reply_free(&r);
}

/* A piece of the first tool call, with these arguments as they stand in JSON. */
static bool
feed_arguments(const char *arguments)
{
	return feed(arena_printf(
	    a, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%s\"}}]}", arguments)
			.p);
}

static void
test_pieces(void)
{
	json_object *o;
	bool good = true;

	begin();
	feed(
	    "{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"write_file\"}}]}");
	good = feed_arguments("  {\\n \\\"name\\\" : \\\"a }{ \\\\\\\" b\\\",\\n");
	good = good && feed_arguments(" \\\"content\\\": \\\"");
	for (int i = 0; i < 20000; i++)
		good = good && feed_arguments("{mill} ");
	good = good && feed_arguments("\\\"}  \\n");
	end();
	CHECK("20,000 pieces are one call", good && c.n_calls == 1);
	CHECK("its arguments are one object",
	    lenient_parse(a, c.calls[0].arguments, &o) && json_object_object_length(o) == 2 &&
		json_object_get_string_len(json_at(o, "content")) == 20000 * 7 &&
		str_eq(lenient_text(a, json_at(o, "name")), S("a }{ \" b")));
}

static void
test_arguments_bound(void)
{
	char *piece = memset(arena_alloc(a, 65537), 'x', 65536);
	int n = 0;

	piece[65536] = '\0';
	begin();
	feed("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{"
	     "\\\"x\\\":\\\"\"}}]}");
	while (n < 100 && feed_arguments(piece))
		n++;
	end();
	CHECK("arguments are bounded", n == (int)(ARGUMENTS_MAX / 65536) - 1 && r.garbage);
}

static void
test_calls_bound(void)
{
	begin();
	for (int i = 0; i < TOOL_CALLS_MAX + 4; i++)
		feed(arena_printf(a,
		    "{\"tool_calls\":[{\"index\":%d,\"id\":\"i%d\",\"function\":{\"name\":\"f%d\","
		    "\"arguments\":\"{}\"}}]}",
		    i, i, i)
			 .p);
	end();
	CHECK("calls beyond what a round makes are let go, and that is known",
	    c.n_calls == TOOL_CALLS_MAX && r.too_many_calls &&
		str_eq(c.calls[TOOL_CALLS_MAX - 1].name, S("f15")));
}

static void
test_answer_bound(void)
{
	char *piece = arena_alloc(a, 40001);
	bool more = true;
	int n = 0;

	/* Characters of three bytes, so that the bound is inside of one. */
	for (int i = 0; i < 40000 - 2; i += 3)
		memcpy(piece + i, "\xe6\xb0\xb4", 3);
	piece[39999] = '\0';
	begin();
	for (; more && n < 100; n++)
		more = feed(arena_printf(a, "{\"content\":\"%s\"}", piece).p);
	end();
	CHECK("an answer is cut at its bound, between characters",
	    !more && c.text.n <= ANSWER_MAX && c.text.n > ANSWER_MAX - 3 && c.text.n % 3 == 0 &&
		str_utf8(buf_str(&c.text)));
	CHECK("and has ended by its length", r.finish && strcmp(r.finish, "length") == 0);
}

/* What a continuation adds to an answer, by pieces of so many bytes. */
static struct str
continued(const char *said, const char *more, size_t step)
{
	size_t before = strlen(said), n = strlen(more);

	begin();
	buf_put(&c.text, str_from(said));
	reply_free(&r);
	reply_init(&r, &c, &wire_openai);
	for (size_t i = 0; i < n; i += step)
		(void)feed(arena_printf(
		    a, "{\"content\":\"%.*s\"}", (int)(n - i < step ? n - i : step), more + i)
			       .p);
	feed("{\"content\":\"\"},\"finish_reason\":\"stop\",\"x\":{}");
	end();
	return (struct str){ buf_str(&c.text).p + before, c.text.n - before };
}

#define END "the wheel of the mill turns twice a minute when the river is high"

static void
test_continuation(void)
{
	static const struct {
		const char *said, *more, *adds;
	} cases[] = {
		{ "As I said, " END, END ", and stops.", ", and stops." },
		{ "As I said, " END, END, "" },
		{ END " and then " END, END " and then it stops.", " and then it stops." },
		{ "As I said, " END " and", " and when it is low.", " and when it is low." },
		{ "As I said, " END ". More of it, and", END " too.", END " too." },
		{ "As I said, " END, "the wheel of the mill is old.",
		    "the wheel of the mill is old." },
		{ "short", "short and more", " and more" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t step = 1; step < 100; step += 7)
			EACH(good,
			    str_eq(continued(cases[i].said, cases[i].more, step),
				str_from(cases[i].adds)),
			    "%s + %s by %zu: %.*s", cases[i].said, cases[i].more, step,
			    (int)(c.text.n - strlen(cases[i].said)),
			    buf_str(&c.text).p + strlen(cases[i].said));
	CHECK("a continuation does not say again what ended the answer, or all of it", good);
}

/* The names of the calls in a reply of these deltas, with a comma behind each. */
static struct str
calls_of(const char *const deltas[])
{
	struct buf b = { .a = a };

	begin();
	for (size_t i = 0; deltas[i]; i++)
		feed(deltas[i]);
	end();
	for (size_t i = 0; i < c.n_calls; i++)
		buf_printf(&b, "%.*s(%.*s),", S_ARG(c.calls[i].name), S_ARG(c.calls[i].arguments));
	return buf_str(&b);
}

#define CALL(members) "{\"tool_calls\":[" members "]}"
#define F(name, args) "\"function\":{\"name\":\"" name "\",\"arguments\":" args "}"

static void
test_calls(void)
{
	static const struct {
		const char *deltas[4], *calls;
	} cases[] = {
		{ { CALL("{" F("a", "{}") "},{" F("b", "{}") "}") }, "a({}),b({})," },
		{ { CALL("{" F("a", "\"\"") "},{" F("b", "\"\"") "}") }, "a({}),b({})," },
		{ { CALL("{\"index\":0," F("a", "{}") "},{\"index\":0," F("b", "{}") "}") },
		    "a({}),b({})," },
		{ { CALL("{\"index\":0," F("a", "{}") "}"),
		      CALL("{\"index\":0," F("b", "{}") "}") },
		    "a({}),b({})," },
		{ { CALL("{" F("a", "{}") "},{" F("a", "{}") "}") }, "a({}),a({})," },
		{ { CALL("{" F("get_", "\"\"") "}"), CALL("{" F("weather", "\"\"") "}"),
		      CALL("{" F("", "\"{\\\"x\\\":1}\"") "}") },
		    "get_weather({\"x\":1})," },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str calls = calls_of(cases[i].deltas);

		EACH(good, str_eq(calls, str_from(cases[i].calls)), "%s: %.*s", cases[i].calls,
		    S_ARG(calls));
	}
	CHECK("calls without ids are told apart", good);
}

/* What a wire makes of a stream: its text and calls, and whether it is all of an answer. */
static struct str
read_by(const struct wire *wire, const char *const events[])
{
	struct buf b = { .a = a };

	c = (struct call){ .a = a, .on_text = on_text, .text = { .a = a }, .input_tokens = -1 };
	reply_init(&r, &c, wire);
	for (size_t i = 0; events[i]; i++)
		(void)reply_feed(&r, arena_printf(a, "data: %s\n\n", events[i]));
	reply_end(&r, true);
	reply_calls(&r);
	buf_put(&b, buf_str(&c.text));
	for (size_t i = 0; i < c.n_calls; i++)
		buf_printf(&b, " %.*s(%.*s)", S_ARG(c.calls[i].name), S_ARG(c.calls[i].arguments));
	buf_put(&b, reply_is_complete(&r) ? S(".") : S("?"));
	reply_free(&r);
	return buf_str(&b);
}

#define BEGINS(members) "{\"type\":\"content_block_start\",\"content_block\":{" members "}}"
#define DELTA(members) "{\"type\":\"content_block_delta\",\"delta\":{" members "}}"
#define ENDS "{\"type\":\"message_stop\"}"
#define TEXT "\"type\":\"text_delta\",\"text\":"
#define CALLS(name) "\"type\":\"tool_use\",\"name\":\"" name "\",\"input\":{}"
#define PIECE "\"type\":\"input_json_delta\",\"partial_json\":"
#define PARTS(parts) "{\"candidates\":[{\"content\":{\"parts\":" parts "}}]}"
#define STOPS "{\"candidates\":[{\"finishReason\":\"STOP\"}]}"

static void
test_vendors(void)
{
	static const struct {
		const struct wire *wire;
		const char *events[8], *want;
	} cases[] = {
		{ &wire_anthropic, { DELTA(TEXT "\"a\""), DELTA(TEXT "7"), ENDS }, "a7." },
		{ &wire_anthropic, { DELTA("\"text\":\"a\""), ENDS }, "a." },
		{ &wire_anthropic, { DELTA(TEXT "\"a\\ud83d\""), DELTA(TEXT "\"\\ude00\""), ENDS },
		    "a😀." },
		{ &wire_anthropic, { DELTA(TEXT "\"a\"") }, "a?" },
		{ &wire_anthropic, { ENDS }, "?" },
		{ &wire_anthropic, { "{\"type\":\"message\",\"content\":\"a\"}", ENDS }, "a." },
		{ &wire_anthropic,
		    { BEGINS(CALLS("x")), DELTA(PIECE "{\"n\":1}"), BEGINS(CALLS("y")),
			DELTA(PIECE "\"{\\\"n\\\":\""), DELTA(PIECE "\"2}\""), ENDS },
		    " x({\"n\":1}) y({\"n\":2})." },
		{ &wire_google, { PARTS("{\"text\":\"a\"}"), STOPS }, "a." },
		{ &wire_google, { PARTS("[{\"text\":7},null,5]"), STOPS }, "7." },
		{ &wire_google,
		    { PARTS("[{\"text\":\"\\ud83d\"}]"), PARTS("[{\"text\":\"\\ude00\"}]"), STOPS },
		    "😀." },
		{ &wire_google,
		    { PARTS("[{\"functionCall\":{\"name\":\"x\",\"args\":\"{\\\"n\\\":1}\"}},"
			    "{\"functionCall\":{\"name\":\"x\"}}]"),
			STOPS },
		    " x({\"n\":1}) x({})." },
		{ &wire_google, { PARTS("[{\"text\":\"a\"}]") }, "a?" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str read = read_by(cases[i].wire, cases[i].events);

		EACH(good, str_eq(read, str_from(cases[i].want)), "%zu: %s: %.*s", i, cases[i].want,
		    S_ARG(read));
	}
	CHECK("other vendors' formats are read as they are meant", good);
}

static struct buf blocks, likely;

static void
on_block(void *arg, json_object *block)
{
	(void)arg;
	buf_put(&blocks, json_serialised(block));
}

static void
on_logprobs(void *arg, struct str list)
{
	(void)arg;
	buf_put(&likely, list);
}

/* The same with what the model thinks, in brackets, and what else is told of the answer. */
static struct str
think_by(const struct wire *wire, const char *const events[])
{
	c = (struct call){ .a = a,
		.on_text = on_text,
		.on_thought = on_text,
		.on_block = on_block,
		.on_logprobs = on_logprobs,
		.stop = S("[\"END\"]"),
		.thoughts = { .a = a },
		.text = { .a = a } };
	blocks = likely = (struct buf){ .a = a };
	reply_init(&r, &c, wire);
	for (size_t i = 0; events[i]; i++)
		(void)reply_feed(&r, arena_printf(a, "data: %s\n\n", events[i]));
	reply_end(&r, true);
	reply_free(&r);
	return arena_printf(a, "[%.*s]%.*s%s%.*s%.*s%.*s", S_ARG(buf_str(&c.thoughts)),
	    S_ARG(buf_str(&c.text)), c.refuses ? "!" : "", S_ARG(c.stopped_by),
	    S_ARG(buf_str(&blocks)), S_ARG(buf_str(&likely)));
}

#define CHOICE(delta, more) "{\"choices\":[{\"delta\":" delta more "}]}"
#define THINKS "\"type\":\"thinking_delta\",\"thinking\":"

static void
test_thoughts(void)
{
	static const struct {
		const struct wire *wire;
		const char *events[8], *want;
	} cases[] = {
		{ &wire_openai,
		    { CHOICE("{\"reasoning_content\":\"a\\ud83d\"}", ""),
			CHOICE("{\"reasoning_content\":\"\\ude00\"}", ""),
			CHOICE("{\"content\":\"b\"}", ",\"stop_reason\":\"END\"") },
		    "[a😀]bEND" },
		{ &wire_openai, { CHOICE("{\"reasoning\":\"a\",\"content\":\"b\"}", "") }, "[a]b" },
		{ &wire_openai, { CHOICE("{\"refusal\":\"no\"}", "") }, "[]no!" },
		{ &wire_openai,
		    { CHOICE("{\"content\":\"b\"}", ",\"logprobs\":{\"content\":[{\"x\":1},{}]}"),
			CHOICE("{\"content\":\"c\"}", ",\"logprobs\":{\"content\":[NaN]}") },
		    "[]bc{\"x\":1},{}" },
		{ &wire_anthropic,
		    { BEGINS("\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""),
			DELTA(THINKS "\"a\""), DELTA(THINKS "\"b\""),
			DELTA("\"type\":\"signature_delta\",\"signature\":\"s\""),
			"{\"type\":\"content_block_stop\"}",
			BEGINS("\"type\":\"redacted_thinking\",\"data\":\"d\",\"n\":NaN"), ENDS },
		    "[ab]{\"type\":\"thinking\",\"thinking\":\"ab\",\"signature\":\"s\"}"
		    "{\"type\":\"redacted_thinking\",\"data\":\"d\"}" },
		{ &wire_anthropic,
		    { BEGINS("\"type\":\"text\",\"text\":\"a\",\"citations\":[{\"n\":1}]"),
			DELTA("\"type\":\"citations_delta\",\"citation\":{\"n\":2}"),
			"{\"type\":\"content_block_stop\"}",
			BEGINS("\"type\":\"text\",\"text\":\"\""), DELTA(TEXT "\"b\""),
			"{\"type\":\"content_block_stop\"}", ENDS },
		    "[]ab{\"type\":\"text\",\"citations\":[{\"n\":1},{\"n\":2}]}"
		    "{\"type\":\"text\",\"citations\":[]}" },
		{ &wire_anthropic,
		    { DELTA(TEXT "\"a\""),
			"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
			"\"stop_sequence\",\"stop_sequence\":\"END\"}}",
			ENDS },
		    "[]aEND" },
		{ &wire_google,
		    { PARTS("[{\"text\":\"a\",\"thought\":true},{\"text\":\"b\"}]"), STOPS },
		    "[a]b" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str read = think_by(cases[i].wire, cases[i].events);

		EACH(good, str_eq(read, str_from(cases[i].want)), "%zu: %s: %.*s", i, cases[i].want,
		    S_ARG(read));
	}
	CHECK("what a model thinks, and how it ends, is told apart", good);
}

static void
test_kept(void)
{
	char *name = memset(arena_alloc(a, 151), 'n', 150);
	char *large = memset(arena_alloc(a, 100001), 'y', 100000);
	json_object *o;

	name[150] = '\0';
	large[100000] = '\0';
	begin();
	feed("{\"content\":\"a\",\"reasoning_content\":\"I \"}");
	feed("{\"reasoning_content\":\"think\",\"reasoning_details\":[{\"i\":1}]}");
	feed("{\"reasoning_details\":[{\"i\":2}],\"signature\":{\"old\":1}}");
	feed("{\"signature\":{\"new\":2}}");
	feed(arena_printf(a, "{\"%s\":\"too long a name\"}", name).p);
	end();
	CHECK("what is not known is kept: texts joined, lists too, the last of others",
	    lenient_parse(a, c.extra, &o) && json_object_object_length(o) == 3 &&
		str_eq(lenient_text(a, json_at(o, "reasoning_content")), S("I think")) &&
		json_object_array_length(json_at(o, "reasoning_details")) == 2 &&
		lenient_count(json_at(json_at(o, "signature"), "new")) == 2);

	begin();
	feed("{\"content\":\"a\"}");
	for (int i = 0; i < 4; i++)
		feed(arena_printf(a, "{\"reasoning_content\":\"%s\"}", large).p);
	end();
	CHECK("more than goes back with a round is not kept at all, and the answer stands",
	    !c.extra.p && str_eq(buf_str(&c.text), S("a")));
}

int
main(void)
{
	a = arena_new();
	test_pieces();
	test_arguments_bound();
	test_calls_bound();
	test_answer_bound();
	test_continuation();
	test_calls();
	test_vendors();
	test_thoughts();
	test_kept();
	arena_free(a);
	return test_end();
}
