/* The parser of a provider's event stream, case by case and cut at every byte. */
#include <stdio.h>
#include <stdlib.h>

#include <millrace/arena.h>

#include "runner/outside/sse.c"
#include "test.h"

struct seen {
	char text[512];
};

static bool
on_event(void *arg, struct str type, struct str data)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%s%.*s|", str_eq(type, S("message")) ? "" : "!",
	    S_ARG(data));
	return !str_eq(data, S("end"));
}

/* The stream in two pieces, cut everywhere, and byte for byte: always `want`. */
static void
is(const char *name, struct str stream, const char *want)
{
	bool good = true;

	for (size_t cut = 0; cut <= stream.n + 1; cut++) {
		struct seen seen = { "" };
		struct sse s;

		sse_init(&s, 1000);
		if (cut <= stream.n) {
			if (sse_feed(&s, (struct str){ stream.p, cut }, on_event, &seen))
				(void)sse_feed(&s, (struct str){ stream.p + cut, stream.n - cut },
				    on_event, &seen);
		} else {
			for (size_t i = 0; i < stream.n; i++)
				if (!sse_feed(&s, (struct str){ stream.p + i, 1 }, on_event, &seen))
					break;
		}
		sse_free(&s);
		if (strcmp(seen.text, want) != 0) {
			printf("# cut at %zu: %s, wanted %s\n", cut, seen.text, want);
			good = false;
		}
	}
	CHECK(name, good);
}

static void
test_bounds(void)
{
	char line[2000];
	struct seen seen = { "" };
	bool more = true;
	struct sse s;

	memset(line, 'x', sizeof(line));
	sse_init(&s, 1000);
	CHECK("a line without end is given up",
	    !sse_feed(&s, (struct str){ line, sizeof(line) }, on_event, &seen));
	sse_free(&s);
	sse_init(&s, 1000);
	for (int i = 0; i < 300 && more; i++)
		more = sse_feed(&s, S("data: abcdef\n"), on_event, &seen);
	CHECK("and so is an event without end", !more);
	sse_free(&s);
	CHECK("of which nothing was told", seen.text[0] == '\0');
}

/* What a stream that ends without an empty line has dispatched in the end. */
static void
ends(const char *name, struct str stream, const char *want)
{
	struct seen seen = { "" };
	struct sse s;

	sse_init(&s, 1000);
	if (sse_feed(&s, stream, on_event, &seen))
		(void)sse_end(&s, on_event, &seen);
	sse_free(&s);
	CHECK(name, strcmp(seen.text, want) == 0);
}

static void
test_end_of_stream(void)
{
	ends("the end of the bytes ends the last event", S("data: a\n\ndata: b\n"), "a|b|");
	ends("and the last line", S("data: a\n\ndata: b"), "a|b|");
	ends("after CR, too", S("data: a\r\rdata: b\r"), "a|b|");
	ends("whose type it has", S("event: error\ndata: b"), "!b|");
	ends("but makes none of nothing", S("data: a\n\n"), "a|");
	ends("nor of a comment", S("data: a\n\n: x"), "a|");
	ends("nor after the callback's end", S("data: end\n\ndata: b"), "end|");
}

int
main(void)
{
	is("lines end in LF", S("data: a\n\ndata: b\n\n"), "a|b|");
	is("in CRLF", S("data: a\r\n\r\ndata: b\r\n\r\n"), "a|b|");
	is("in CR", S("data: a\r\rdata: b\r\r"), "a|b|");
	is("in all of them", S("data: a\r\n\ndata: b\n\rdata: c\r\r\n"), "a|b|c|");
	is("one space after the colon is not the data's", S("data:a\n\ndata: b\n\ndata:  c\n\n"),
	    "a|b| c|");
	is("several lines of data", S("data: a\ndata\ndata: b\n\n"), "a\n\nb|");
	is("comments and other fields", S(": x\nid: 1\nretry: 5\nfoo: bar\ndata: a\n:\n\n"), "a|");
	is("an event without data is none", S("event: x\n\n\n\ndata: a\n\n"), "a|");
	is("empty data is an event", S("data\n\ndata:\n\n"), "||");
	is("a named event, and not the next", S("event: error\ndata: a\n\ndata: b\n\n"), "!a|b|");
	is("a byte order mark",
	    S("\xef\xbb\xbf"
	      "data: a\n\n"),
	    "a|");
	is("and before any line, as some servers flush them",
	    S("data: a\n\n\xef\xbb\xbf"
	      "data: b\n\n"),
	    "a|b|");
	is("what only begins like one",
	    S("\xef\xbb"
	      "data: a\n\ndata: b\n\n"),
	    "b|");
	is("multibyte characters", S("data: é語😀\n\n"), "é語😀|");
	is("an unfinished event is none", S("data: a\n\ndata: b\n"), "a|");
	is("an error as a field of its own", S("error: {}\n\ndata: b\n\n"), "!{}|b|");
	test_end_of_stream();
	is("the callback ends it", S("data: a\n\ndata: end\n\ndata: b\n\n"), "a|end|");
	test_bounds();
	return test_end();
}
