/*
 * Detects a file's kind from its bytes, and checks it against the file's name.
 */
#include "extract.h"

#include <string.h>
#include <strings.h>

/* Known formats that are not read. */
static const struct {
	const char *magic; /* the bytes at the file's beginning */
	size_t n; /* how many */
	const char *what; /* the name in "The file is …, which is not supported." */
} foreign[] = {
	{ "\x89PNG\r\n\x1a\n", 8, "a PNG image" },
	{ "\xff\xd8\xff", 3, "a JPEG image" },
	{ "GIF8", 4, "a GIF image" },
	{ "II*\0", 4, "a TIFF image" },
	{ "MM\0*", 4, "a TIFF image" },
	{ "{\\rtf", 5, "a Rich Text (RTF) document" },
	{ "\x7f"
	  "ELF",
	    4, "a program" },
	{ "MZ\x90\0", 4, "a Windows program" },
	{ "\x1f\x8b\x08", 3, "a gzip archive" },
	{ "BZh", 3, "a bzip2 archive" },
	{ "\xfd"
	  "7zXZ\0",
	    6, "an xz archive" },
	{ "7z\xbc\xaf\x27\x1c", 6, "a 7-Zip archive" },
	{ "Rar!\x1a\x07", 6, "a RAR archive" },
	{ "%!PS", 4, "a PostScript document" },
	{ "SQLite format 3\0", 16, "an SQLite database" },
};

/* One row a kind, in the order of enum kind. */
static const struct {
	const char *title; /* in messages, with its article */
	const char *name; /* in messages, alone */
	const char *word; /* in the output's first line */
	reader *read; /* NULL: it is refused as not supported, or read otherwise */
} kinds[KIND_N] = {
	[KIND_UNKNOWN] = { "binary data", "", "?", NULL },
	[KIND_PDF] = { "a PDF", "PDF", "pdf", NULL },
	[KIND_DOCX] = { "a DOCX", "DOCX", "docx", docx_read },
	[KIND_XLSX] = { "an Excel workbook", "XLSX", "xlsx", NULL },
	[KIND_PPTX] = { "a PowerPoint presentation", "PPTX", "pptx", NULL },
	[KIND_ODT] = { "an OpenDocument text", "ODT", "odt", NULL },
	[KIND_ODS] = { "an OpenDocument spreadsheet", "ODS", "ods", NULL },
	[KIND_ODP] = { "an OpenDocument presentation", "ODP", "odp", NULL },
	[KIND_CSV] = { "a table in text", "CSV", "csv", text_read },
	[KIND_HTML] = { "HTML", "HTML", "html", html_read },
	[KIND_TXT] = { "plain text", "text", "txt", text_read },
	[KIND_MD] = { "Markdown text", "Markdown", "md", text_read },
};

/* The kind that a name's ending stands for. */
static const struct ending {
	const char *ending;
	enum kind kind;
} endings[] = {
	{ "pdf", KIND_PDF },
	{ "docx", KIND_DOCX },
	{ "docm", KIND_DOCX },
	{ "xlsx", KIND_XLSX },
	{ "xlsm", KIND_XLSX },
	{ "pptx", KIND_PPTX },
	{ "pptm", KIND_PPTX },
	{ "ppsx", KIND_PPTX },
	{ "odt", KIND_ODT },
	{ "ods", KIND_ODS },
	{ "odp", KIND_ODP },
	{ "csv", KIND_CSV },
	{ "tsv", KIND_CSV },
	{ "tab", KIND_CSV },
	{ "html", KIND_HTML },
	{ "htm", KIND_HTML },
	{ "xhtml", KIND_HTML },
	{ "txt", KIND_TXT },
	{ "text", KIND_TXT },
	{ "md", KIND_MD },
	{ "markdown", KIND_MD },
};

const char *
kind_title(enum kind k)
{
	return kinds[k].title;
}

const char *
kind_name(enum kind k)
{
	return kinds[k].name;
}

const char *
kind_word(enum kind k)
{
	return kinds[k].word;
}

reader *
kind_reader(enum kind k)
{
	return kinds[k].read;
}

/* True when the n bytes at s are anywhere in the file. */
static bool
holds(struct bytes b, const char *s, size_t n)
{
	return b.p != NULL && memmem(b.p, b.n, s, n) != NULL;
}

bool
sniff_pdf(struct bytes head)
{
	/* Readers accept junk before the header within the first 1,024 bytes (ISO 32000-1, H.3). */
	if (head.n > 1024)
		head.n = 1024;
	return holds(head, "%PDF-", 5);
}

/* True when the file begins with the n bytes at s. */
static bool
begins(struct bytes b, const char *s, size_t n)
{
	return b.n >= n && memcmp(b.p, s, n) == 0;
}

/* Moves past white space, a byte order mark and <!-- comments --> or <? instructions ?>. */
static struct bytes
skip_prolog(struct bytes b)
{
	const unsigned char *end;

	if (begins(b, "\xef\xbb\xbf", 3))
		b = (struct bytes){ b.p + 3, b.n - 3 };
	for (;;) {
		while (b.n > 0 && strchr(" \t\r\n\f", b.p[0]) != NULL && b.p[0] != 0) {
			b.p++;
			b.n--;
		}
		if (begins(b, "<!--", 4))
			end = memmem(b.p, b.n, "-->", 3);
		else if (begins(b, "<?", 2))
			end = memmem(b.p, b.n, "?>", 2);
		else
			return b;
		if (end == NULL)
			return b;
		end += end[0] == '-' ? 3 : 2;
		b.n -= (size_t)(end - b.p);
		b.p = end;
	}
}

/* Only what no other format begins with: a Markdown file may begin with <div>. */
static bool
is_html(struct bytes b)
{
	static const char *const starts[] = { "<!doctype html", "<html", "<head>", "<body" };
	size_t i;

	b = skip_prolog(b);
	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t n = strlen(starts[i]);

		if (b.n > n && strncasecmp((const char *)b.p, starts[i], n) == 0)
			return true;
	}
	return false;
}

/* Text has no NUL and hardly any other control characters. UTF-16 begins with its mark. */
static bool
is_binary(struct bytes b)
{
	size_t i, n_control = 0;

	if (begins(b, "\xff\xfe", 2) || begins(b, "\xfe\xff", 2))
		return false;
	for (i = 0; i < b.n; i++) {
		if (b.p[i] == 0)
			return true;
		if (b.p[i] < ' ' && strchr("\t\n\v\f\r\033", b.p[i]) == NULL)
			n_control++;
	}
	return n_control > b.n / 1000;
}

enum kind
sniff(struct bytes all, enum kind claimed)
{
	size_t i;

	if (sniff_pdf(all))
		return KIND_PDF;
	if (begins(all, "PK\3\4", 4) || begins(all, "PK\5\6", 4))
		return container_zip(all, claimed);
	if (begins(all, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8))
		container_ole(all, claimed);
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (begins(all, foreign[i].magic, foreign[i].n))
			fail("The file is %s, which is not supported.", foreign[i].what);
	if (is_binary(all))
		return KIND_UNKNOWN;
	return is_html(all) ? KIND_HTML : KIND_TXT;
}

/* The row of endings[] that the name has, or NULL. */
static const struct ending *
find_ending(const char *name)
{
	const char *dot = name != NULL ? strrchr(name, '.') : NULL;
	size_t i;

	for (i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strcasecmp(dot + 1, endings[i].ending) == 0)
			return &endings[i];
	return NULL;
}

enum kind
kind_claimed(const char *name)
{
	const struct ending *e = find_ending(name);

	return e != NULL ? e->kind : KIND_UNKNOWN;
}

enum kind
kind_check(const char *name, enum kind k)
{
	const struct ending *e = find_ending(name);

	if (e == NULL && k == KIND_UNKNOWN)
		fail("The file holds binary data of a kind that is not supported.");
	if (k == KIND_TXT && e != NULL &&
	    (e->kind == KIND_MD || e->kind == KIND_HTML || e->kind == KIND_CSV))
		k = e->kind;
	if (k != KIND_PDF && kinds[k].read == NULL && k != KIND_UNKNOWN)
		fail("The file is %s, which is not supported.", kinds[k].title);
	if (e != NULL && e->kind != k)
		fail("The file is named .%s but is not %s (it looks like %s).", e->ending,
		    kinds[e->kind].title, kinds[k].title);
	return k;
}
