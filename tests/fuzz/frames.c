/*
 * What a container's engine sends of a command's output: whatever the bytes and wherever they are
 * cut, it comes out the same, as UTF-8 of a bounded length. The first byte says how the rest is
 * cut.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runner/container/output.c"
#include "runner/outside/frames.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool
on_bytes(void *arg, unsigned int stream, struct str bytes)
{
	assert(stream < FRAMES_STREAMS && bytes.n > 0);
	output_add(arg, stream, bytes);
	return true;
}

static bool
parse(struct str bytes, size_t step, struct output *o)
{
	struct frames f = { 0 };
	bool good = true;

	while (good && bytes.n > 0) {
		size_t n = step < bytes.n ? step : bytes.n;

		good = frames_feed(&f, (struct str){ bytes.p, n }, on_bytes, o) == FRAMES_MORE;
		bytes.p += n;
		bytes.n -= n;
	}
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct output *whole = calloc(1, sizeof(*whole)), *cut = calloc(1, sizeof(*cut));
	struct arena *a = arena_new();
	struct str rest, text;
	bool good;

	if (n > 0 && whole && cut) {
		rest = (struct str){ (const char *)bytes + 1, n - 1 };
		good = parse(rest, rest.n, whole);
		assert(parse(rest, bytes[0] % 16 + 1U, cut) == good);
		text = output_text(whole, a);
		assert(str_eq(text, output_text(cut, a)));
		assert(str_utf8(text) && memchr(text.p, 0, text.n) == NULL);
		assert(text.n <= 3 * (OUTPUT_FIRST + OUTPUT_LAST) + 100);
	}
	arena_free(a);
	free(whole);
	free(cut);
	return 0;
}
