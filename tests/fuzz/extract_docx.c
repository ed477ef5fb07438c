/*
 * The reader of DOCX: elements in whatever order and depth, each input byte one of them, its end,
 * or text. What is given to the reader is well-formed, in a zip archive that stores its parts, so
 * that the run is spent on what elements mean.
 */
#include <zlib.h>

#include "worker.h"

#define DEPTH_MAX 240
#define PARTS 6

static const char *const names[PARTS] = { "word/document.xml", "word/styles.xml",
	"word/numbering.xml", "word/comments.xml", "word/footnotes.xml", "word/header1.xml" };

#define NAMESPACES                                                                         \
	" xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\""        \
	" xmlns:m=\"http://schemas.openxmlformats.org/officeDocument/2006/math\""          \
	" xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"" \
	" xmlns:mc=\"http://schemas.openxmlformats.org/markup-compatibility/2006\""

static const char *const elements[] = { "w:p", "w:pPr", "w:pStyle w:val=\"a\"",
	"w:pStyle w:val=\"b\"", "w:numPr", "w:numId w:val=\"1\"", "w:numId w:val=\"2\"",
	"w:ilvl w:val=\"1\"", "w:ilvl w:val=\"8\"", "w:rPr", "w:r", "w:t", "w:rStyle w:val=\"b\"",
	"w:vanish", "w:vanish w:val=\"0\"", "w:del", "w:ins", "w:moveFrom", "w:tab", "w:br",
	"w:sym w:font=\"Symbol\" w:char=\"F061\"", "w:sym w:font=\"x\" w:char=\"FFFFFFFF\"",
	"w:rFonts w:hAnsi=\"Wingdings\"", "w:tbl", "w:tr", "w:trPr", "w:tc", "w:tcPr", "w:cellDel",
	"w:hidden", "w:txbxContent", "w:fldChar w:fldCharType=\"begin\"",
	"w:fldChar w:fldCharType=\"separate\"", "w:fldChar w:fldCharType=\"end\"", "w:checkBox",
	"w:checked", "w:default w:val=\"1\"", "w:ddList", "w:result w:val=\"1\"",
	"w:listEntry w:val=\"Rye\"", "w:ruby", "w:rt", "w:sectPr",
	"w:headerReference w:type=\"default\" r:id=\"x\"", "w:titlePg", "w:altChunk r:id=\"x\"",
	"w:comment w:author=\"A\"", "w:comment", "w:pPrChange", "mc:AlternateContent",
	"mc:Choice Requires=\"w\"", "mc:Fallback", "m:oMath", "m:r", "m:t", "m:f", "m:num", "m:den",
	"m:sSup", "m:e", "m:sup", "m:sub", "m:rad", "m:deg", "m:nary", "m:naryPr",
	"m:chr m:val=\"∑\"", "m:chr m:val=\"\"", "m:d", "m:dPr", "m:begChr m:val=\"[\"",
	"m:endChr m:val=\"\"", "m:sepChr m:val=\",\"", "m:m", "m:mr", "m:eqArr", "m:func",
	"m:fName", "m:limLow", "m:lim", "m:acc", "m:bar", "w:style w:styleId=\"a\"",
	"w:style w:styleId=\"b\" w:type=\"paragraph\" w:default=\"1\"", "w:basedOn w:val=\"a\"",
	"w:basedOn w:val=\"b\"", "w:abstractNum w:abstractNumId=\"0\"",
	"w:abstractNum w:abstractNumId=\"1\"", "w:lvl w:ilvl=\"0\"", "w:lvl w:ilvl=\"1\"",
	"w:lvlText w:val=\"%1.%2 §\"", "w:lvlText w:val=\"\"", "w:numFmt w:val=\"upperRoman\"",
	"w:numFmt w:val=\"bullet\"", "w:num w:numId=\"1\"", "w:num w:numId=\"2\"",
	"w:abstractNumId w:val=\"0\"", "w:abstractNumId w:val=\"1\"", "w:lvlOverride w:ilvl=\"1\"",
	"w:startOverride w:val=\"7\"", "w:numStyleLink w:val=\"a\"" };

static const char *const texts[] = { "a", "b ", "7", "\xef\x82\xb0", "π", "\n", " " };

#define N_ELEMENTS (sizeof(elements) / sizeof(elements[0]))
#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

struct buffer {
	char *p;
	size_t n, room;
};

static void
put(struct buffer *b, const void *p, size_t n)
{
	if (b->n + n > b->room) {
		b->room = (b->n + n) * 2;
		b->p = realloc(b->p, b->room);
		assert(b->p != NULL);
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void
put_string(struct buffer *b, const char *s)
{
	put(b, s, strlen(s));
}

static void
put_number(struct buffer *b, size_t n, unsigned bytes)
{
	for (; bytes > 0; bytes--, n >>= 8)
		put(b, &(char){ (char)(n & 0xFF) }, 1);
}

/* A part's elements, up to the end of the input or the byte 255. */
static void
put_part(struct buffer *b, const uint8_t **in, size_t *n)
{
	const char *open[DEPTH_MAX];
	size_t depth = 0;

	put_string(b, "<w:root" NAMESPACES ">");
	for (; *n > 0 && **in != 255; ++*in, --*n) {
		uint8_t what = **in;

		if (what < N_ELEMENTS && depth < DEPTH_MAX) {
			open[depth++] = elements[what];
			put_string(b, "<");
			put_string(b, elements[what]);
			put_string(b, ">");
		} else if (what >= 200) {
			put_string(b, texts[what % N_TEXTS]);
		} else if (depth > 0) {
			depth--;
			put_string(b, "</");
			put(b, open[depth], strcspn(open[depth], " "));
			put_string(b, ">");
		}
	}
	if (*n > 0) {
		++*in;
		--*n;
	}
	while (depth-- > 0) {
		put_string(b, "</");
		put(b, open[depth], strcspn(open[depth], " "));
		put_string(b, ">");
	}
	put_string(b, "</w:root>");
}

/* The header of a stored part, in its place (ZIP, 4.3.7) or in the directory (4.3.12). */
static void
put_header(
    struct buffer *zip, const char *name, const struct buffer *part, bool directory, size_t at)
{
	put_string(zip, directory ? "PK\1\2" : "PK\3\4");
	if (directory)
		put_number(zip, 20, 2);
	put_number(zip, 20, 2);
	put_number(zip, 0, 8);
	put_number(zip, crc32(0, (const unsigned char *)part->p, (unsigned)part->n), 4);
	put_number(zip, part->n, 4);
	put_number(zip, part->n, 4);
	put_number(zip, strlen(name), 2);
	put_number(zip, 0, 2);
	if (directory) {
		put_number(zip, 0, 10);
		put_number(zip, at, 4);
	}
	put_string(zip, name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct buffer zip = { 0 }, directory = { 0 }, part = { 0 };
	size_t i;

	for (i = 0; i < PARTS; i++) {
		part.n = 0;
		put_part(&part, &bytes, &n);
		put_header(&directory, names[i], &part, true, zip.n);
		put_header(&zip, names[i], &part, false, 0);
		put(&zip, part.p, part.n);
	}
	i = zip.n;
	put(&zip, directory.p, directory.n);
	put_string(&zip, "PK\5\6");
	put_number(&zip, 0, 4);
	put_number(&zip, PARTS, 2);
	put_number(&zip, PARTS, 2);
	put_number(&zip, directory.n, 4);
	put_number(&zip, i, 4);
	put_number(&zip, 0, 2);
	worker_read(docx_read, KIND_DOCX, (struct bytes){ (const unsigned char *)zip.p, zip.n });
	free(zip.p);
	free(directory.p);
	free(part.p);
	return 0;
}
