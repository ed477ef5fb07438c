/*
 * ODT: the body, the headers and footers of the pages, which styles.xml holds, and the comments.
 */
#include <libxml/hash.h>
#include <stdlib.h>
#include <string.h>

#include "extract/odf/odf.h"
#include "extract/out.h"

static const char *const edge_names[] = { "header", "footer" };

struct odt {
	struct odf odf;
	struct out *out;
	struct buffer edges[2]; /* headers, footers: paragraphs, each ended by a NUL */
	int edge; /* which of them is being read, or -1 */
	xmlHashTablePtr seen; /* their paragraphs: most of a document's are the same */
};

static void
body_paragraph(void *arg, const char *p, size_t n, bool row)
{
	struct odt *d = arg;

	if (row)
		out_rows(d->out, p, n);
	else
		out_paragraph(d->out, p, n);
}

static void
edge_paragraph(void *arg, const char *p, size_t n, bool row)
{
	struct odt *d = arg;
	char *text = bytes_string((struct bytes){ (const unsigned char *)p, n });

	(void)row;
	if (d->edge >= 0 && xmlHashAddEntry(d->seen, (const xmlChar *)text, d) == 0)
		buffer_put(&d->edges[d->edge], text, n + 1);
	free(text);
}

/* Which of `edges` style:header, style:footer-first and the like begin; -1: it is none. */
static int
edge_of(const struct xml_element *e)
{
	static const char *const pages[] = { "", "-left", "-first" };
	size_t i, k, n;

	for (i = 0; e->ns == NS_ODF_STYLE && i < 2; i++) {
		n = strlen(edge_names[i]);
		for (k = 0; strncmp(e->name, edge_names[i], n) == 0 && k < 3; k++)
			if (strcmp(e->name + n, pages[k]) == 0)
				return (int)i;
	}
	return -1;
}

static void
edge_start(void *arg, const struct xml_element *e)
{
	struct odt *d = arg;
	int edge = edge_of(e);

	if (edge >= 0 && xml_attr_is(e, NS_ODF_STYLE, "display", "false")) {
		d->odf.skip++;
		return;
	}
	odf_start(&d->odf, e);
	if (edge >= 0 && d->odf.skip == 0)
		d->edge = edge;
}

static void
edge_end(void *arg, const struct xml_element *e)
{
	struct odt *d = arg;

	odf_end(&d->odf, e);
	if (edge_of(e) >= 0)
		d->edge = -1;
}

static void
edge_text(void *arg, const char *s, size_t n)
{
	struct odt *d = arg;

	odf_text(&d->odf, s, n);
}

/* Headers, footers and comments come after the body. */
static void
put_rest(struct odt *d)
{
	const struct buffer *comments = &d->odf.comments;
	size_t i, n;

	for (i = 0; i < 2; i++) {
		out_section(d->out, "%s", edge_names[i]);
		out_list(d->out, d->edges[i].p, d->edges[i].len);
	}
	for (i = 0; i < comments->len; i += n + 1) {
		n = strlen(comments->p + i);
		out_section(d->out, "comment");
		out_paragraph(d->out, comments->p + i, n);
	}
}

void
odt_read(struct bytes file, struct out *o)
{
	static const struct xml_events edges = { edge_start, edge_end, edge_text };
	static const struct xml_events body = { odf_start, odf_end, odf_text };
	struct odt *d = grow(NULL, sizeof(*d));
	struct package p;

	memset(d, 0, sizeof(*d));
	d->out = o;
	d->edge = -1;
	d->seen = xmlHashCreate(16);
	odf_open(&p, file, kind_name(KIND_ODT));
	odf_begin(&d->odf, &p, edge_paragraph, d);
	d->odf.everywhere = true;
	if (package_has(&p, "styles.xml") && !package_xml_whole(&p, "styles.xml", &edges, d))
		out_notice(o, "The document's styles are damaged; numbers of paragraphs, headers "
			      "and footers may be missing.");
	odf_close(&d->odf);
	d->odf.everywhere = false;
	d->odf.paragraph = body_paragraph;
	if (!package_xml_whole(&p, "content.xml", &body, &d->odf))
		out_notice(o, "The document is damaged; its text ends early.");
	odf_close(&d->odf);
	if (d->odf.damaged)
		out_notice(o, "A chart or formula of the document is damaged.");
	put_rest(d);
}
