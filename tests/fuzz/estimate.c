/*
 * A call's payload, and what is left of it without its long texts, wherever its bytes are cut: both
 * are counted, and what is counted is not below what is likely. A byte 1 is a long text.
 */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include <millrace/json.h>

#include "fcgi/skeleton.h"
#include "handlers/gateway/gateway.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define LONG_TEXTS_MAX 4

/* In pieces of so many bytes. */
static struct str
skeleton_of(struct arena *a, struct str text, size_t step)
{
	struct skeleton s = { .out = { .a = a }, .max = (size_t)1 << 20 };

	for (size_t i = 0; i < text.n; i += step) {
		size_t len = text.n - i < step ? text.n - i : step;

		assert(skeleton_feed(&s, (struct str){ text.p + i, len }));
	}
	return buf_str(&s.out);
}

static bool
count(struct arena *a, struct str text)
{
	struct call_size size;
	json_object *o = NULL;
	const char *why;

	if (json_parse(a, text, &o, &why) != ERR_OK)
		return false;
	size = call_size(a, o, text.n, json_text(o, "model"));
	assert(size.likely >= 0 && size.most >= size.likely);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static char letters[SKELETON_TEXT_MAX + 1];
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	struct str whole, left;
	int n_long = 0;

	memset(letters, 'a', sizeof(letters));
	for (size_t i = 0; i < n; i++) {
		bool is_long = bytes[i] == 1 && n_long++ < LONG_TEXTS_MAX;

		buf_put(&b, is_long ? (struct str){ letters, sizeof(letters) }
				    : (struct str){ (const char *)bytes + i, 1 });
	}
	whole = buf_str(&b);
	left = skeleton_of(a, whole, 4096);
	assert(str_eq(left, skeleton_of(a, whole, n % 1000 + 1)));
	assert(!count(a, whole) || count(a, left));
	arena_free(a);
	return 0;
}
