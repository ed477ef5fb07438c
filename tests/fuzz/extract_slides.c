/*
 * Slides, spreadsheets and OpenDocument texts: the first byte chooses the reader, what follows is
 * the package of package.h. What libxml2 allocates is freed with all that a run got, also where
 * fail() ended it.
 */
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlmemory.h>

#include "package.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void *
held_alloc(size_t n)
{
	return grow(NULL, n);
}

static char *
held_copy(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(grow(NULL, n), s, n);
}

/* libxml2 keeps the last error beyond a document's end. */
static void
forget_error(void)
{
	xmlResetLastError();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const unsigned char good[] = "\x1e"
					    "content.xml\n<a/>";
	struct bytes all = { good, sizeof(good) - 1 }, part = { good, sizeof(good) - 2 };

	(void)argc, (void)argv;
	/* What it allocates once for all comes from elsewhere, so two documents go before. */
	worker_read(odt_read, KIND_ODT, all);
	worker_read(odt_read, KIND_ODT, part);
	xmlResetLastError();
	worker_over = forget_error;
	return xmlMemSetup(__wrap_free, held_alloc, grow, held_copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct bytes file = { bytes + 1, n - 1 };

	if (n < 2)
		return 0;
	if (bytes[0] == 'T')
		worker_read(odt_read, KIND_ODT, file);
	else if (bytes[0] == 'P')
		worker_read(odp_read, KIND_ODP, file);
	else if (bytes[0] == 'C')
		worker_read(ods_read, KIND_ODS, file);
	else if (bytes[0] == 'E')
		worker_read(xlsx_read, KIND_XLSX, file);
	else
		worker_read(pptx_read, KIND_PPTX, file);
	return 0;
}
