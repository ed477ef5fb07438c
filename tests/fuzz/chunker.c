/*
 * Texts cut into passages: each is well-formed, no longer than it may be, and lies where the one
 * before ends, or a little before.
 */
#include <assert.h>

#define is_space is_space_of_sentences
#include "runner/knowledge/words.c"
#undef is_space
#include "runner/knowledge/chunker.c"
#include "runner/knowledge/terms.c"
#include "runner/knowledge/utf8.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str text = { (const char *)bytes, n };
	struct chunker c = { .a = a, .text = text };
	const char *end = text.p;
	struct chunk chunk;

	while (str_utf8(text) && chunk_next(&c, &chunk)) {
		assert(chunk.text.n > 0 && str_utf8(chunk.text));
		assert(str_chars(chunk.text) <= CHUNK_CHARS);
		assert(chunk.carried < str_chars(chunk.text));
		assert(str_utf8(chunk.heading) && str_utf8(chunk.inside));
		assert(chunk.text.p + chunk.text.n > end);
		end = chunk.text.p + chunk.text.n;
		assert(end <= text.p + text.n);
	}
	arena_free(a);
	return 0;
}
