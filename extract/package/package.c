/* The zip archive, and its parts as XML events. */
#include "extract/package/package.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zip.h>

#define PARTS_MAX 10000
#define DEPTH_MAX 250 /* of elements */
#define PREFIXES_MAX 1000 /* in scope at once */

#define OOXML "http://schemas.openxmlformats.org/"
#define STRICT "http://purl.oclc.org/ooxml/"
#define MICROSOFT "http://schemas.microsoft.com/office/"
#define ODF "urn:oasis:names:tc:opendocument:xmlns:"

static const struct {
	const char *uri;
	enum ns ns;
} namespaces[] = {
	{ OOXML "wordprocessingml/2006/main", NS_WORD },
	{ STRICT "wordprocessingml/main", NS_WORD },
	{ MICROSOFT "word/2010/wordprocessingShape", NS_WORD_SHAPE },
	{ MICROSOFT "word/2010/wordprocessingGroup", NS_WORD_SHAPE },
	{ MICROSOFT "word/2010/wordprocessingCanvas", NS_WORD_SHAPE },
	{ MICROSOFT "word/2010/wordml", NS_WORD_MORE },
	{ MICROSOFT "word/2012/wordml", NS_WORD_MORE },
	{ MICROSOFT "word/2010/wordprocessingDrawing", NS_WORD_MORE },
	{ OOXML "officeDocument/2006/math", NS_MATH },
	{ STRICT "officeDocument/math", NS_MATH },
	{ OOXML "spreadsheetml/2006/main", NS_SHEET },
	{ STRICT "spreadsheetml/main", NS_SHEET },
	{ OOXML "presentationml/2006/main", NS_SLIDE },
	{ STRICT "presentationml/main", NS_SLIDE },
	{ MICROSOFT "powerpoint/2010/main", NS_SLIDE_MORE },
	{ OOXML "drawingml/2006/main", NS_DRAWING },
	{ STRICT "drawingml/main", NS_DRAWING },
	{ MICROSOFT "drawing/2010/main", NS_DRAWING_MORE },
	{ OOXML "drawingml/2006/wordprocessingDrawing", NS_DRAWING_WORD },
	{ STRICT "drawingml/wordprocessingDrawing", NS_DRAWING_WORD },
	{ OOXML "drawingml/2006/picture", NS_PICTURE },
	{ STRICT "drawingml/picture", NS_PICTURE },
	{ OOXML "drawingml/2006/chart", NS_CHART },
	{ STRICT "drawingml/chart", NS_CHART },
	{ MICROSOFT "drawing/2014/chartex", NS_CHART_MORE },
	{ MICROSOFT "drawing/2015/9/8/chartex", NS_CHART_MORE },
	{ MICROSOFT "drawing/2015/10/21/chartex", NS_CHART_MORE },
	{ MICROSOFT "drawing/2016/5/10/chartex", NS_CHART_MORE },
	{ MICROSOFT "drawing/2016/5/12/chartex", NS_CHART_MORE },
	{ OOXML "drawingml/2006/diagram", NS_DIAGRAM },
	{ STRICT "drawingml/diagram", NS_DIAGRAM },
	{ MICROSOFT "drawing/2008/diagram", NS_DIAGRAM },
	{ OOXML "officeDocument/2006/relationships", NS_RELATION },
	{ STRICT "officeDocument/relationships", NS_RELATION },
	{ OOXML "package/2006/relationships", NS_RELATIONS },
	{ OOXML "package/2006/content-types", NS_CONTENT_TYPES },
	{ OOXML "markup-compatibility/2006", NS_COMPATIBILITY },
	{ "urn:schemas-microsoft-com:vml", NS_VML },
	{ ODF "manifest:1.0", NS_ODF_MANIFEST },
	{ ODF "office:1.0", NS_ODF_OFFICE },
	{ "http://openoffice.org/2009/office", NS_ODF_OFFICE }, /* comments on slides */
	{ ODF "text:1.0", NS_ODF_TEXT },
	{ ODF "table:1.0", NS_ODF_TABLE },
	{ ODF "style:1.0", NS_ODF_STYLE },
	{ ODF "datastyle:1.0", NS_ODF_NUMBER },
	{ ODF "drawing:1.0", NS_ODF_DRAW },
	{ ODF "svg-compatible:1.0", NS_ODF_SVG },
	{ ODF "xsl-fo-compatible:1.0", NS_ODF_FO },
	{ ODF "presentation:1.0", NS_ODF_PRESENTATION },
	{ "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0", NS_ODF_CALCEXT },
	{ "http://www.w3.org/1999/xlink", NS_XLINK },
	{ "http://purl.org/dc/elements/1.1/", NS_DUBLIN_CORE },
	{ "http://www.w3.org/XML/1998/namespace", NS_XML },
};

/* A part that is being parsed. */
struct parse {
	struct package *package;
	zip_file_t *file;
	const struct xml_events *events;
	void *arg;
	const xmlChar *uri; /* the last one that was looked up; libxml2 keeps one copy of each */
	enum ns ns; /* what it was */
	int depth;
	int skip; /* depth of the branch that is left out; 0: none */
	bool chosen[DEPTH_MAX + 1]; /* a branch of the mc:AlternateContent at this depth was */
	struct {
		const xmlChar *prefix;
		const xmlChar *uri;
		int depth; /* of its element */
	} prefixes[PREFIXES_MAX];
	int n_prefixes;
	bool damaged; /* the archive, within the part */
};

static _Noreturn void
fail_damaged(const struct package *p)
{
	fail("The %s file is damaged or incomplete and cannot be read.", p->name);
}

static _Noreturn void
fail_big(const struct package *p)
{
	fail("The %s file expands to more than %zu MiB, which is refused.", p->name, p->most / MIB);
}

void
package_open(struct package *p, struct bytes file, const char *name)
{
	zip_source_t *src;

	*p = (struct package){ .name = name, .most = EXTRACT_UNPACK_MAX };
	src = zip_source_buffer_create(file.p, file.n, 0, NULL);
	if (src == NULL || (p->zip = zip_open_from_source(src, ZIP_RDONLY, NULL)) == NULL)
		fail_damaged(p);
	if (zip_get_num_entries(p->zip, 0) > PARTS_MAX)
		fail("The %s file has more than %d parts, which is refused.", p->name, PARTS_MAX);
}

/* The part's number, or -1; also of NULL, a relationship that leads nowhere. Names are equal
 * without regard to case (ECMA-376 part 2, 6.2.2.3). */
static zip_int64_t
locate(const struct package *p, const char *part)
{
	zip_int64_t at;

	if (part == NULL)
		return -1;
	part += *part == '/';
	at = zip_name_locate(p->zip, part, 0);
	return at >= 0 ? at : zip_name_locate(p->zip, part, ZIP_FL_NOCASE);
}

bool
package_has(const struct package *p, const char *part)
{
	return locate(p, part) >= 0;
}

/* Opens a part after checking its declared size. NULL: the archive is damaged there. */
static zip_file_t *
open_part(const struct package *p, zip_int64_t at)
{
	zip_stat_t st;

	if (at < 0 || zip_stat_index(p->zip, (zip_uint64_t)at, 0, &st) != 0 ||
	    (st.valid & ZIP_STAT_SIZE) == 0)
		return NULL;
	if ((st.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && st.encryption_method != ZIP_EM_NONE)
		fail("The %s file is encrypted; remove its password and upload it again.", p->name);
	if (st.size > p->most - p->unpacked)
		fail_big(p);
	return zip_fopen_index(p->zip, (zip_uint64_t)at, 0);
}

/* Reads up to n bytes and counts them; the declared size may be a lie. -1: they are damaged. */
static zip_int64_t
read_part(struct package *p, zip_file_t *f, void *to, size_t n)
{
	zip_int64_t got = zip_fread(f, to, n);

	p->unpacked += got > 0 ? (size_t)got : 0;
	if (p->unpacked > p->most)
		fail_big(p);
	return got;
}

struct bytes
package_part(struct package *p, const char *part, size_t max)
{
	zip_int64_t at = locate(p, part);
	unsigned char *to;
	zip_file_t *f;
	zip_int64_t got = 1;
	size_t n = 0;

	if (at < 0)
		return (struct bytes){ 0 };
	if ((f = open_part(p, at)) == NULL)
		fail_damaged(p);
	to = grow(NULL, max + 1);
	while (n < max && got > 0) {
		if ((got = read_part(p, f, to + n, max - n)) < 0)
			fail_damaged(p);
		n += (size_t)got;
	}
	to = grow(to, n + 1);
	to[n] = 0;
	zip_fclose(f);
	return (struct bytes){ to, n };
}

bool
package_holds(struct package *p, const char *part, const char *word)
{
	static unsigned char buf[65536];
	zip_file_t *f = open_part(p, locate(p, part));
	size_t len = strlen(word), kept = 0, n;
	zip_int64_t got = 0;

	while (f != NULL && (got = read_part(p, f, buf + kept, sizeof(buf) - kept)) > 0) {
		n = kept + (size_t)got;
		if (memmem(buf, n, word, len) != NULL || (kept == 0 && buf[0] >= 0xFE))
			break;
		kept = n < len - 1 ? n : len - 1;
		memmove(buf, buf + n - kept, kept);
	}
	if (f != NULL)
		zip_fclose(f);
	return got > 0;
}

static enum ns
ns_of(struct parse *x, const xmlChar *uri)
{
	size_t i, n = sizeof(namespaces) / sizeof(namespaces[0]);

	if (uri == NULL)
		return NS_NONE;
	if (uri == x->uri)
		return x->ns;
	for (i = 0; i < n && strcmp((const char *)uri, namespaces[i].uri) != 0; i++)
		;
	x->uri = uri;
	x->ns = i < n ? namespaces[i].ns : NS_OTHER;
	return x->ns;
}

/* Whether an attribute's namespace is ns; quicker than to look it up. */
static bool
is_ns(const xmlChar *uri, enum ns ns)
{
	size_t i;

	if (uri == NULL || ns == NS_NONE)
		return uri == NULL && ns == NS_NONE;
	for (i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		if (namespaces[i].ns == ns && strcmp((const char *)uri, namespaces[i].uri) == 0)
			return true;
	return false;
}

static void
push_prefixes(struct parse *x, int n, const xmlChar **ns)
{
	int i;

	if (x->n_prefixes + n > PREFIXES_MAX)
		fail("The %s file declares too many namespaces, which is refused.",
		    x->package->name);
	for (i = 0; i < n; i++, x->n_prefixes++) {
		x->prefixes[x->n_prefixes].prefix = ns[2 * i];
		x->prefixes[x->n_prefixes].uri = ns[2 * i + 1];
		x->prefixes[x->n_prefixes].depth = x->depth;
	}
}

/* True when the n bytes at s are a prefix in scope for a namespace that enum ns has. */
static bool
is_understood(struct parse *x, const char *s, size_t n)
{
	const char *prefix;
	int i;

	for (i = x->n_prefixes; i-- > 0;) {
		prefix = (const char *)x->prefixes[i].prefix;
		if (prefix != NULL && strncmp(prefix, s, n) == 0 && prefix[n] == '\0')
			return ns_of(x, x->prefixes[i].uri) != NS_OTHER;
	}
	return false;
}

/* Whether an mc:Choice is to be read: all of its namespaces are known. */
static bool
is_choice(struct parse *x, const struct xml_element *e)
{
	struct bytes b = xml_attr(e, NS_NONE, "Requires");
	const char *s = (const char *)b.p;
	size_t i = 0, n, words = 0;

	while (i < b.n) {
		for (n = 0; i + n < b.n && strchr(" \t\r\n", s[i + n]) == NULL; n++)
			;
		if (n > 0 && !is_understood(x, s + i, n))
			return false;
		words += n > 0;
		i += n + 1;
	}
	return words > 0;
}

/* An mc: element's beginning: decides between the branches. */
static void
start_branch(struct parse *x, const struct xml_element *e)
{
	bool *chosen = &x->chosen[x->depth - 1];

	if (strcmp(e->name, "AlternateContent") == 0)
		x->chosen[x->depth] = false;
	else if (!*chosen && (strcmp(e->name, "Fallback") == 0 || is_choice(x, e)))
		*chosen = true;
	else
		x->skip = x->depth;
}

static void
xml_on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_ns,
    const xmlChar **ns, int n_attr, int n_default, const xmlChar **attr)
{
	struct parse *x = arg;
	struct xml_element e = { ns_of(x, uri), (const char *)name, attr, n_attr };

	(void)prefix, (void)n_default;
	if (++x->depth > DEPTH_MAX)
		fail("The %s file nests its elements too deeply, which is refused.",
		    x->package->name);
	push_prefixes(x, n_ns, ns);
	if (x->skip > 0)
		return;
	if (e.ns == NS_COMPATIBILITY)
		start_branch(x, &e);
	else if (x->events->start != NULL)
		x->events->start(x->arg, &e);
}

static void
xml_on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct parse *x = arg;
	struct xml_element e = { ns_of(x, uri), (const char *)name, NULL, 0 };

	(void)prefix;
	while (x->n_prefixes > 0 && x->prefixes[x->n_prefixes - 1].depth == x->depth)
		x->n_prefixes--;
	if (x->skip == 0 && e.ns != NS_COMPATIBILITY && x->events->end != NULL)
		x->events->end(x->arg, &e);
	if (x->skip == x->depth)
		x->skip = 0;
	x->depth--;
}

static void
xml_on_text(void *arg, const xmlChar *s, int n)
{
	struct parse *x = arg;

	if (x->skip == 0 && n > 0 && x->events->text != NULL)
		x->events->text(x->arg, (const char *)s, (size_t)n);
}

static _Noreturn void
fail_declares(const struct parse *x)
{
	fail("The %s file declares XML entities, which is refused.", x->package->name);
}

static void
package_on_entity(void *arg, const xmlChar *name, int type, const xmlChar *public_id,
    const xmlChar *system_id, xmlChar *content)
{
	(void)name, (void)type, (void)public_id, (void)system_id, (void)content;
	fail_declares(arg);
}

/* Default values of attributes would come again with each of their elements. */
static void
package_on_attribute(void *arg, const xmlChar *element, const xmlChar *name, int type, int defaults,
    const xmlChar *value, xmlEnumerationPtr values)
{
	(void)element, (void)name, (void)type, (void)defaults, (void)value, (void)values;
	fail_declares(arg);
}

static int
package_on_read(void *arg, char *buf, int len)
{
	struct parse *x = arg;
	zip_int64_t n = read_part(x->package, x->file, buf, (size_t)len);

	/* libxml2 stops without an error where it has seen the last element's end. */
	x->damaged |= n < 0;
	return (int)n;
}

static int
package_on_close(void *arg)
{
	(void)arg;
	return 0;
}

bool
package_xml_whole(struct package *p, const char *part, const struct xml_events *events, void *arg)
{
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC,
		.entityDecl = package_on_entity,
		.attributeDecl = package_on_attribute,
		.startElementNs = xml_on_start,
		.endElementNs = xml_on_end,
		.characters = xml_on_text,
		.ignorableWhitespace = xml_on_text,
		.cdataBlock = xml_on_text,
	};
	struct parse *x = grow(NULL, sizeof(*x));
	xmlParserCtxtPtr ctx;
	bool whole;

	memset(x, 0, sizeof(*x));
	x->package = p;
	x->events = events;
	x->arg = arg;
	if ((x->file = open_part(p, locate(p, part))) == NULL) {
		free(x);
		return false;
	}
	xmlInitParser();
	ctx = xmlCreateIOParserCtxt(
	    &sax, x, package_on_read, package_on_close, x, XML_CHAR_ENCODING_NONE);
	if (ctx == NULL)
		fail_damaged(p);
	xmlCtxtUseOptions(ctx, XML_PARSE_NONET);
	xmlParseDocument(ctx);
	whole = ctx->wellFormed && !x->damaged;
	xmlFreeParserCtxt(ctx);
	zip_fclose(x->file);
	free(x);
	return whole;
}

void
package_xml(struct package *p, const char *part, const struct xml_events *events, void *arg)
{
	if (!package_xml_whole(p, part, events, arg))
		fail_damaged(p);
}

/* libxml2 gives an ampersand in a value as "&#38;" where it replaces no entities. */
static struct bytes
unescape(const unsigned char *p, size_t n)
{
	unsigned char *to;
	size_t i, len = 0;

	if (memchr(p, '&', n) == NULL)
		return (struct bytes){ p, n };
	to = grow(NULL, n);
	for (i = 0; i < n; i++) {
		to[len++] = p[i];
		if (n - i >= 5 && memcmp(p + i, "&#38;", 5) == 0)
			i += 4;
	}
	return (struct bytes){ to, len };
}

/* An attribute without a prefix has no namespace, whatever its element's is. */
struct bytes
xml_attr(const struct xml_element *e, enum ns ns, const char *name)
{
	const xmlChar **a;
	int i;

	for (i = 0, a = e->attr; i < e->n_attr; i++, a += 5)
		if (strcmp((const char *)a[0], name) == 0 && is_ns(a[2], ns))
			return unescape(a[3], (size_t)(a[4] - a[3]));
	return (struct bytes){ 0 };
}

bool
xml_attr_is(const struct xml_element *e, enum ns ns, const char *name, const char *value)
{
	return bytes_are(xml_attr(e, ns, name), value);
}
