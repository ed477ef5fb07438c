/*
 * Text, Markdown and HTML, by the first byte: their encodings, what is taken out of them, and what
 * is bounded before gumbo parses it. What is left of a page is no longer than the page.
 */
#include "worker.h"

#include "extract/html/html.h"

#define PAGE_MAX 3000 /* gumbo and cmark-gfm are not what is tested */

static void
read_page(struct bytes page, struct out *o)
{
	assert(html_bounded(page).n <= page.n);
	o->page = page.n % 2;
	html_read(page, o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct bytes b = { bytes + 1, n - 1 };

	if (n < 2)
		return 0;
	if (bytes[0] % 3 == 0)
		worker_read(text_read, KIND_TXT, b);
	else if (b.n <= PAGE_MAX && bytes[0] % 3 == 1)
		worker_read(read_page, KIND_HTML, b);
	else if (b.n <= PAGE_MAX)
		worker_read(markdown_read, KIND_MD, b);
	return 0;
}
