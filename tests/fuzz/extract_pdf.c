/*
 * Words of a PDF with their places, as pdftotext -bbox writes them: in reading order, whatever the
 * boxes and letters are.
 */
#include "worker.h"

#include "extract/pdf/pdf.h"

static void
read_all(struct bytes b, struct out *o)
{
	struct pdf_page page = { 0 };
	struct pdf_text text = { 0 };
	char *xml = grow(NULL, b.n + 1);

	memcpy(xml, b.p, b.n);
	xml[b.n] = '\0';
	pdf_words(&page, xml, b.n);
	pdf_layout(&page, &text);
	pdf_letters(&text, 0);
	pdf_hyphens(&text);
	out_page(o, 1, NULL, text.p, text.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	worker_read(read_all, KIND_PDF, (struct bytes){ bytes, n });
	return 0;
}
