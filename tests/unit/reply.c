/* runner/models/reply.c: long replies, by many pieces, up to what is bounded. */
#include <string.h>

#include <millrace/json.h>

#include "runner/models/lenient.h"
#include "runner/models/reply.h"

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
	reply_init(&r, &c);
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
	test_kept();
	arena_free(a);
	return test_end();
}
