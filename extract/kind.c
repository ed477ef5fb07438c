/* The kinds of files: what they are called, and the names of files that stand for them. */
#include "extract/extract.h"

#include <string.h>
#include <strings.h>

/* One row a kind, in the order of enum kind. */
static const struct {
	const char *title; /* in messages, with its article */
	const char *name; /* in messages, alone */
	const char *word; /* in the output's first line */
} kinds[KIND_N] = {
	[KIND_UNKNOWN] = { "binary data", "", "?" },
	[KIND_PDF] = { "a PDF", "PDF", "pdf" },
	[KIND_DOCX] = { "a DOCX", "DOCX", "docx" },
	[KIND_XLSX] = { "an Excel workbook", "XLSX", "xlsx" },
	[KIND_PPTX] = { "a PowerPoint presentation", "PPTX", "pptx" },
	[KIND_ODT] = { "an OpenDocument text", "ODT", "odt" },
	[KIND_ODS] = { "an OpenDocument spreadsheet", "ODS", "ods" },
	[KIND_ODP] = { "an OpenDocument presentation", "ODP", "odp" },
	[KIND_CSV] = { "a table in text", "CSV", "csv" },
	[KIND_HTML] = { "HTML", "HTML", "html" },
	[KIND_TXT] = { "plain text", "text", "txt" },
	[KIND_MD] = { "Markdown text", "Markdown", "md" },
};

/* The kind that a name's ending stands for. */
static const struct ending {
	const char *ending;
	enum kind kind;
	bool loose; /* other content is read as what it is */
} endings[] = {
	{ "pdf", KIND_PDF, false },
	{ "docx", KIND_DOCX, false },
	{ "docm", KIND_DOCX, false },
	{ "xlsx", KIND_XLSX, false },
	{ "xlsm", KIND_XLSX, false },
	{ "pptx", KIND_PPTX, false },
	{ "pptm", KIND_PPTX, false },
	{ "ppsx", KIND_PPTX, false },
	{ "odt", KIND_ODT, false },
	{ "ods", KIND_ODS, false },
	{ "odp", KIND_ODP, false },
	{ "csv", KIND_CSV, false },
	{ "tsv", KIND_CSV, false },
	{ "tab", KIND_CSV, false },
	{ "xls", KIND_CSV, true }, /* many programs give that name to HTML or to text with tabs */
	{ "html", KIND_HTML, false },
	{ "htm", KIND_HTML, false },
	{ "xhtml", KIND_HTML, false },
	{ "txt", KIND_TXT, false },
	{ "text", KIND_TXT, false },
	{ "md", KIND_MD, false },
	{ "markdown", KIND_MD, false },
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

	return e != NULL && !e->loose ? e->kind : KIND_UNKNOWN;
}

enum kind
kind_check(const char *name, enum kind k)
{
	const struct ending *e = find_ending(name);

	if ((e == NULL || e->loose) && k == KIND_UNKNOWN)
		fail("The file holds binary data of a kind that is not supported.");
	if (k == KIND_TXT && e != NULL &&
	    (e->kind == KIND_MD || e->kind == KIND_HTML || e->kind == KIND_CSV))
		k = e->kind;
	if (e != NULL && e->kind != k && !e->loose)
		fail("The file is named .%s but is not %s (it looks like %s).", e->ending,
		    kinds[e->kind].title, kinds[k].title);
	return k;
}
