/*
 * PPTX (ECMA-376 part 1, 13): the slides in the order in which they are shown, hidden ones too,
 * each with the notes of its speaker and the comments on it. A slide's number is its place,
 * whatever its file or its fields say. What layouts and masters show on every slide is no slide's
 * text.
 */
#include <libxml/hash.h>
#include <stdlib.h>
#include <string.h>

#include "extract/out.h"
#include "extract/figure.h"
#include "extract/slides/pptx.h"

struct deck {
	struct package package;
	struct out *out;
	struct relations relations; /* of the presentation */
	struct layout *layouts; /* that were read so far */
	struct slide slide;
	xmlHashTablePtr authors; /* of comments: their names by their ids */
	struct buffer line; /* of a comment or a figure */
	struct buffer answers; /* to the comment, each ended by a NUL */
	bool answer; /* inside one */
	int run; /* inside a comment's text */
	unsigned number; /* of the slide */
};

/* p:cmAuthor, or the author of comments with answers. */
static void
on_author(void *arg, const struct xml_element *e)
{
	struct deck *d = arg;
	char *id;

	if (strcmp(e->name, "cmAuthor") != 0 && strcmp(e->name, "author") != 0)
		return;
	id = bytes_string(xml_attr(e, NS_NONE, "id"));
	(void)xmlHashUpdateEntry(
	    d->authors, (const xmlChar *)id, bytes_string(xml_attr(e, NS_NONE, "name")), NULL);
	free(id);
}

static void
read_authors(struct deck *d)
{
	static const struct xml_events events = { .start = on_author };
	const struct relation *r = d->relations.p;
	size_t i;

	d->authors = xmlHashCreate(16);
	for (i = 0; i < d->relations.n; i++, r++)
		if ((strcmp(r->type, "commentAuthors") == 0 || strcmp(r->type, "authors") == 0) &&
		    package_has(&d->package, r->target))
			(void)package_xml_whole(&d->package, r->target, &events, d);
}

/* Where the text of the comment or the answer goes that is being read. */
static struct buffer *
comment_to(struct deck *d)
{
	return d->answer ? &d->answers : &d->line;
}

static bool
is_comment_text(const struct xml_element *e, const char *run)
{
	return (e->ns == NS_DRAWING && strcmp(e->name, run) == 0) ||
	       (e->ns == NS_SLIDE && strcmp(e->name, "text") == 0);
}

/* A comment begins with its author. Answers to it stand before its text. */
static void
comment_start(void *arg, const struct xml_element *e)
{
	struct deck *d = arg;
	const char *name;
	char *id;

	if (strcmp(e->name, "cm") == 0 || strcmp(e->name, "reply") == 0) {
		d->answer = e->name[0] == 'r';
		id = bytes_string(xml_attr(e, NS_NONE, "authorId"));
		name = xmlHashLookup(d->authors, (const xmlChar *)id);
		if (name != NULL && *name != '\0') {
			buffer_string(comment_to(d), name);
			buffer_string(comment_to(d), ": ");
		}
		free(id);
	} else if (e->ns == NS_DRAWING && strcmp(e->name, "br") == 0) {
		buffer_string(comment_to(d), "\n");
	}
	d->run += is_comment_text(e, "t");
}

static void
comment_end(void *arg, const struct xml_element *e)
{
	struct deck *d = arg;

	d->run -= is_comment_text(e, "t");
	if (is_comment_text(e, "p")) {
		buffer_string(comment_to(d), "\n");
	} else if (strcmp(e->name, "reply") == 0) {
		buffer_put(&d->answers, "", 1);
		d->answer = false;
	} else if (strcmp(e->name, "cm") == 0) {
		out_paragraph(d->out, d->line.p, d->line.len);
		out_list(d->out, d->answers.p, d->answers.len);
		d->line.len = d->answers.len = 0;
	}
}

static void
comment_text(void *arg, const char *s, size_t n)
{
	struct deck *d = arg;

	if (d->run > 0)
		buffer_put(comment_to(d), s, n);
}

/* Comments of either kind: p:cm with p:text, and those with answers, whose text is DrawingML. */
static void
read_comments(struct deck *d, const struct relations *of_slide)
{
	static const struct xml_events events = { comment_start, comment_end, comment_text };
	const struct relation *r = of_slide->p;
	size_t i;

	out_section(d->out, "slide %u comments", d->number);
	for (i = 0; i < of_slide->n; i++, r++)
		if (strcmp(r->type, "comments") == 0 && package_has(&d->package, r->target) &&
		    !package_xml_whole(&d->package, r->target, &events, d))
			out_notice(d->out,
			    "The comments on slide %u are damaged; some of them are missing.",
			    d->number);
	d->run = 0;
	d->answer = false;
	d->line.len = d->answers.len = 0;
}

/* Appends the shapes that were read. */
static void
put_shapes(struct deck *d)
{
	const struct shape *s;

	for (s = slide_shapes(&d->slide); s != NULL; s = s->next) {
		out_rows(d->out, d->slide.text.p + s->from, s->to - s->from);
		if (s->part == NULL)
			continue;
		d->line.len = 0;
		if (!figure_read(&d->package, s->part, &d->line))
			out_notice(d->out, "A chart or diagram on slide %u is damaged.", d->number);
		out_rows(d->out, d->line.p, d->line.len);
		d->line.len = 0;
	}
}

static void
read_slide(struct deck *d, const char *part)
{
	struct relations of_slide = package_relations(&d->package, part);
	const struct relation *notes = relation_by_type(&of_slide, "notesSlide");
	struct shapes s = { .package = &d->package, .relations = &of_slide, .slide = &d->slide };
	size_t before = d->out->len;

	s.layout = layout_of(&d->layouts, &d->package, &of_slide);
	if (!shapes_read(&s, part))
		out_notice(d->out, "Slide %u is damaged; its text ends early.", d->number);
	if (s.hidden)
		out_notice(d->out, "Slide %u is hidden.", d->number);
	out_section(d->out, "slide %u", d->number);
	put_shapes(d);
	if (d->out->len == before && s.pictures > 0)
		out_notice(d->out, "Slide %u is a picture without text.", d->number);
	if (notes != NULL && package_has(&d->package, notes->target)) {
		s.notes = true;
		out_section(d->out, "slide %u notes", d->number);
		if (!shapes_read(&s, notes->target))
			out_notice(d->out, "The notes of slide %u are damaged; they end early.",
			    d->number);
		put_shapes(d);
	}
	read_comments(d, &of_slide);
}

/* p:sldId: the next slide. */
static void
on_slide(void *arg, const struct xml_element *e)
{
	struct deck *d = arg;
	const struct relation *slide;

	if (e->ns != NS_SLIDE || strcmp(e->name, "sldId") != 0)
		return;
	slide = relation_by_id(&d->relations, xml_attr(e, NS_RELATION, "id"));
	d->number++;
	if (slide != NULL && !slide->external && package_has(&d->package, slide->target))
		read_slide(d, slide->target);
	else
		out_notice(d->out, "Slide %u is missing in the file.", d->number);
}

void
pptx_read(struct bytes file, struct out *o)
{
	static const struct xml_events events = { .start = on_slide };
	struct deck d = { .out = o };
	const char *part;

	package_open(&d.package, file, kind_name(KIND_PPTX));
	if ((part = package_main(&d.package)) == NULL)
		fail("The file is a zip archive without a presentation, so not a PPTX.");
	d.relations = package_relations(&d.package, part);
	read_authors(&d);
	package_xml(&d.package, part, &events, &d);
	out_pages(o, d.number);
}
