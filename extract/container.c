/*
 * The kind of a document in a container: a zip archive, or an OLE compound file ([MS-CFB]), which
 * old Office files and encrypted new ones are. It is told by what names the document in there, not
 * by names of members anywhere: others may be embedded in it.
 */
#include <string.h>
#include <strings.h>

#include "extract/extract.h"
#include "extract/package/package.h"

/* What a zip archive is, by its media type: that of OOXML's main part, or of the whole package. */
static const struct {
	const char *type; /* a part of it */
	enum kind kind;
	const char *what; /* KIND_UNKNOWN: "The file is …." */
} types[] = {
	{ "wordprocessingml.document.main", KIND_DOCX, NULL },
	{ "wordprocessingml.template.main", KIND_DOCX, NULL },
	{ "ms-word.document.macroEnabled.main", KIND_DOCX, NULL },
	{ "ms-word.template.macroEnabledTemplate.main", KIND_DOCX, NULL },
	{ "spreadsheetml.sheet.main", KIND_XLSX, NULL },
	{ "spreadsheetml.template.main", KIND_XLSX, NULL },
	{ "ms-excel.sheet.macroEnabled.main", KIND_XLSX, NULL },
	{ "ms-excel.template.macroEnabled.main", KIND_XLSX, NULL },
	{ "ms-excel.sheet.binary", KIND_UNKNOWN,
	    "an Excel binary workbook (.xlsb); save it as XLSX and upload that" },
	{ "presentationml.presentation.main", KIND_PPTX, NULL },
	{ "presentationml.slideshow.main", KIND_PPTX, NULL },
	{ "presentationml.template.main", KIND_PPTX, NULL },
	{ "ms-powerpoint.presentation.macroEnabled.main", KIND_PPTX, NULL },
	{ "ms-powerpoint.slideshow.macroEnabled.main", KIND_PPTX, NULL },
	{ "ms-powerpoint.template.macroEnabled.main", KIND_PPTX, NULL },
	{ "ms-visio", KIND_UNKNOWN, "a Visio drawing (.vsdx); save it as PDF and upload that" },
	{ "oasis.opendocument.text", KIND_ODT, NULL },
	{ "oasis.opendocument.spreadsheet", KIND_ODS, NULL },
	{ "oasis.opendocument.presentation", KIND_ODP, NULL },
	{ "oasis.opendocument.graphics", KIND_UNKNOWN,
	    "an OpenDocument drawing (.odg); save it as PDF and upload that" },
	{ "oasis.opendocument", KIND_UNKNOWN,
	    "an OpenDocument file of a kind that is not supported" },
	{ "application/epub", KIND_UNKNOWN,
	    "an e-book (.epub); save it as PDF or DOCX and upload that" },
};

/* What an OLE compound file is, by the name of a stream in its root. */
static const struct {
	const char *stream;
	const char *what; /* "The file is …." */
} streams[] = {
	{ "WordDocument", "an old Word document (.doc); save it as DOCX and upload that" },
	{ "Workbook", "an old Excel workbook (.xls); save it as XLSX and upload that" },
	{ "Book", "an old Excel workbook (.xls); save it as XLSX and upload that" },
	{ "PowerPoint Document",
	    "an old PowerPoint presentation (.ppt); save it as PPTX and upload that" },
	{ "VisioDocument", "an old Visio drawing (.vsd); save it as PDF and upload that" },
	{ "__properties_version1.0",
	    "an Outlook message (.msg); save it as PDF or text and upload that" },
};

/* A media type that is looked for. */
struct search {
	const char *part; /* whose it is; NULL: the package's own, in an OpenDocument manifest */
	char *type; /* NULL: not found */
	char *fallback; /* that of all parts whose names end as its does */
	bool encrypted; /* a part of an OpenDocument package is (ODF 1.3 part 2, 3.4) */
};

static _Noreturn void
fail_encrypted(enum kind claimed)
{
	fail("The %s file is encrypted; remove its password and upload it again.",
	    claimed != KIND_UNKNOWN ? kind_name(claimed) : "Office");
}

static bool
ends(const char *s, struct bytes ending)
{
	size_t n = strlen(s);

	return ending.n > 0 && n > ending.n && s[n - ending.n - 1] == '.' &&
	       strncasecmp(s + n - ending.n, (const char *)ending.p, ending.n) == 0;
}

static void
on_content_type(void *arg, const struct xml_element *e)
{
	struct search *s = arg;
	struct bytes name = xml_attr(e, NS_NONE, "PartName");
	size_t n = strlen(s->part);

	if (e->ns != NS_CONTENT_TYPES)
		return;
	if (name.n == n + 1 && strncasecmp((const char *)name.p + 1, s->part, n) == 0)
		s->type = bytes_string(xml_attr(e, NS_NONE, "ContentType"));
	else if (ends(s->part, xml_attr(e, NS_NONE, "Extension")))
		s->fallback = bytes_string(xml_attr(e, NS_NONE, "ContentType"));
}

static void
on_manifest(void *arg, const struct xml_element *e)
{
	struct search *s = arg;

	if (e->ns != NS_ODF_MANIFEST)
		return;
	if (strcmp(e->name, "encryption-data") == 0)
		s->encrypted = true;
	if (xml_attr_is(e, NS_ODF_MANIFEST, "full-path", "/"))
		s->type = bytes_string(xml_attr(e, NS_ODF_MANIFEST, "media-type"));
}

/* The media type of the document, or NULL. Ends the worker where an OpenDocument is encrypted. */
static const char *
media_type(struct package *p, enum kind claimed)
{
	static const struct xml_events types_events = { .start = on_content_type };
	static const struct xml_events manifest_events = { .start = on_manifest };
	struct search s = { .part = package_main(p) };
	struct bytes own = package_part(p, "mimetype", 100);

	if (own.n == 0 && s.part != NULL && package_has(p, "[Content_Types].xml"))
		package_xml(p, "[Content_Types].xml", &types_events, &s);
	else if (package_has(p, "META-INF/manifest.xml"))
		package_xml(p, "META-INF/manifest.xml", &manifest_events, &s);
	if (s.encrypted)
		fail_encrypted(claimed);
	if (own.n > 0)
		return (const char *)own.p;
	return s.type != NULL ? s.type : s.fallback;
}

enum kind
container_zip(struct bytes b, enum kind claimed)
{
	static const char *const folders[] = { "word/", "xl/", "ppt/" };
	static const enum kind kinds[] = { KIND_DOCX, KIND_XLSX, KIND_PPTX };
	struct package p;
	const char *type, *part;
	size_t i;

	package_open(&p, b, claimed != KIND_UNKNOWN ? kind_name(claimed) : "zip");
	type = media_type(&p, claimed);
	for (i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strstr(type, types[i].type) == NULL)
			continue;
		if (types[i].kind == KIND_UNKNOWN)
			fail("The file is %s.", types[i].what);
		return types[i].kind;
	}
	part = package_main(&p);
	for (i = 0; part != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(part, folders[i], strlen(folders[i])) == 0)
			return kinds[i];
	fail("The file is a zip archive, which is not supported.");
}

/* Where [MS-CFB] 2.2 and 2.6 have what is read here; numbers are little-endian. */
#define OLE_HEADER 512
#define OLE_ENTRY 128 /* bytes of an entry of the directory */
#define OLE_ENTRIES_MAX 4096 /* that are looked at */

struct ole {
	struct bytes file;
	size_t sector; /* bytes */
};

static uint32_t
get32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The bytes of a sector; NULL where the file does not have it. */
static const unsigned char *
sector_at(const struct ole *o, uint32_t n)
{
	size_t at = ((size_t)n + 1) * o->sector;

	return at + o->sector <= o->file.n ? o->file.p + at : NULL;
}

/* The sector after n in its chain, by the 109 sectors of the table that the header lists. */
static uint32_t
sector_after(const struct ole *o, uint32_t n)
{
	size_t per = o->sector / 4;
	const unsigned char *table;

	if (n / per >= 109)
		return UINT32_MAX;
	table = sector_at(o, get32(o->file.p + 76 + 4 * (n / per)));
	return table != NULL ? get32(table + 4 * (n % per)) : UINT32_MAX;
}

/* Writes the directory's entries to `to`; returns how many. */
static size_t
read_directory(const struct ole *o, const unsigned char **to)
{
	uint32_t n = get32(o->file.p + 48);
	const unsigned char *p;
	size_t count = 0, i;

	while ((p = sector_at(o, n)) != NULL && count + o->sector / OLE_ENTRY <= OLE_ENTRIES_MAX) {
		for (i = 0; i < o->sector / OLE_ENTRY; i++)
			to[count++] = p + i * OLE_ENTRY;
		n = sector_after(o, n);
	}
	return count;
}

/* True when the entry's name, which is UTF-16, is this one. */
static bool
is_named(const unsigned char *entry, const char *name)
{
	size_t i, n = strlen(name);

	for (i = 0; i <= n; i++)
		if (entry[2 * i] != (unsigned char)name[i] || entry[2 * i + 1] != 0)
			return false;
	return true;
}

/* Ends the worker for a stream in the root: entries are a tree of siblings. */
static void
check_streams(const unsigned char **entries, size_t n, enum kind claimed)
{
	uint32_t stack[OLE_ENTRIES_MAX];
	size_t depth = 0, seen, i;
	const unsigned char *e;

	stack[depth++] = get32(entries[0] + 76);
	for (seen = 0; depth > 0 && seen < n; seen++) {
		if (stack[--depth] >= n)
			continue;
		e = entries[stack[depth]];
		if (is_named(e, "EncryptedPackage"))
			fail_encrypted(claimed);
		for (i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
			if (is_named(e, streams[i].stream))
				fail("The file is %s.", streams[i].what);
		if (depth + 2 <= OLE_ENTRIES_MAX) {
			stack[depth++] = get32(e + 68);
			stack[depth++] = get32(e + 72);
		}
	}
}

_Noreturn void
container_ole(struct bytes b, enum kind claimed)
{
	const unsigned char *entries[OLE_ENTRIES_MAX];
	struct ole o = { .file = b };
	size_t n = 0;

	if (b.n > OLE_HEADER && (b.p[30] == 9 || b.p[30] == 12)) {
		o.sector = (size_t)1 << b.p[30];
		n = read_directory(&o, entries);
	}
	if (n > 0)
		check_streams(entries, n, claimed);
	fail("The file is an old Office document, which is not supported.");
}
