/* fcgi/skeleton.c: a JSON document without its long texts, wherever its bytes are cut. */
#include <string.h>

#include <millrace/json.h>

#include "fcgi/skeleton.h"

#include "test.h"

static struct arena *a;

/* What is left of a text that is fed in pieces of `step` bytes; absent where it is too long. */
static struct str
left(struct str text, size_t step, size_t max)
{
	struct skeleton s = { .out = { .a = a }, .max = max };

	for (size_t i = 0; i < text.n; i += step) {
		size_t n = text.n - i < step ? text.n - i : step;

		if (!skeleton_feed(&s, (struct str){ text.p + i, n }))
			return (struct str){ NULL, 0 };
	}
	return buf_str(&s.out);
}

/* {"a":"…","b":[1,"c\"\\"]} with so many bytes of text, of which each hundredth is an escape. */
static struct str
document(size_t len)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"a\":\""));
	for (size_t i = 0; i < len; i += 2)
		buf_put(&b, i % 100 ? S("x ") : S("\\\""));
	buf_put(&b, S("\",\"b\":[1,\"c\\\"\\\\\"]}"));
	return buf_str(&b);
}

int
main(void)
{
	struct str whole, small;
	bool same = true;

	a = arena_new();
	small = document(SKELETON_TEXT_MAX);
	CHECK("a text of the most that is kept stays", str_eq(left(small, 7, 1 << 20), small));
	whole = document(3 * SKELETON_TEXT_MAX);
	for (size_t step = 1; step < 5; step++)
		same = same && str_eq(left(whole, step, 1 << 20),
				   S("{\"a\":\"(196608 bytes)\",\"b\":[1,\"c\\\"\\\\\"]}"));
	CHECK("of a longer one its length stays, wherever the bytes are cut", same);
	CHECK("which is read again", skeleton_left_out(S("(196608 bytes)")) == 196608);
	CHECK("and nothing else is",
	    skeleton_left_out(S("(-1 bytes)")) + skeleton_left_out(S("(1 bytes) ")) +
		    skeleton_left_out(S("( bytes)")) + skeleton_left_out(S("")) ==
		0);
	CHECK("what is left is bounded", !left(document(SKELETON_TEXT_MAX), 100, 1000).p);
	CHECK("a text that does not end, too", left(S("\"abc"), 1, 100).n == 4);
	arena_free(a);
	return test_end();
}
