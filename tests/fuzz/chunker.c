/*
 * Texts cut into passages: each is well-formed, no longer than it may be, and lies where the one
 * before ends, or a little before; what can be quoted of them is well-formed, and in its order.
 * The text as a document's pages: running heads leave part of each.
 */
#include <assert.h>

#define is_space is_space_of_sentences
#include "runner/knowledge/words.c"
#undef is_space
#define is_digit is_digit_of_furniture
#include "runner/knowledge/furniture.c"
#undef is_digit
#include "runner/knowledge/running.c"
#include "runner/knowledge/chunker.c"
#include "runner/knowledge/terms.c"
#include "runner/knowledge/utf8.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
quote_all(struct str text)
{
	const char *end = text.p;
	struct str piece, rest = text;

	for (rest = quote_next(rest, &piece); piece.n > 0; rest = quote_next(rest, &piece)) {
		assert(str_utf8(piece) && piece.p >= end && piece.p + piece.n <= text.p + text.n);
		end = piece.p + piece.n;
		assert(rest.n == 0 || rest.p >= end);
		(void)sentence_leads(piece);
		(void)furniture_is_shouted(piece);
	}
}

static void
cut_pages(struct arena *a, struct str text)
{
	struct block *pages = arena_alloc(a, (text.n + 1) * sizeof(*pages));
	struct str rest = text;
	size_t n = 0;

	while (rest.n > 0) {
		pages[n].mark = arena_printf(a, "page %zu", n + 1);
		rest = str_cut(rest, '\f', &pages[n++].text);
	}
	running_cut(a, pages, n);
	for (size_t i = 0; i < n; i++)
		assert(str_utf8(pages[i].text) && pages[i].text.p >= text.p &&
		       pages[i].text.p + pages[i].text.n <= text.p + text.n);
}

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
		quote_all(chunk.text);
		(void)furniture_is_contents(chunk.heading, chunk.text);
	}
	if (str_utf8(text))
		cut_pages(a, text);
	arena_free(a);
	return 0;
}
