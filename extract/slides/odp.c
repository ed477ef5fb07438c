/*
 * ODP: the slides in their order, hidden ones too, each with the notes of its speaker and the
 * comments on it. What masters show on every slide, and fields of its number, its date, headers and
 * footers, is no slide's text.
 */
#include <stdlib.h>
#include <string.h>

#include "extract/odf/odf.h"
#include "extract/out.h"
#include "extract/slides/slide.h"

struct odp {
	struct odf odf;
	struct out *out;
	struct slide slide;
	struct buffer notes;
	unsigned number; /* of the slide; 0: before the first one */
	bool in_slide, in_notes, hidden;
	int depth; /* of elements in a shape */
	struct place place;
	bool title;
	size_t from;
};

static void
on_paragraph(void *arg, const char *p, size_t n, bool row)
{
	struct odp *d = arg;
	struct buffer *to = d->in_notes ? &d->notes : &d->slide.text;

	(void)row;
	if (!d->in_slide || n == 0)
		return;
	buffer_put(to, p, n);
	buffer_string(to, "\n");
}

static void
slide_start(struct odp *d, const struct xml_element *e)
{
	slide_begin(&d->slide);
	d->notes.len = d->odf.comments.len = d->odf.pictures = 0;
	d->in_slide = true;
	d->hidden = odf_styles_hidden(
	    &d->odf.styles, "drawing-page", xml_attr(e, NS_ODF_DRAW, "style-name"));
	d->number++;
}

static void
slide_end(struct odp *d)
{
	size_t before = d->out->len;
	const struct shape *s;

	d->in_slide = false;
	if (d->hidden)
		out_notice(d->out, "Slide %u is hidden.", d->number);
	out_section(d->out, "slide %u", d->number);
	for (s = slide_shapes(&d->slide); s != NULL; s = s->next)
		out_rows(d->out, d->slide.text.p + s->from, s->to - s->from);
	if (d->out->len == before && d->odf.pictures > 0)
		out_notice(d->out, "Slide %u is a picture without text.", d->number);
	out_section(d->out, "slide %u notes", d->number);
	out_paragraph(d->out, d->notes.p, d->notes.len);
	out_section(d->out, "slide %u comments", d->number);
	out_list(d->out, d->odf.comments.p, d->odf.comments.len);
}

/* Where a shape is: by its corner, its line's beginning, or what it is moved by. */
static struct place
place_of(const struct xml_element *e)
{
	struct bytes x = xml_attr(e, NS_ODF_SVG, "x"), y = xml_attr(e, NS_ODF_SVG, "y");
	char *text, *moved = NULL;
	struct place at;

	if (x.p == NULL && y.p == NULL) {
		x = xml_attr(e, NS_ODF_SVG, "x1");
		y = xml_attr(e, NS_ODF_SVG, "y1");
	}
	text = bytes_string(xml_attr(e, NS_ODF_DRAW, "transform"));
	if (x.p == NULL && y.p == NULL)
		moved = strstr(text, "translate");
	if (moved != NULL) {
		moved += strcspn(moved, "(");
		moved += strspn(moved, "( ");
		x = (struct bytes){ (const unsigned char *)moved, strcspn(moved, " ,)") };
		moved += x.n;
		moved += strspn(moved, " ,");
		y = (struct bytes){ (const unsigned char *)moved, strcspn(moved, " ,)") };
	}
	at = (struct place){ x.p != NULL || y.p != NULL, slide_length(x), slide_length(y) };
	free(text);
	return at;
}

/* What stands on every slide, or shows where its text would be. */
static bool
is_left_out(const struct xml_element *e)
{
	static const char *const classes[] = { "header", "footer", "date-time", "page-number" };
	struct bytes class = xml_attr(e, NS_ODF_PRESENTATION, "class");
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (bytes_are(class, classes[i]))
			return true;
	return xml_attr_is(e, NS_ODF_PRESENTATION, "placeholder", "true");
}

static bool
is_group(const struct xml_element *e)
{
	return e->ns == NS_ODF_DRAW && (strcmp(e->name, "g") == 0 || strcmp(e->name, "a") == 0);
}

/* An element that starts on the slide or its notes outside of their shapes: true if it is one. */
static bool
begins_shape(struct odp *d, const struct xml_element *e)
{
	if (e->ns == NS_ODF_PRESENTATION && strcmp(e->name, "notes") == 0)
		d->in_notes = true;
	if (e->ns != NS_ODF_DRAW)
		return false;
	if (is_left_out(e)) {
		d->odf.skip = 1;
		return false;
	}
	if (is_group(e))
		slide_group(&d->slide);
	return !is_group(e);
}

static void
shape_end(struct odp *d)
{
	d->depth = 0;
	if (!d->in_notes)
		slide_shape(&d->slide, d->place, d->title, d->from, NULL);
}

static void
odp_on_start(void *arg, const struct xml_element *e)
{
	struct odp *d = arg;
	bool shape = false;

	if (d->odf.skip == 0 && d->in_slide && d->depth == 0) {
		shape = begins_shape(d, e);
		if (d->odf.skip > 0)
			return;
	}
	odf_start(&d->odf, e);
	if (d->odf.skip > 0)
		return;
	if (shape) {
		d->depth = 1;
		d->place = place_of(e);
		d->title = xml_attr_is(e, NS_ODF_PRESENTATION, "class", "title");
		d->from = d->slide.text.len;
	} else if (d->depth > 0) {
		d->depth++;
	} else if (e->ns == NS_ODF_DRAW && strcmp(e->name, "page") == 0) {
		slide_start(d, e);
	}
}

static void
odp_on_end(void *arg, const struct xml_element *e)
{
	struct odp *d = arg;
	bool skipped = d->odf.skip > 0;

	odf_end(&d->odf, e);
	if (skipped || !d->in_slide)
		return;
	if (d->depth > 0) {
		if (--d->depth == 0)
			shape_end(d);
	} else if (is_group(e)) {
		slide_group_end(&d->slide, (struct place){ 0 });
	} else if (e->ns == NS_ODF_PRESENTATION && strcmp(e->name, "notes") == 0) {
		d->in_notes = false;
	} else if (e->ns == NS_ODF_DRAW && strcmp(e->name, "page") == 0) {
		slide_end(d);
	}
}

static void
odp_on_text(void *arg, const char *s, size_t n)
{
	struct odp *d = arg;

	odf_text(&d->odf, s, n);
}

void
odp_read(struct bytes file, struct out *o)
{
	static const struct xml_events events = { odp_on_start, odp_on_end, odp_on_text };
	struct odp *d = grow(NULL, sizeof(*d));
	struct package p;

	memset(d, 0, sizeof(*d));
	d->out = o;
	odf_open(&p, file, kind_name(KIND_ODP));
	odf_begin(&d->odf, &p, on_paragraph, d);
	d->odf.everywhere = true;
	if (package_has(&p, "styles.xml"))
		(void)package_xml_whole(&p, "styles.xml", &events, d);
	odf_close(&d->odf);
	if (!package_xml_whole(&p, "content.xml", &events, d)) {
		out_notice(o, "The presentation is damaged; its text ends early.");
		odf_close(&d->odf);
		if (d->depth > 0)
			shape_end(d);
		if (d->in_slide)
			slide_end(d);
	}
	if (d->odf.damaged)
		out_notice(o, "A chart or formula of the presentation is damaged.");
	out_pages(o, d->number);
}
