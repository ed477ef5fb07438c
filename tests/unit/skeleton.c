/* fcgi/skeleton.c: a JSON document without its long texts, wherever its bytes are cut. */
#include <string.h>

#include <millrace/json.h>

#include "fcgi/skeleton.h"

#include "test.h"

static struct arena *a;

/*
 * What is left of a text that is fed in pieces of `step` bytes; absent where it is too long. What
 * was cut: ten millions for each file, and the other bytes.
 */
static struct str
left(struct str text, size_t step, size_t max, int64_t *n_cut)
{
	struct skeleton s = { .out = { .a = a }, .max = max };

	for (size_t i = 0; i < text.n; i += step) {
		size_t n = text.n - i < step ? text.n - i : step;

		if (!skeleton_feed(&s, (struct str){ text.p + i, n }))
			return (struct str){ NULL, 0 };
	}
	*n_cut = s.n_files * 10000000 + s.n_prose;
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
	int64_t n = 0;
	bool same = true;

	a = arena_new();
	small = document(SKELETON_TEXT_MAX);
	CHECK("a text of the most that is kept stays",
	    str_eq(left(small, 7, 1 << 20, &n), small) && n == 0);
	whole = document(3 * SKELETON_TEXT_MAX);
	for (size_t step = 1; step < 5; step++)
		same = same &&
		       str_eq(left(whole, step, 1 << 20, &n),
			   S("{\"a\":\"\",\"b\":[1,\"c\\\"\\\\\"]}")) &&
		       n == 3 * SKELETON_TEXT_MAX;
	CHECK("a longer one becomes empty, wherever the bytes are cut", same);
	whole = arena_printf(a, "[\"data:image/png;base64,%0*d\"]", 2 * SKELETON_TEXT_MAX, 1);
	CHECK("base64 is told from words",
	    str_eq(left(whole, 1000, 100, &n), S("[\"\"]")) && n == 10000000);
	CHECK("what is left is bounded", !left(document(SKELETON_TEXT_MAX), 100, 1000, &n).p);
	CHECK("a text that does not end, too", left(S("\"abc"), 1, 100, &n).n == 4);
	arena_free(a);
	return test_end();
}
