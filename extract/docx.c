/*
 * DOCX (ECMA-376, Office Open XML): the text of the body, the footnotes and the endnotes.
 */
#include <string.h>

#include "out.h"
#include "package.h"

struct docx {
	struct out *out;
	char *p; /* the paragraph that is being read: cap bytes, len used */
	size_t len;
	size_t cap;
	int text; /* inside w:t */
	int table; /* inside w:tbl */
};

static void
put(struct docx *d, const char *s, size_t n)
{
	if (d->len + n > d->cap) {
		d->cap = (d->len + n) * 2 + 1024;
		d->p = grow(d->p, d->cap);
	}
	memcpy(d->p + d->len, s, n);
	d->len += n;
}

static void
flush(struct docx *d)
{
	if (d->len > 0)
		out_paragraph(d->out, d->p, d->len);
	d->len = 0;
}

static void
docx_start(void *arg, const struct xml_element *e)
{
	struct docx *d = arg;

	if (e->ns != NS_WORD && e->ns != NS_MATH)
		return;
	if (strcmp(e->name, "t") == 0)
		d->text++;
	else if (strcmp(e->name, "tab") == 0)
		put(d, "\t", 1);
	else if (strcmp(e->name, "br") == 0 || strcmp(e->name, "cr") == 0)
		put(d, "\n", 1);
	else if (strcmp(e->name, "noBreakHyphen") == 0)
		put(d, "-", 1);
	else if (strcmp(e->name, "tbl") == 0)
		d->table++;
}

/* A row of a table is a paragraph: tabs separate cells, spaces the paragraphs in a cell. */
static void
docx_end(void *arg, const struct xml_element *e)
{
	struct docx *d = arg;

	if (e->ns != NS_WORD && e->ns != NS_MATH)
		return;
	if (strcmp(e->name, "t") == 0 && d->text > 0) {
		d->text--;
	} else if (strcmp(e->name, "p") == 0) {
		if (d->table > 0)
			put(d, " ", 1);
		else
			flush(d);
	} else if (strcmp(e->name, "tc") == 0) {
		while (d->len > 0 && d->p[d->len - 1] == ' ')
			d->len--;
		put(d, "\t", 1);
	} else if (strcmp(e->name, "tr") == 0) {
		flush(d);
	} else if (strcmp(e->name, "tbl") == 0 && d->table > 0) {
		d->table--;
	}
}

static void
docx_text(void *arg, const char *s, size_t n)
{
	struct docx *d = arg;

	if (d->text > 0)
		put(d, s, n);
}

static void
read_part(struct docx *d, struct package *p, const char *part)
{
	static const struct xml_events events = { docx_start, docx_end, docx_text };

	d->text = d->table = 0;
	package_xml(p, part, &events, d);
	flush(d);
}

void
docx_read(struct bytes file, struct out *o)
{
	static const char *const notes[] = { "footnotes", "endnotes" };
	struct docx d = { .out = o };
	const struct relation *part;
	struct relations related;
	struct package p;
	const char *body;
	size_t i;

	package_open(&p, file, kind_name(KIND_DOCX));
	body = package_main(&p);
	related = package_relations(&p, body);
	read_part(&d, &p, body);
	for (i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if ((part = relation_by_type(&related, notes[i])) != NULL)
			read_part(&d, &p, part->target);
}
