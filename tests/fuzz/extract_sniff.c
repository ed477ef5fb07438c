/*
 * What a file is, by its content and its name: the first byte chooses the name. Zip archives are
 * libzip's to read.
 */
#include "worker.h"

static const char *const names[] = { "a.pdf", "a.docx", "a.txt", "a.md", "a.html", "a.csv", "a.xls",
	"a.xlsx", "a.odt", "a", "a.unknown" };
static const char *name;

static void
sniff_all(struct bytes b, struct out *o)
{
	size_t n = b.n < SNIFF_PDF_MAX ? b.n : SNIFF_PDF_MAX;
	enum kind k, claimed = kind_claimed(name);

	if (sniff_pdf((struct bytes){ b.p, n }, (struct bytes){ b.p + b.n - n, n }, claimed))
		k = KIND_PDF;
	else
		k = sniff(b, claimed);
	k = kind_check(name, k);
	assert(k > KIND_UNKNOWN && k < KIND_N);
	assert(k == KIND_PDF || kind_reader(k) != NULL);
	out_paragraph(o, kind_title(k), strlen(kind_title(k)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	if (n < 2 || (n > 2 && bytes[1] == 'P' && bytes[2] == 'K'))
		return 0;
	name = names[bytes[0] % (sizeof(names) / sizeof(names[0]))];
	worker_read(sniff_all, KIND_TXT, (struct bytes){ bytes + 1, n - 1 });
	return 0;
}
