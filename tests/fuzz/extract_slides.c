/*
 * Slides, spreadsheets and OpenDocument texts: the first byte chooses the reader, what follows is
 * the package of package.h. What libxml2 allocates is freed with all that a run got, also where
 * fail() ended it. Every second change is that an element stands once more elsewhere, also within
 * itself: single bytes seldom make well-formed parts of which a reader keeps several things.
 */
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlmemory.h>

#include "package.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(uint8_t *p, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t max, unsigned seed);

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

/* Where the next tag begins, from `at` on; n: there is none. */
static size_t
next_tag(const uint8_t *p, size_t n, size_t at)
{
	const uint8_t *tag = at < n ? memchr(p + at, '<', n - at) : NULL;

	return tag != NULL ? (size_t)(tag - p) : n;
}

/* The end of the element that begins at `at`: of its own end tag, where it has one. */
static size_t
element_end(const uint8_t *p, size_t n, size_t at)
{
	const uint8_t *end;
	int depth = 0;

	for (; (at = next_tag(p, n, at)) < n; at = (size_t)(end - p) + 1) {
		if ((end = memchr(p + at, '>', n - at)) == NULL)
			break;
		depth += p[at + 1] == '/' ? -1 : end[-1] != '/';
		if (depth <= 0)
			return (size_t)(end - p) + 1;
	}
	return n;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t max, unsigned seed)
{
	size_t from, len, to;
	uint8_t *copy;

	if (seed % 2 == 0 || n == 0)
		return LLVMFuzzerMutate(p, n, max);
	from = next_tag(p, n, (seed >> 1) * (size_t)2654435761u % n);
	to = next_tag(p, n, (seed >> 3) * (size_t)40503u % n);
	len = from < n ? element_end(p, n, from) - from : 0;
	if (len == 0 || len > max - n)
		return LLVMFuzzerMutate(p, n, max);
	copy = malloc(len);
	assert(copy != NULL);
	memcpy(copy, p + from, len);
	memmove(p + to + len, p + to, n - to);
	memcpy(p + to, copy, len);
	__real_free(copy);
	return n + len;
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
