/* The text of OpenDocument, as a stream of events. */
#include <libxml/hash.h>
#include <stdlib.h>
#include <string.h>

#include "extract/odf/odf.h"
#include "extract/picture.h"

#define SPACES_MAX 100 /* that one text:s stands for */
#define CELLS_MAX 100 /* that one empty cell is repeated for */

void
odf_open(struct package *p, struct bytes file, const char *name)
{
	package_open(p, file, name);
	if (!package_has(p, "content.xml"))
		fail("The %s file is damaged: its content is missing.", name);
}

void
odf_begin(struct odf *o, struct package *p, odf_paragraph *paragraph, void *arg)
{
	memset(o, 0, sizeof(*o));
	o->package = p;
	o->paragraph = paragraph;
	o->arg = arg;
}

/* Appends a piece to a list; one that goes on where the last one ends is a part of it. */
static void
add_piece(struct odf *o, struct odf_pieces *to, size_t at, size_t n)
{
	struct odf_piece *last = to->first != ODF_NONE ? &o->pieces[to->last] : NULL;

	if (last != NULL && at != ODF_NONE && last->at != ODF_NONE && last->at + last->n == at) {
		last->n += n;
		return;
	}
	if (o->n_pieces == o->room) {
		o->room = o->room * 2 + 64;
		o->pieces = grow(o->pieces, o->room * sizeof(*o->pieces));
	}
	o->pieces[o->n_pieces] = (struct odf_piece){ at, n, ODF_NONE };
	if (to->first == ODF_NONE)
		to->first = o->n_pieces;
	else
		o->pieces[to->last].next = o->n_pieces;
	to->last = o->n_pieces++;
}

/* Moves all of a list behind another one. */
static void
join(struct odf *o, struct odf_pieces *to, const struct odf_pieces *more)
{
	if (more->first == ODF_NONE)
		return;
	if (to->first == ODF_NONE)
		to->first = more->first;
	else
		o->pieces[to->last].next = more->first;
	to->last = more->last;
}

static struct odf_flow *
top(struct odf *o)
{
	return o->n_flows > 0 ? &o->flows[o->n_flows - 1] : NULL;
}

static void
put(struct odf *o, struct odf_flow *f, const char *s, size_t n)
{
	if (f->number.n > 0)
		add_piece(o, &f->text, f->number.at, f->number.n);
	f->number.n = 0;
	add_piece(o, &f->text, o->arena.len, n);
	buffer_put(&o->arena, s, n);
}

static struct odf_flow *
flow_open(struct odf *o, enum odf_flow_kind kind)
{
	struct odf_flow *f = &o->flows[o->n_flows++];

	*f = (struct odf_flow){ .kind = kind, .blank = true };
	f->text = f->after = (struct odf_pieces){ ODF_NONE, ODF_NONE };
	o->n_rows += kind == ODF_ROW;
	return f;
}

/* Gives a list of paragraphs to the reader; `row`: what has no end after it is a row. */
static void
emit(struct odf *o, const struct odf_pieces *list, bool row)
{
	size_t i;

	o->line.len = 0;
	for (i = list->first; i != ODF_NONE; i = o->pieces[i].next) {
		if (o->pieces[i].at != ODF_NONE) {
			buffer_put(&o->line, o->arena.p + o->pieces[i].at, o->pieces[i].n);
			continue;
		}
		buffer_trim(&o->line, 0);
		o->paragraph(o->arg, o->line.p, o->line.len, o->pieces[i].n > 0);
		o->line.len = 0;
	}
	buffer_trim(&o->line, 0);
	if (o->line.len > 0)
		o->paragraph(o->arg, o->line.p, o->line.len, row);
}

/* A comment: its author, and its paragraphs, which are lines of it. */
static void
emit_comment(struct odf *o, const struct odf_pieces *text)
{
	size_t i;

	for (i = text->first; i != ODF_NONE; i = o->pieces[i].next)
		buffer_put(&o->comments, o->arena.p + o->pieces[i].at, o->pieces[i].n);
	if (text->first != ODF_NONE)
		buffer_put(&o->comments, "", 1);
}

static bool
is_file(const struct odf *o, const struct odf_pieces *text)
{
	const struct odf_piece *p;

	if (text->first == ODF_NONE)
		return false;
	p = &o->pieces[text->last];
	return picture_is_file(o->arena.p + p->at, p->n);
}

static void
flow_close(struct odf *o)
{
	struct odf_flow *f = &o->flows[--o->n_flows], *outer = top(o);

	o->n_rows -= f->kind == ODF_ROW;
	if (f->kind == ODF_PARAGRAPH && f->blank && f->text.first != ODF_NONE &&
	    o->pieces[f->text.last].n > 0)
		o->pieces[f->text.last].n--;
	if (f->hidden || (f->description && is_file(o, &f->text)))
		f->text = f->after = (struct odf_pieces){ ODF_NONE, ODF_NONE };
	if (f->kind == ODF_COMMENT) {
		emit_comment(o, &f->text);
	} else if (outer == NULL) {
		emit(o, &f->text, f->kind == ODF_ROW);
		emit(o, &f->after, false);
	} else if (outer->kind == ODF_PARAGRAPH) {
		join(o, &outer->after, &f->text);
		if (f->text.first != ODF_NONE)
			add_piece(o, &outer->after, ODF_NONE, f->kind == ODF_ROW);
		join(o, &outer->after, &f->after);
	} else {
		if (f->text.first != ODF_NONE && outer->filled)
			put(o, outer, outer->kind == ODF_ROW ? " " : "\n", 1);
		outer->filled |= f->text.first != ODF_NONE;
		join(o, &outer->text, &f->text);
		join(o, &outer->after, &f->after);
	}
	if (o->n_flows == 0) {
		o->arena.len = 0;
		o->n_pieces = 0;
	}
}

/* White space is one space, and none at a paragraph's beginning and end (ODF 1.3, 6.1.2). */
void
odf_text(void *odf, const char *s, size_t n)
{
	struct odf *o = odf;
	struct odf_flow *f = top(o);
	size_t i, from;

	if (o->skip > 0 || f == NULL || f->kind != ODF_PARAGRAPH || !o->in_line[o->depth])
		return;
	for (i = 0; i < n; i++) {
		for (from = i; i < n && strchr(" \t\r\n", s[i]) == NULL; i++)
			;
		if (i > from) {
			put(o, f, s + from, i - from);
			f->blank = false;
		}
		if (i < n && !f->blank) {
			put(o, f, " ", 1);
			f->blank = true;
		}
	}
}

static bool
is(const struct xml_element *e, enum ns ns, const char *name)
{
	return e->ns == ns && strcmp(e->name, name) == 0;
}

static bool
is_one_of(const char *s, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(s, *names) == 0)
			return true;
	return false;
}

/* How often something is repeated: at least once and at most `max` times. */
static unsigned long
count(struct bytes b, unsigned long max)
{
	unsigned long n = odf_number(b, 1);

	return n < 1 ? 1 : n > max ? max : n;
}

static bool
is_hidden(const struct odf *o, const struct xml_element *e)
{
	const char *s = e->name;

	if (strcmp(s, "span") == 0)
		return odf_styles_hidden(
		    &o->styles, "text", xml_attr(e, NS_ODF_TEXT, "style-name"));
	if (strcmp(s, "p") == 0 || strcmp(s, "h") == 0)
		return odf_styles_hidden(
		    &o->styles, "paragraph", xml_attr(e, NS_ODF_TEXT, "style-name"));
	if (strcmp(s, "section") == 0)
		return xml_attr_is(e, NS_ODF_TEXT, "display", "none") ||
		       xml_attr_is(e, NS_ODF_TEXT, "is-hidden", "true");
	return strcmp(s, "hidden-text") == 0 && !xml_attr_is(e, NS_ODF_TEXT, "is-hidden", "false");
}

/* Deleted text, readings, numbers that are made here, and whatever is no text. */
static bool
is_left_out(const struct odf *o, const struct xml_element *e)
{
	static const char *const text[] = { "tracked-changes", "ruby-text", "note-citation",
		"number", "script", NULL };
	static const char *const office[] = { "forms", "scripts", "binary-data", "event-listeners",
		NULL };
	static const char *const presentation[] = { "header", "footer", "date-time", NULL };

	switch ((int)e->ns) {
	case NS_ODF_TEXT:
		return is_one_of(e->name, text) || is_hidden(o, e) ||
		       (o->everywhere && strcmp(e->name, "page-number") == 0);
	case NS_ODF_OFFICE:
		return is_one_of(e->name, office) ||
		       (o->object && strcmp(e->name, "automatic-styles") == 0);
	case NS_ODF_PRESENTATION:
		return is_one_of(e->name, presentation);
	case NS_ODF_SVG:
		return o->object;
	default:
		return false;
	}
}

/*
 * Whether text right inside the element is its paragraph's, not layout between elements. One that
 * is not known is taken for its content (ODF 1.3 part 3, 3.17).
 */
static bool
is_in_line(const struct odf *o, const struct xml_element *e)
{
	static const char *const blocks[] = { "list", "list-item", "list-header", "note",
		"note-body", "section", NULL };
	static const char *const formula[] = { "mi", "mn", "mo", "mtext", "ms", NULL };

	if (e->ns == NS_ODF_TEXT)
		return !is_one_of(e->name, blocks);
	if (e->ns == NS_ODF_SVG || e->ns == NS_DUBLIN_CORE)
		return true;
	if (e->ns == NS_OTHER)
		return o->in_line[o->depth] || (o->object && is_one_of(e->name, formula));
	return false;
}

/* text:list: a new one, or one that goes on; nested ones of the same style are one list. */
static void
list_start(struct odf *o, const struct xml_element *e)
{
	struct bytes name = xml_attr(e, NS_ODF_TEXT, "style-name");
	struct odf_list *outer = o->n_lists > 0 ? o->lists[o->n_lists - 1].list : NULL, *l = NULL;
	struct odf_list_style *style = odf_list_style(&o->styles, name);
	char *from = bytes_string(xml_attr(e, NS_ODF_TEXT, "continue-list"));
	char *id = bytes_string(xml_attr(e, NS_XML, "id"));

	if (outer != NULL && (name.n == 0 || style == outer->style))
		l = outer;
	else if (*from != '\0')
		l = xmlHashLookup(o->lists_by_id, (const xmlChar *)from);
	else if (style != NULL && xml_attr_is(e, NS_ODF_TEXT, "continue-numbering", "true"))
		l = style->last;
	if (l == NULL) {
		l = grow(NULL, sizeof(*l));
		*l = (struct odf_list){ .style = style };
	}
	if (l->style != NULL)
		l->style->last = l;
	if (*id != '\0') {
		if (o->lists_by_id == NULL)
			o->lists_by_id = xmlHashCreate(16);
		(void)xmlHashUpdateEntry(o->lists_by_id, (const xmlChar *)id, l, NULL);
	}
	free(from);
	free(id);
	o->lists[o->n_lists++] = (struct odf_open_list){ .list = l };
}

static void
item_start(struct odf *o, const struct xml_element *e)
{
	struct bytes start = xml_attr(e, NS_ODF_TEXT, "start-value");
	struct odf_open_list *l;

	if (o->n_lists == 0)
		return;
	l = &o->lists[o->n_lists - 1];
	l->number = strcmp(e->name, "list-item") == 0;
	l->starts = start.n > 0;
	l->start = odf_number(start, 1);
}

/* The number before a paragraph: the list's, or of a heading outside of lists the outline's. */
static void
put_number(struct odf *o, struct odf_flow *f, const struct xml_element *e)
{
	struct odf_open_list *l = o->n_lists > 0 ? &o->lists[o->n_lists - 1] : NULL;
	size_t before = o->arena.len;
	unsigned long n;

	if (l != NULL && l->number) {
		l->number = false;
		n = (unsigned long)(o->n_lists > ODF_LEVELS ? ODF_LEVELS : o->n_lists);
		odf_list_number(l->list, (unsigned)n - 1, l->starts ? &l->start : NULL, &o->arena);
	} else if (l == NULL && strcmp(e->name, "h") == 0 &&
		   !xml_attr_is(e, NS_ODF_TEXT, "is-list-header", "true")) {
		n = odf_number(xml_attr(e, NS_ODF_TEXT, "start-value"), 1);
		odf_list_number(&o->styles.outline,
		    (unsigned)count(xml_attr(e, NS_ODF_TEXT, "outline-level"), ODF_LEVELS) - 1,
		    xml_attr_is(e, NS_ODF_TEXT, "restart-numbering", "true") ? &n : NULL,
		    &o->arena);
	}
	f->number = (struct odf_piece){ before, o->arena.len - before, ODF_NONE };
}

/* Characters that have elements. In a row of a table no line ends. */
static void
put_character(struct odf *o, const struct xml_element *e)
{
	struct odf_flow *f = top(o);
	unsigned long n = 1;
	const char *s = " ";

	if (f == NULL || f->kind != ODF_PARAGRAPH)
		return;
	if (strcmp(e->name, "s") == 0)
		n = count(xml_attr(e, NS_ODF_TEXT, "c"), SPACES_MAX);
	else if (o->n_rows == 0)
		s = strcmp(e->name, "tab") == 0 ? "\t" : "\n";
	for (; n > 0; n--)
		put(o, f, s, 1);
	f->blank = false;
}

static bool
is_author(const struct odf *o, const struct xml_element *e)
{
	return is(e, NS_DUBLIN_CORE, "creator") && o->n_flows > 0;
}

/* "Rui: " */
static void
author_end(struct odf *o)
{
	struct odf_flow *comment;

	flow_close(o);
	comment = top(o);
	if (comment != NULL && comment->filled)
		put(o, comment, ": ", 2);
	if (comment != NULL)
		comment->filled = false;
}

static void
text_start(struct odf *o, const struct xml_element *e)
{
	const char *s = e->name;

	if (strcmp(s, "p") == 0 || strcmp(s, "h") == 0)
		put_number(o, flow_open(o, ODF_PARAGRAPH), e);
	else if (strcmp(s, "s") == 0 || strcmp(s, "tab") == 0 || strcmp(s, "line-break") == 0)
		put_character(o, e);
	else if (strcmp(s, "list") == 0)
		list_start(o, e);
	else if (strcmp(s, "list-item") == 0 || strcmp(s, "list-header") == 0)
		item_start(o, e);
	else if (strcmp(s, "hidden-paragraph") == 0 && top(o) != NULL)
		top(o)->hidden |= xml_attr_is(e, NS_ODF_TEXT, "is-hidden", "true");
	else if (!o->object)
		odf_styles_start(&o->styles, e);
}

/* The end of a row's cell; the cells of a table in a cell are not told apart. */
static void
cell_end(struct odf *o)
{
	struct odf_flow *f = top(o);

	if (f == NULL || f->kind != ODF_ROW || o->n_rows > 1)
		return;
	for (; f->cells > 0; f->cells--)
		put(o, f, "\t", 1);
	f->filled = false;
}

/* A cell that is covered by one merged over it is empty, whatever it holds. */
static bool
is_covered(const struct xml_element *e)
{
	return is(e, NS_ODF_TABLE, "covered-table-cell");
}

static void
table_start(struct odf *o, const struct xml_element *e)
{
	if (strcmp(e->name, "table-row") == 0)
		(void)flow_open(o, ODF_ROW);
	else if ((is_covered(e) || strcmp(e->name, "table-cell") == 0) && top(o) != NULL)
		top(o)->cells =
		    count(xml_attr(e, NS_ODF_TABLE, "number-columns-repeated"), CELLS_MAX);
}

/* Where a part has come to. */
struct mark {
	int flows, lists, depth;
};

static struct mark
mark(const struct odf *o)
{
	return (struct mark){ o->n_flows, o->n_lists, o->depth };
}

static void
close_to(struct odf *o, struct mark m)
{
	while (o->n_flows > m.flows)
		flow_close(o);
	o->n_lists = m.lists;
	o->depth = m.depth;
	o->skip = 0;
}

void
odf_close(struct odf *o)
{
	close_to(o, (struct mark){ 0 });
}

/* draw:object: a chart or a formula, a document of its own. */
static void
object_start(struct odf *o, const struct xml_element *e)
{
	static const char content[] = "/content.xml";
	static const struct xml_events events = { odf_start, odf_end, odf_text };
	struct bytes href = xml_attr(e, NS_XLINK, "href");
	struct odf_flow *outer = top(o);
	bool own = outer == NULL || outer->kind != ODF_PARAGRAPH;
	struct mark before;
	char *part;

	if (href.n > 2 && memcmp(href.p, "./", 2) == 0)
		href = (struct bytes){ href.p + 2, href.n - 2 };
	while (href.n > 0 && href.p[href.n - 1] == '/')
		href.n--;
	if (o->object || href.n == 0)
		return;
	part = grow(NULL, href.n + sizeof(content));
	memcpy(part, href.p, href.n);
	memcpy(part + href.n, content, sizeof(content));
	if (package_has(o->package, part)) {
		if (own)
			(void)flow_open(o, ODF_PARAGRAPH);
		before = mark(o);
		o->object = true;
		if (!package_xml_whole(o->package, part, &events, o)) {
			o->damaged = true;
			close_to(o, before);
		}
		o->object = false;
		if (own)
			flow_close(o);
	}
	free(part);
}

/* A description of what is drawn, which is read where that is not seen. */
static bool
is_description(const struct xml_element *e)
{
	return is(e, NS_ODF_SVG, "title") || is(e, NS_ODF_SVG, "desc");
}

void
odf_start(void *odf, const struct xml_element *e)
{
	struct odf *o = odf;
	bool in_line;

	if (o->skip == 0 && is_covered(e)) {
		table_start(o, e);
		cell_end(o);
		o->skip = 1;
		return;
	}
	if (o->skip > 0 || is_left_out(o, e)) {
		o->skip++;
		return;
	}
	in_line = is_in_line(o, e);
	o->in_line[++o->depth] = in_line;
	if (e->ns == NS_ODF_TEXT)
		text_start(o, e);
	else if (e->ns == NS_ODF_TABLE)
		table_start(o, e);
	else if (is(e, NS_ODF_OFFICE, "annotation"))
		(void)flow_open(o, ODF_COMMENT);
	else if (is_author(o, e))
		(void)flow_open(o, ODF_PARAGRAPH);
	else if (is_description(e))
		flow_open(o, ODF_PARAGRAPH)->description = true;
	else if (is(e, NS_ODF_DRAW, "image"))
		o->pictures++;
	else if (is(e, NS_ODF_DRAW, "object"))
		object_start(o, e);
	else if (!o->object)
		odf_styles_start(&o->styles, e);
}

void
odf_end(void *odf, const struct xml_element *e)
{
	struct odf *o = odf;

	if (o->skip > 0) {
		o->skip--;
		return;
	}
	o->depth--;
	if (is(e, NS_ODF_TEXT, "p") || is(e, NS_ODF_TEXT, "h") ||
	    is(e, NS_ODF_TABLE, "table-row") || is(e, NS_ODF_OFFICE, "annotation") ||
	    is_description(e))
		flow_close(o);
	else if (is_author(o, e))
		author_end(o);
	else if (is(e, NS_ODF_TEXT, "list"))
		o->n_lists--;
	else if (is(e, NS_ODF_TABLE, "table-cell"))
		cell_end(o);
}
