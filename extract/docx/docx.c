/*
 * DOCX (ECMA-376, Office Open XML): which parts are read, and in what order.
 */
#include "extract/docx/docx.h"

#include <stdio.h>
#include <string.h>

#include "extract/docx/docx_story.h"

#define STORY_ROOM 4096 /* bytes at the beginning */
#define UNRELATED_MAX 20 /* headers that are looked for by name */

/* The part of a type, or else the one of the usual name. NULL: there is none. */
static const char *
part_of(struct docx *d, const char *type, const char *usual)
{
	const struct relation *r = relation_by_type(&d->related, type);

	if (r != NULL && !r->external)
		return r->target;
	return package_has(&d->package, usual) ? usual : NULL;
}

static void
on_setting(void *arg, const struct xml_element *e)
{
	struct docx *d = arg;

	if (e->ns == NS_WORD && strcmp(e->name, "evenAndOddHeaders") == 0)
		d->even = docx_switch(e) == DOCX_ON;
}

/* What the text is read by: settings, styles, lists. */
static void
read_tables(struct docx *d)
{
	static const struct xml_events settings = { .start = on_setting };
	const char *part;

	if ((part = part_of(d, "settings", "word/settings.xml")) != NULL)
		(void)package_xml_whole(&d->package, part, &settings, d);
	if ((part = part_of(d, "styles", "word/styles.xml")) != NULL &&
	    !docx_styles_read(&d->styles, &d->package, part))
		out_notice(d->out, "The document's styles are damaged; numbers of paragraphs may "
				   "be missing, and hidden text may be here.");
	d->numbering.styles = &d->styles;
	if ((part = part_of(d, "numbering", "word/numbering.xml")) != NULL &&
	    !docx_numbering_read(&d->numbering, &d->package, part))
		out_notice(d->out,
		    "The document's lists are damaged; numbers of paragraphs may be missing.");
}

static void
read_notes(struct docx *d, struct story *s, const char *type, const char *usual)
{
	const char *part = part_of(d, type, usual);

	if (part != NULL && !story_read(s, part))
		out_notice(
		    d->out, "The document's %s are damaged; some of them are missing.", type);
}

/* Each text once: the parts of several sections are often alike. */
static void
emit_different(struct docx *d, struct story *s, struct buffer *seen, const char *mark)
{
	const struct buffer *t = &s->held;
	size_t at, n;

	for (at = 0; at < seen->len; at += sizeof(n) + n) {
		memcpy(&n, seen->p + at, sizeof(n));
		if (n == t->len && memcmp(seen->p + at + sizeof(n), t->p, n) == 0)
			return;
	}
	buffer_put(seen, (const char *)&t->len, sizeof(t->len));
	buffer_put(seen, t->p, t->len);
	out_section(d->out, "%s", mark);
	for (at = 0; at < t->len; at += n + 1) {
		n = strlen(t->p + at);
		out_paragraph(d->out, t->p + at, n);
	}
}

static void
read_held(struct docx *d, struct story *s, struct buffer *seen, const char *part, const char *mark)
{
	s->hold = true;
	if (!story_read(s, part))
		out_notice(d->out, "A %s of the document is damaged.", mark);
	s->hold = false;
	if (s->held.len > 0)
		emit_different(d, s, seen, mark);
	s->held.len = 0;
}

/* The headers, or the footers, that pages have. */
static void
read_margins(struct docx *d, struct story *s, int kind, const char *mark)
{
	struct buffer seen = { 0 };
	char usual[32];
	size_t i;

	for (i = 0; i < d->n_shown[kind]; i++)
		read_held(d, s, &seen, d->shown[kind][i]->target, mark);
	for (i = 1; d->related.n == 0 && i <= UNRELATED_MAX; i++) {
		(void)snprintf(usual, sizeof(usual), "word/%s%zu.xml", mark, i);
		if (package_has(&d->package, usual))
			read_held(d, s, &seen, usual, mark);
	}
}

void
docx_read(struct bytes file, struct out *o)
{
	struct docx d = { .out = o };
	struct story story = { .docx = &d, .p = grow(NULL, STORY_ROOM), .room = STORY_ROOM };
	const char *body, *part;
	int kind;

	package_open(&d.package, file, kind_name(KIND_DOCX));
	body = package_main(&d.package);
	d.related = package_relations(&d.package, body);
	for (kind = 0; kind < 2; kind++) {
		d.shown[kind] = grow(NULL, (d.related.n + 1) * sizeof(*d.shown[kind]));
		d.is_shown[kind] = grow(NULL, d.related.n + 1);
		memset(d.is_shown[kind], 0, d.related.n + 1);
	}
	read_tables(&d);
	if (!story_read(&story, body))
		out_notice(o, "The document is damaged; its text ends early.");
	read_notes(&d, &story, "footnotes", "word/footnotes.xml");
	read_notes(&d, &story, "endnotes", "word/endnotes.xml");
	read_margins(&d, &story, 0, "header");
	read_margins(&d, &story, 1, "footer");
	part = part_of(&d, "comments", "word/comments.xml");
	if (part != NULL && !story_read(&story, part))
		out_notice(o, "The document's comments are damaged; some of them are missing.");
	if (o->block == 0 && story.pictures)
		out_notice(o, "The document is pictures without text.");
}
