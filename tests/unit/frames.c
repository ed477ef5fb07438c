/* What a container's command writes, as its engine sends it, and as a model is shown it. */
#include <string.h>

#include "runner/container/output.h"

#include "test.h"

static bool
on_bytes(void *arg, unsigned int stream, struct str bytes)
{
	output_add(arg, stream, bytes);
	return ((struct output *)arg)->n < 1000000;
}

/* A frame of the stream, in a buffer that is used again. */
static struct str
frame(unsigned char stream, struct str text)
{
	static char bytes[100000];
	const unsigned char head[8] = { stream, 0, 0, 0, (unsigned char)(text.n >> 24),
		(unsigned char)(text.n >> 16), (unsigned char)(text.n >> 8),
		(unsigned char)text.n };

	memcpy(bytes, head, sizeof(head));
	memcpy(bytes + sizeof(head), text.p, text.n);
	return (struct str){ bytes, sizeof(head) + text.n };
}

struct piece {
	unsigned char stream;
	struct str text;
};

static struct str
shown(struct arena *a, const struct piece *pieces, size_t n, size_t step)
{
	struct output *o = arena_alloc(a, sizeof(*o));
	struct frames f = { 0 };

	*o = (struct output){ .n = 0 };
	for (size_t i = 0; i < n; i++) {
		struct str bytes = frame(pieces[i].stream, pieces[i].text);

		for (size_t at = 0; at < bytes.n; at += step) {
			size_t len = bytes.n - at < step ? bytes.n - at : step;

			if (frames_feed(&f, (struct str){ bytes.p + at, len }, on_bytes, o) !=
			    FRAMES_MORE)
				return S("not frames");
		}
	}
	return output_text(o, a);
}

static void
test_streams(struct arena *a)
{
	const struct piece both[] = { { 1, S("one\n") }, { 2, S("two\n") }, { 1, S("") },
		{ 1, S("th\xc3") }, { 2, S("four") }, { 1, S("\xa9ree") } };
	const struct piece odd[] = { { 1, S("a\xff\xe2\x82") }, { 1, S("b\r\nc\rd\x1b") },
		{ 2, S("\xf0\x9f") } };
	bool good = true;

	for (size_t step = 1; step < 20; step++) {
		EACH(good, str_eq(shown(a, both, 6, step), S("one\ntwo\nthfour\xc3\xa9ree")),
		    "pieces of %zu", step);
		EACH(good,
		    str_eq(shown(a, odd, 3, step), S("a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
						     "b\nc\xef\xbf\xbd"
						     "d\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")),
		    "what is no text, in pieces of %zu", step);
	}
	CHECK("frames of two streams, cut anywhere, are whole characters in their order", good);
}

static void
test_long(struct arena *a)
{
	static char text[OUTPUT_FIRST + OUTPUT_LAST + 1000];
	struct piece one = { 1, { text, OUTPUT_FIRST + OUTPUT_LAST } };
	struct str said;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23);
	CHECK("what just fits is all there", str_eq(shown(a, &one, 1, 4096), one.text));
	one.text.n = sizeof(text);
	said = shown(a, &one, 1, 4096);
	CHECK("of what does not, the beginning and the end are",
	    strstr(arena_cstr(a, said), "\n[1000 bytes are left out here]\n") != NULL &&
		memcmp(said.p, text, OUTPUT_FIRST) == 0 &&
		memcmp(said.p + said.n - OUTPUT_LAST, text + OUTPUT_FIRST + 1000, OUTPUT_LAST) ==
		    0);
	for (size_t i = 0; i + 2 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	said = shown(a, &one, 1, 1000);
	CHECK("and in whole characters", strstr(arena_cstr(a, said), "\xef\xbf\xbd") == NULL);
}

static void
test_bad(void)
{
	struct frames f = { 0 };
	struct output o = { .n = 0 };

	CHECK("a stream that there is not is no frame",
	    frames_feed(&f, S("\4\0\0\0\0\0\0\1x"), on_bytes, &o) == FRAMES_BAD);
	f = (struct frames){ 0 };
	CHECK("nor is text", frames_feed(&f, S("{\"message\":"), on_bytes, &o) == FRAMES_BAD);
	f = (struct frames){ 0 };
	o.n = 1000000;
	CHECK("who wants no more gets no more",
	    frames_feed(&f, S("\1\0\0\0\0\0\0\1x"), on_bytes, &o) == FRAMES_ENOUGH);
}

int
main(void)
{
	struct arena *a = arena_new();

	test_streams(a);
	test_long(a);
	test_bad();
	arena_free(a);
	return test_end();
}
