/*
 * DOCX: a zip of XML parts (ECMA-376, Office Open XML). The text of the body, the
 * footnotes and the endnotes is read as a stream of SAX events, so a part is
 * never held in memory as a whole. Any document type declaration is refused
 * (ECMA-376 part 2 forbids them), and with it all entities.
 */
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>
#include <zip.h>

#include "out.h"

#define ENTRIES_MAX 10000
#define DEPTH_MAX 250 /* of elements */

static const char *const parts[] = {
	"word/document.xml",
	"word/footnotes.xml",
	"word/endnotes.xml",
};

struct docx {
	struct out *out;
	char *p; /* the paragraph that is being read: cap bytes, len used */
	size_t len;
	size_t cap;
	size_t unpacked; /* bytes read of all parts */
	int depth;
	int text; /* inside w:t */
	int skip; /* inside mc:Fallback, which repeats its mc:Choice */
	int table; /* inside w:tbl */
	zip_file_t *file;
};

static const char damaged[] = "The DOCX file is damaged or incomplete and cannot be read.";

static _Noreturn void
fail_big(void)
{
	fail("The DOCX file expands to more than %zu MiB, which is refused.",
	    EXTRACT_UNPACK_MAX / MIB);
}

static void
put(struct docx *d, const char *s, size_t n)
{
	if (d->len + n > d->cap) {
		d->cap = (d->len + n) * 2 + 1024;
		d->p = grow(d->p, d->cap);
	}
	memcpy(d->p + d->len, s, n);
	d->len += n;
}

static void
flush(struct docx *d)
{
	if (d->len > 0)
		out_paragraph(d->out, d->p, d->len);
	d->len = 0;
}

/* The namespaces of WordprocessingML, transitional and strict, and of formulas (m:t). */
static bool
is_word(const xmlChar *uri)
{
	const char *u = (const char *)uri;

	return u != NULL &&
	       (strcmp(u, "http://schemas.openxmlformats.org/wordprocessingml/2006/main") == 0 ||
		   strcmp(u, "http://purl.oclc.org/ooxml/wordprocessingml/main") == 0 ||
		   strcmp(u, "http://schemas.openxmlformats.org/officeDocument/2006/math") == 0);
}

static bool
is_fallback(const xmlChar *name, const xmlChar *uri)
{
	return uri != NULL && strcmp((const char *)name, "Fallback") == 0 &&
	       strcmp((const char *)uri,
		   "http://schemas.openxmlformats.org/markup-compatibility/2006") == 0;
}

static void
docx_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_ns,
    const xmlChar **ns, int n_attr, int n_default, const xmlChar **attr)
{
	struct docx *d = arg;
	const char *s = (const char *)name;

	(void)prefix, (void)n_ns, (void)ns, (void)n_attr, (void)n_default, (void)attr;
	if (++d->depth > DEPTH_MAX)
		fail("The DOCX file nests its elements too deeply, which is refused.");
	if (d->skip > 0 || is_fallback(name, uri)) {
		d->skip++;
		return;
	}
	if (!is_word(uri))
		return;
	if (strcmp(s, "t") == 0)
		d->text++;
	else if (strcmp(s, "tab") == 0)
		put(d, "\t", 1);
	else if (strcmp(s, "br") == 0 || strcmp(s, "cr") == 0)
		put(d, "\n", 1);
	else if (strcmp(s, "noBreakHyphen") == 0)
		put(d, "-", 1);
	else if (strcmp(s, "tbl") == 0)
		d->table++;
}

/* A row of a table is a paragraph: tabs separate cells, spaces the paragraphs in a cell. */
static void
docx_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct docx *d = arg;
	const char *s = (const char *)name;

	(void)prefix;
	d->depth--;
	if (d->skip > 0) {
		d->skip--;
		return;
	}
	if (!is_word(uri))
		return;
	if (strcmp(s, "t") == 0 && d->text > 0) {
		d->text--;
	} else if (strcmp(s, "p") == 0) {
		if (d->table > 0)
			put(d, " ", 1);
		else
			flush(d);
	} else if (strcmp(s, "tc") == 0) {
		while (d->len > 0 && d->p[d->len - 1] == ' ')
			d->len--;
		put(d, "\t", 1);
	} else if (strcmp(s, "tr") == 0) {
		flush(d);
	} else if (strcmp(s, "tbl") == 0 && d->table > 0) {
		d->table--;
	}
}

static void
docx_text(void *arg, const xmlChar *s, int n)
{
	struct docx *d = arg;

	if (d->text > 0 && d->skip == 0 && n > 0)
		put(d, (const char *)s, (size_t)n);
}

static void
docx_doctype(void *arg, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
	(void)arg, (void)name, (void)public_id, (void)system_id;
	fail("The DOCX file declares XML entities, which is refused.");
}

static int
on_read(void *arg, char *buf, int len)
{
	struct docx *d = arg;
	zip_int64_t n = zip_fread(d->file, buf, (zip_uint64_t)len);

	if (n < 0)
		fail("%s", damaged);
	d->unpacked += (size_t)n;
	if (d->unpacked > EXTRACT_UNPACK_MAX)
		fail_big();
	return (int)n;
}

static int
on_close(void *arg)
{
	(void)arg;
	return 0;
}

static void
read_part(struct docx *d, zip_t *zip, zip_uint64_t index)
{
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC,
		.internalSubset = docx_doctype,
		.startElementNs = docx_start,
		.endElementNs = docx_end,
		.characters = docx_text,
		.ignorableWhitespace = docx_text,
		.cdataBlock = docx_text,
	};
	xmlParserCtxtPtr ctx;

	d->depth = d->text = d->skip = d->table = 0;
	if ((d->file = zip_fopen_index(zip, index, 0)) == NULL)
		fail("%s", damaged);
	ctx = xmlCreateIOParserCtxt(&sax, d, on_read, on_close, d, XML_CHAR_ENCODING_NONE);
	if (ctx == NULL)
		fail("%s", damaged);
	xmlCtxtUseOptions(ctx, XML_PARSE_NONET);
	xmlParseDocument(ctx);
	if (!ctx->wellFormed)
		fail("%s", damaged);
	flush(d);
	xmlFreeParserCtxt(ctx);
	zip_fclose(d->file);
}

/* Checks the declared sizes of the parts that will be read, before any is unpacked. */
static void
check_part(zip_t *zip, zip_uint64_t index, zip_uint64_t *total)
{
	zip_stat_t st;

	if (zip_stat_index(zip, index, 0, &st) != 0 || (st.valid & ZIP_STAT_SIZE) == 0)
		fail("%s", damaged);
	if ((st.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && st.encryption_method != ZIP_EM_NONE)
		fail("The DOCX file is encrypted; remove its password and upload it again.");
	if (st.size > EXTRACT_UNPACK_MAX || (*total += st.size) > EXTRACT_UNPACK_MAX)
		fail_big();
}

void
docx_read(struct bytes file, struct out *o)
{
	struct docx d = { .out = o };
	zip_source_t *src;
	zip_uint64_t total = 0;
	zip_int64_t at[3];
	zip_t *zip;
	size_t i;

	xmlInitParser();
	src = zip_source_buffer_create(file.p, file.n, 0, NULL);
	if (src == NULL || (zip = zip_open_from_source(src, ZIP_RDONLY, NULL)) == NULL)
		fail("%s", damaged);
	if (zip_get_num_entries(zip, 0) > ENTRIES_MAX)
		fail("The DOCX file has more than %d parts, which is refused.", ENTRIES_MAX);
	for (i = 0; i < 3; i++) {
		at[i] = zip_name_locate(zip, parts[i], 0);
		if (at[i] >= 0)
			check_part(zip, (zip_uint64_t)at[i], &total);
		else if (i == 0)
			fail("The file is a zip archive without word/document.xml, so not a DOCX.");
	}
	for (i = 0; i < 3; i++)
		if (at[i] >= 0)
			read_part(&d, zip, (zip_uint64_t)at[i]);
}
