/*
 * A zip archive of XML parts in memory: Open Packaging Conventions (ECMA-376 part 2; DOCX, XLSX,
 * PPTX) and OpenDocument packages (ODF 1.3 part 2). libzip unpacks and libxml2 parses; a part is
 * read as a stream of events and never held as a whole. All parts together may expand to `most`
 * bytes, EXTRACT_UNPACK_MAX at first. What declares entities is refused; a document type alone,
 * which old OpenOffice wrote, is not looked for.
 *
 * Whatever is wrong with the archive ends the worker with a sentence. What is returned lives as
 * long as the worker.
 */
#ifndef MILLRACE_EXTRACT_PACKAGE_H
#define MILLRACE_EXTRACT_PACKAGE_H

#include "extract/buffer.h"

struct zip;

struct package {
	struct zip *zip;
	const char *name; /* of the format in sentences: "DOCX" */
	size_t unpacked; /* bytes read of all parts; a part that is read twice counts twice */
	size_t most; /* of these; a reader that holds none of it may set more */
};

/* The namespaces that are told apart: strict and transitional OOXML are the same one. */
enum ns {
	NS_NONE, /* of attributes without a prefix */
	NS_OTHER,
	NS_XML,
	NS_CONTENT_TYPES, /* [Content_Types].xml */
	NS_RELATIONS, /* the elements of *.rels */
	NS_RELATION, /* r:id */
	NS_COMPATIBILITY, /* mc: */
	NS_WORD, /* w: */
	NS_WORD_SHAPE, /* wps:, wpg:, wpc: */
	NS_WORD_MORE, /* w14:, wp14: and w15:, which add to w: */
	NS_MATH, /* m: */
	NS_SHEET, /* SpreadsheetML */
	NS_SLIDE, /* p: */
	NS_SLIDE_MORE, /* p14: */
	NS_DRAWING, /* a: */
	NS_DRAWING_MORE, /* a14: */
	NS_DRAWING_WORD, /* wp: */
	NS_PICTURE, /* pic: */
	NS_CHART, /* c: */
	NS_CHART_MORE, /* cx: */
	NS_DIAGRAM, /* dgm:, dsp: */
	NS_VML, /* v: */
	NS_ODF_MANIFEST,
	NS_ODF_OFFICE,
	NS_ODF_TEXT,
	NS_ODF_TABLE,
	NS_ODF_STYLE,
	NS_ODF_NUMBER,
	NS_ODF_DRAW,
	NS_ODF_SVG,
	NS_ODF_FO,
	NS_ODF_PRESENTATION,
	NS_ODF_CALCEXT, /* LibreOffice's extension of tables */
	NS_XLINK,
	NS_DUBLIN_CORE,
};

/* An element's beginning or end; valid during the event. */
struct xml_element {
	enum ns ns;
	const char *name; /* without its prefix */
	const unsigned char **attr; /* of libxml2, five pointers each; NULL at the end */
	int n_attr;
};

/* Each may be NULL. */
struct xml_events {
	void (*start)(void *arg, const struct xml_element *e);
	void (*end)(void *arg, const struct xml_element *e);
	void (*text)(void *arg, const char *s, size_t n); /* any piece of it */
};

/* Opens an archive; `name` is its format's in sentences, and stays with it. */
void package_open(struct package *p, struct bytes file, const char *name);

/* True when there is a part of this name (with or without a leading slash; ASCII case ignored). */
bool package_has(const struct package *p, const char *part);

/* The first bytes of a part, at most `max`. {NULL, 0}: there is no such part. */
struct bytes package_part(struct package *p, const char *part, size_t max);

/*
 * Whether a word of ASCII is anywhere in a part, as far as it can be read; also true of a part in
 * UTF-16. Far quicker than to parse it.
 */
bool package_holds(struct package *p, const char *part, const char *word);

/*
 * Parses a part, which has to be there and well-formed. Of mc:AlternateContent (ECMA-376 part 3)
 * only one branch is reported: the first choice whose required namespaces are all in enum ns,
 * otherwise the fallback. The mc: elements themselves are not reported.
 */
void package_xml(struct package *p, const char *part, const struct xml_events *events, void *arg);

/* The same of a part that may be damaged or missing: false, after what comes before the damage. */
bool package_xml_whole(
    struct package *p, const char *part, const struct xml_events *events, void *arg);

/* An attribute's value; {NULL, 0}: there is none. */
struct bytes xml_attr(const struct xml_element *e, enum ns ns, const char *name);

/* True when the attribute is there and has this value. */
bool xml_attr_is(const struct xml_element *e, enum ns ns, const char *name, const char *value);

/* What a part refers to (ECMA-376 part 2, 6.5). */
struct relation {
	const char *id;
	const char *type; /* the last component of its address: "officeDocument", "slide" */
	const char *target; /* a part's name without a leading slash; an address if external */
	bool external;
};

struct relations {
	struct relation *p; /* in the order of their ids */
	size_t n;
};

/* The relationships of a part, or of the package itself (""). None: empty. */
struct relations package_relations(struct package *p, const char *part);

/* The relationship of this id, or the one of a type with the least id; NULL: there is none. */
const struct relation *relation_by_id(const struct relations *r, struct bytes id);
const struct relation *relation_by_type(const struct relations *r, const char *type);

/*
 * The part that an OOXML document begins with: the one that the package's relationships name, or
 * else "word/document.xml" and the like. NULL: there is none, so it is no such document.
 */
const char *package_main(struct package *p);

#endif
