/* Detects a file's kind from its bytes. */
#include "extract/text/charset.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PDF_JUNK_MAX 1024 /* that readers accept before the header (ISO 32000-1, H.3) */

/* Known binary formats that are not read, by the bytes at the file's beginning. */
static const struct {
	const char *magic;
	size_t n; /* how many */
	const char *what; /* "The file is …." */
	bool ascii; /* a text may begin so too */
} foreign[] = {
	{ "\x89PNG\r\n\x1a\n", 8, "a PNG image, which is not supported", false },
	{ "\xff\xd8\xff", 3, "a JPEG image, which is not supported", false },
	{ "GIF8", 4, "a GIF image, which is not supported", true },
	{ "II*\0", 4, "a TIFF image, which is not supported", false },
	{ "MM\0*", 4, "a TIFF image, which is not supported", false },
	{ "\x7f"
	  "ELF",
	    4, "a program, which is not supported", false },
	{ "MZ\x90\0", 4, "a Windows program, which is not supported", false },
	{ "\x1f\x8b\x08", 3, "a gzip archive, which is not supported", false },
	{ "BZh", 3, "a bzip2 archive, which is not supported", true },
	{ "\xfd"
	  "7zXZ\0",
	    6, "an xz archive, which is not supported", false },
	{ "7z\xbc\xaf\x27\x1c", 6, "a 7-Zip archive, which is not supported", false },
	{ "Rar!\x1a\x07", 6, "a RAR archive, which is not supported", false },
	{ "SQLite format 3\0", 16, "an SQLite database, which is not supported", false },
};

/* The same of formats that are text, by what follows an XML declaration and comments. */
static const struct {
	const char *start;
	const char *what;
	/* whatever its name, but for Markdown's: otherwise only without a known ending */
	bool firm;
} foreign_text[] = {
	{ "{\\rtf1", "a Rich Text document (.rtf); save it as DOCX and upload that", true },
	{ "%!PS", "a PostScript document; save it as PDF and upload that", false },
	{ "<office:document",
	    "a flat OpenDocument file; save it as ODT, ODS or ODP and upload that", false },
	{ "<w:wordDocument", "a Word 2003 XML document; save it as DOCX and upload that", false },
	{ "<pkg:package", "a flat Word XML document; save it as DOCX and upload that", false },
	{ "<Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"",
	    "an Excel 2003 XML spreadsheet; save it as XLSX and upload that", false },
};

/* NULL: it is read otherwise, or not at all. */
static reader *const readers[KIND_N] = {
	[KIND_DOCX] = docx_read,
	[KIND_XLSX] = xlsx_read,
	[KIND_PPTX] = pptx_read,
	[KIND_ODT] = odt_read,
	[KIND_ODS] = ods_read,
	[KIND_ODP] = odp_read,
	[KIND_CSV] = csv_read,
	[KIND_HTML] = html_read,
	[KIND_TXT] = text_read,
	[KIND_MD] = markdown_read,
};

reader *
kind_reader(enum kind k)
{
	return readers[k];
}

/* True when the file begins with the n bytes at s. */
static bool
begins(struct bytes b, const char *s, size_t n)
{
	return b.n >= n && memcmp(b.p, s, n) == 0;
}

/* Moves past a byte order mark and white space. */
static struct bytes
skip_space(struct bytes b)
{
	if (begins(b, "\xef\xbb\xbf", 3))
		b = (struct bytes){ b.p + 3, b.n - 3 };
	while (b.n > 0 && b.p[0] != 0 && strchr(" \t\r\n\f", b.p[0]) != NULL)
		b = (struct bytes){ b.p + 1, b.n - 1 };
	return b;
}

/* Moves also past <!-- comments --> and <? instructions ?>. */
static struct bytes
skip_prolog(struct bytes b)
{
	const unsigned char *end;

	for (;;) {
		b = skip_space(b);
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

/* True when it begins with this name of a tag, in any case, and not with a longer one. */
static bool
begins_tag(struct bytes b, const char *tag)
{
	size_t n = strlen(tag);

	return b.n > n && strncasecmp((const char *)b.p, tag, n) == 0 && !isalnum(b.p[n]);
}

/*
 * Whether it begins as no other format does: a Markdown file may begin with <div>, and is only by
 * its name one.
 */
static bool
is_html(struct bytes b, enum kind claimed)
{
	static const char *const starts[] = { "<!doctype html", "<html", "<head", "<body" };
	static const char *const more[] = { "<table", "<title", "<meta", "<style", "<script" };
	size_t i;

	b = skip_prolog(b);
	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (begins_tag(b, starts[i]))
			return true;
	for (i = 0; claimed == KIND_UNKNOWN && i < sizeof(more) / sizeof(more[0]); i++)
		if (begins_tag(b, more[i]))
			return true;
	return false;
}

/*
 * Text has no NUL and hardly any control characters but white space and those of terminals: bell,
 * backspace, shifts, escape, end of file. UTF-16 begins with its mark.
 */
static bool
is_binary(struct bytes b)
{
	size_t i, n_control = 0;

	if (begins(b, "\xff\xfe", 2) || begins(b, "\xfe\xff", 2) || charset_utf16(b) != NULL)
		return false;
	for (i = 0; i < b.n; i++) {
		if (b.p[i] == 0)
			return true;
		if (b.p[i] < ' ' && strchr("\a\b\t\n\v\f\r\016\017\032\033", b.p[i]) == NULL)
			n_control++;
	}
	return n_control > b.n / 1000;
}

/* "%PDF-1.7", or where it would be; NULL: there is none. */
static const unsigned char *
find_pdf_header(struct bytes b)
{
	const unsigned char *p = b.p, *end = b.p + (b.n < PDF_JUNK_MAX ? b.n : PDF_JUNK_MAX);

	while ((p = memmem(p, (size_t)(end - p), "%PDF-", 5)) != NULL) {
		if (b.p + b.n - p >= 8 && isdigit(p[5]) && p[6] == '.' && isdigit(p[7]))
			return p;
		p += 5;
	}
	return NULL;
}

/* True when there is the beginning of an object, "12 0 obj" (ISO 32000-1, 7.3.10). */
static bool
has_object(struct bytes b)
{
	const unsigned char *p = b.p, *end = b.p + b.n;

	for (; (p = memmem(p, (size_t)(end - p), " obj", 4)) != NULL; p += 4)
		if (p - b.p >= 3 && isdigit(p[-1]) && (isdigit(p[-2]) || p[-2] == ' '))
			return true;
	return false;
}

bool
sniff_pdf(struct bytes head, struct bytes tail, enum kind claimed)
{
	const unsigned char *at = find_pdf_header(head);
	bool first;

	if (at == NULL)
		return false;
	if (claimed == KIND_PDF)
		return true;
	first = skip_space(head).p == at;
	if (!has_object(head))
		return first && is_binary(head);
	if (first || is_binary(head))
		return true;
	/* Text with a header in it is a PDF behind other text, or text about PDF. */
	return claimed == KIND_UNKNOWN && memmem(tail.p, tail.n, "startxref", 9) != NULL;
}

/* The length of "Name:" at the beginning (RFC 5322, 2.2), 0: it is no header field. */
static size_t
field_name(struct bytes b)
{
	size_t n = 0;

	while (n < b.n && b.p[n] > ' ' && b.p[n] < 0x7F && b.p[n] != ':')
		n++;
	return n > 0 && n < b.n && b.p[n] == ':' ? n + 1 : 0;
}

/* True when it begins with the header of an e-mail message: From and what mail programs add. */
static bool
is_mail(struct bytes b)
{
	static const char *const added[] = { "message-id:", "mime-version:", "received:", "date:" };
	bool from = false, program = false;
	size_t i, n;

	while (b.n > 0 && b.p[0] != '\n' && b.p[0] != '\r') {
		n = field_name(b);
		if (n == 0 && b.p[0] != ' ' && b.p[0] != '\t')
			return false;
		from |= n == 5 && strncasecmp((const char *)b.p, "from:", n) == 0;
		for (i = 0; i < sizeof(added) / sizeof(added[0]); i++)
			program |= n == strlen(added[i]) &&
				   strncasecmp((const char *)b.p, added[i], n) == 0;
		while (b.n > 0 && b.p[0] != '\n')
			b = (struct bytes){ b.p + 1, b.n - 1 };
		b = (struct bytes){ b.p + (b.n > 0), b.n - (b.n > 0) };
	}
	return from && program;
}

/* Ends the worker for a format that is not read. */
static void
check_foreign(struct bytes all, bool binary, enum kind claimed)
{
	struct bytes root = skip_prolog(all);
	size_t i;

	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if ((binary || !foreign[i].ascii) && begins(all, foreign[i].magic, foreign[i].n))
			fail("The file is %s.", foreign[i].what);
	for (i = 0; i < sizeof(foreign_text) / sizeof(foreign_text[0]); i++)
		if (begins(root, foreign_text[i].start, strlen(foreign_text[i].start)) &&
		    (claimed == KIND_UNKNOWN || (foreign_text[i].firm && claimed != KIND_MD)))
			fail("The file is %s.", foreign_text[i].what);
	if (claimed == KIND_UNKNOWN && is_mail(all))
		fail("The file is an e-mail message or web archive (.eml, .mht); save it as PDF "
		     "and upload that.");
}

enum kind
sniff(struct bytes all, enum kind claimed)
{
	bool binary;

	if (begins(all, "PK\3\4", 4) || begins(all, "PK\5\6", 4))
		return container_zip(all, claimed);
	if (begins(all, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8))
		container_ole(all, claimed);
	binary = is_binary(all);
	check_foreign(all, binary, claimed);
	if (binary)
		return KIND_UNKNOWN;
	return is_html(all, claimed) ? KIND_HTML : KIND_TXT;
}
