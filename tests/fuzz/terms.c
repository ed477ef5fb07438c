/*
 * Texts cut into terms: what comes out is well-formed, of letters and digits alone, of bounded
 * length, and the same when it is folded once more.
 */
#include <assert.h>

#include <millrace/unicode.h>

#include "runner/knowledge/terms.c"
#include "runner/knowledge/utf8.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
look_at(struct str list)
{
	struct str word;

	assert(str_utf8(list));
	while (list.n > 0) {
		list = str_cut(list, ' ', &word);
		assert(word.n > 0 && word.n < 1000);
		while (word.n > 0) {
			uint32_t c;
			size_t len = utf8_next(word, &c);

			assert(c == '.' || unicode_kind(c) != UNICODE_OTHER);
			word.p += len;
			word.n -= len;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str text = { (const char *)bytes, n }, folded = unicode_fold(a, text);
	struct terms t;

	if (str_utf8(text)) {
		assert(str_utf8(folded) && str_eq(unicode_fold(a, folded), folded));
		terms_of(a, text, &t);
		look_at(t.words);
		look_at(t.more);
	}
	arena_free(a);
	return 0;
}
