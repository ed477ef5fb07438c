/* The shapes of a slide: their text, tables and alternative texts, and where they stand. */
#include "extract/slides/pptx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extract/number.h"
#include "extract/picture.h"

#define GROUPS_MAX 256 /* more than elements may be nested */
#define SCHEME_MAX 40
#define LEVELS 9 /* of lists, ECMA-376 part 1, 21.1.2.2.7 */

struct group {
	struct place place;
	bool hidden;
};

struct reading {
	struct shapes *to;
	struct buffer *text;
	int skip; /* elements deep in one that is left out */
	struct group groups[GROUPS_MAX];
	int n_groups;
	int n_hidden; /* of them */
	/* the shape */
	int depth; /* of elements that are shapes; one in another belongs to it */
	struct holder holder;
	bool is_holder;
	bool hidden;
	size_t from; /* where its text begins */
	char *alt; /* alternative text; NULL: none */
	const char *part; /* a chart's or diagram's */
	/* its text */
	int run; /* inside a:t */
	bool cell;
	size_t row; /* where the table's row begins */
	size_t line; /* where the paragraph begins */
	size_t label; /* where it begins behind its number */
	int level; /* of the paragraph */
	bool numbered;
	unsigned long count[LEVELS]; /* the last numbers */
	char scheme[LEVELS][SCHEME_MAX]; /* and what they are counted by */
};

static bool
is(const struct xml_element *e, enum ns ns, const char *name)
{
	return e->ns == ns && strcmp(e->name, name) == 0;
}

static bool
is_shape(const struct xml_element *e)
{
	return e->ns == NS_SLIDE &&
	       (strcmp(e->name, "sp") == 0 || strcmp(e->name, "pic") == 0 ||
		   strcmp(e->name, "graphicFrame") == 0 || strcmp(e->name, "cxnSp") == 0 ||
		   strcmp(e->name, "contentPart") == 0);
}

static bool
is_true(const struct xml_element *e, const char *attribute)
{
	return xml_attr_is(e, NS_NONE, attribute, "1") ||
	       xml_attr_is(e, NS_NONE, attribute, "true");
}

static void
shape_start(struct reading *r, const struct xml_element *e)
{
	if (strcmp(e->name, "pic") == 0)
		r->to->pictures++;
	if (r->depth++ > 0)
		return;
	memset(&r->holder, 0, sizeof(r->holder));
	r->is_holder = r->hidden = false;
	r->from = r->text->len;
	r->alt = NULL;
	r->part = NULL;
	memset(r->count, 0, sizeof(r->count));
}

/* Header, footer, date and number of the slide are not its text; of notes only the body is. */
static bool
is_left_out(const struct reading *r)
{
	const char *type = r->holder.type;

	if (r->to->notes)
		return !r->is_holder || strcmp(type, "body") != 0;
	return r->is_holder && (strcmp(type, "dt") == 0 || strcmp(type, "ftr") == 0 ||
				   strcmp(type, "hdr") == 0 || strcmp(type, "sldNum") == 0);
}

static void
shape_end(struct reading *r)
{
	const char *type = r->holder.type;
	bool title;

	if (r->depth == 0 || --r->depth > 0)
		return;
	if (r->hidden || r->n_hidden > 0 || is_left_out(r)) {
		r->text->len = r->from;
		return;
	}
	if (r->alt != NULL && r->text->len == r->from && !picture_is_file(r->alt, strlen(r->alt)))
		buffer_string(r->text, r->alt);
	title = r->is_holder && (strcmp(type, "title") == 0 || strcmp(type, "ctrTitle") == 0);
	if (r->is_holder && !r->holder.place.known)
		r->holder.place = layout_place(r->to->layout, type, r->holder.index);
	slide_shape(r->to->slide, r->holder.place, title, r->from, r->part);
}

static void
group_start(struct reading *r)
{
	slide_group(r->to->slide);
	r->groups[r->n_groups++] = (struct group){ 0 };
}

static void
group_end(struct reading *r)
{
	struct group *g = &r->groups[--r->n_groups];

	r->n_hidden -= g->hidden;
	slide_group_end(r->to->slide, g->place);
}

/* p:cNvPr: of the shape, or of the group that has just begun. */
static void
properties(struct reading *r, const struct xml_element *e)
{
	struct bytes alt = xml_attr(e, NS_NONE, "descr");
	bool hidden = is_true(e, "hidden");

	if (r->depth > 0) {
		r->hidden |= hidden;
		if (r->alt == NULL && alt.n > 0)
			r->alt = bytes_string(alt);
	} else if (r->n_groups > 0 && hidden && !r->groups[r->n_groups - 1].hidden) {
		r->groups[r->n_groups - 1].hidden = true;
		r->n_hidden++;
	}
}

/* a:off: where the shape is, or the group that has just begun. */
static void
place(struct reading *r, const struct xml_element *e)
{
	struct place *to = NULL;

	if (r->depth > 0)
		to = &r->holder.place;
	else if (r->n_groups > 0)
		to = &r->groups[r->n_groups - 1].place;
	if (to != NULL && !to->known)
		*to = (struct place){ true, slide_length(xml_attr(e, NS_NONE, "x")),
			slide_length(xml_attr(e, NS_NONE, "y")) };
}

/* The next number of a list; another scheme, or another number to begin with, is another list. */
static unsigned long
count(struct reading *r, const char *scheme, const char *start)
{
	unsigned long *n = &r->count[r->level];
	char whole[SCHEME_MAX];

	(void)snprintf(whole, sizeof(whole), "%s %s", scheme, start);
	if (strcmp(whole, r->scheme[r->level]) != 0)
		*n = 0;
	memcpy(r->scheme[r->level], whole, sizeof(whole));
	*n = *n == 0 && *start != '\0' ? strtoul(start, NULL, 10) : *n + 1;
	return *n;
}

/* The number of a list's paragraph: "a)" in the scheme "alphaLcParenR". */
static void
put_number(struct reading *r, const struct xml_element *e)
{
	static const struct {
		const char *begins;
		enum number_format format;
	} formats[] = {
		{ "alphaLc", NUMBER_LOWER_LETTER },
		{ "alphaUc", NUMBER_UPPER_LETTER },
		{ "romanLc", NUMBER_LOWER_ROMAN },
		{ "romanUc", NUMBER_UPPER_ROMAN },
		{ "", NUMBER_DECIMAL },
	};
	char *scheme = bytes_string(xml_attr(e, NS_NONE, "type"));
	char *start = bytes_string(xml_attr(e, NS_NONE, "startAt")), number[NUMBER_MAX];
	size_t i;

	for (i = 0; strncmp(scheme, formats[i].begins, strlen(formats[i].begins)) != 0; i++)
		;
	if (strstr(scheme, "ParenBoth") != NULL)
		buffer_string(r->text, "(");
	buffer_put(r->text, number,
	    number_put(formats[i].format, (uint32_t)count(r, scheme, start), 0, number));
	if (strstr(scheme, "Paren") != NULL)
		buffer_string(r->text, ")");
	else if (strstr(scheme, "Period") != NULL)
		buffer_string(r->text, ".");
	buffer_string(r->text, " ");
	r->label = r->text->len;
	r->numbered = true;
	free(scheme);
	free(start);
}

static void
paragraph_start(struct reading *r)
{
	r->line = r->label = r->text->len;
	r->level = 0;
	r->numbered = false;
}

/* A line, or a part of a cell. A list's numbers go on behind what is nested deeper. */
static void
paragraph_end(struct reading *r)
{
	int i;

	if (r->text->len == r->label) {
		r->text->len = r->line;
		r->count[r->level] -= r->numbered;
		return;
	}
	buffer_string(r->text, r->cell ? " " : "\n");
	for (i = r->level + r->numbered; i < LEVELS; i++)
		r->count[i] = 0;
}

static void
cell_start(struct reading *r, const struct xml_element *e)
{
	/* It is covered by one that is merged over it. */
	if (is_true(e, "hMerge") || is_true(e, "vMerge")) {
		buffer_string(r->text, "\t");
		r->skip = 1;
		return;
	}
	r->cell = true;
}

static void
cell_end(struct reading *r)
{
	r->cell = false;
	while (r->text->len > r->row && r->text->p[r->text->len - 1] == ' ')
		r->text->len--;
	buffer_string(r->text, "\t");
}

static void
row_end(struct reading *r)
{
	buffer_trim(r->text, r->row);
	if (r->text->len > r->row)
		buffer_string(r->text, "\n");
	r->row = r->text->len;
}

static void
drawing_start(struct reading *r, const struct xml_element *e)
{
	const char *s = e->name;
	struct bytes level;

	if (strcmp(s, "t") == 0) {
		r->run++;
	} else if (strcmp(s, "br") == 0) {
		buffer_string(r->text, r->cell ? " " : "\n");
	} else if (strcmp(s, "p") == 0) {
		paragraph_start(r);
	} else if (strcmp(s, "pPr") == 0) {
		level = xml_attr(e, NS_NONE, "lvl");
		r->level = level.n == 1 && level.p[0] > '0' && level.p[0] < '0' + LEVELS
			       ? level.p[0] - '0'
			       : 0;
	} else if (strcmp(s, "buAutoNum") == 0 && r->text->len == r->line) {
		put_number(r, e);
	} else if (strcmp(s, "fld") == 0) {
		level = xml_attr(e, NS_NONE, "type");
		r->skip = (level.n >= 8 && memcmp(level.p, "slidenum", 8) == 0) ||
			  (level.n >= 8 && memcmp(level.p, "datetime", 8) == 0);
	} else if (strcmp(s, "tr") == 0) {
		r->row = r->text->len;
	} else if (strcmp(s, "tc") == 0) {
		cell_start(r, e);
	} else if (strcmp(s, "off") == 0) {
		place(r, e);
	}
}

static void
shapes_on_start(void *arg, const struct xml_element *e)
{
	struct reading *r = arg;
	const struct relation *part = NULL;

	if (r->skip > 0) {
		r->skip++;
	} else if (is_shape(e)) {
		shape_start(r, e);
	} else if (is(e, NS_SLIDE, "sld")) {
		r->to->hidden = xml_attr_is(e, NS_NONE, "show", "0") ||
				xml_attr_is(e, NS_NONE, "show", "false");
	} else if (is(e, NS_SLIDE, "grpSp")) {
		group_start(r);
	} else if (is(e, NS_SLIDE, "cNvPr")) {
		properties(r, e);
	} else if (r->depth == 0) {
		if (is(e, NS_DRAWING, "off"))
			place(r, e);
	} else if (is(e, NS_SLIDE, "ph")) {
		holder_read(&r->holder, e);
		r->is_holder = true;
	} else if (e->ns == NS_DRAWING) {
		drawing_start(r, e);
	} else if (is(e, NS_MATH, "t")) {
		r->run++;
	} else if (is(e, NS_CHART, "chart") || is(e, NS_CHART_MORE, "chart")) {
		part = relation_by_id(r->to->relations, xml_attr(e, NS_RELATION, "id"));
	} else if (is(e, NS_DIAGRAM, "relIds")) {
		part = relation_by_id(r->to->relations, xml_attr(e, NS_RELATION, "dm"));
	}
	if (part != NULL && !part->external && package_has(r->to->package, part->target))
		r->part = part->target;
}

static void
shapes_on_end(void *arg, const struct xml_element *e)
{
	struct reading *r = arg;

	if (r->skip > 0) {
		r->skip--;
	} else if (is_shape(e)) {
		shape_end(r);
	} else if (is(e, NS_SLIDE, "grpSp")) {
		group_end(r);
	} else if (is(e, NS_DRAWING, "t") || is(e, NS_MATH, "t")) {
		r->run -= r->run > 0;
	} else if (r->depth > 0 && e->ns == NS_DRAWING) {
		if (strcmp(e->name, "p") == 0)
			paragraph_end(r);
		else if (strcmp(e->name, "tc") == 0)
			cell_end(r);
		else if (strcmp(e->name, "tr") == 0)
			row_end(r);
	}
}

static void
shapes_on_text(void *arg, const char *s, size_t n)
{
	struct reading *r = arg;

	if (r->run > 0 && r->skip == 0)
		buffer_put(r->text, s, n);
}

bool
shapes_read(struct shapes *s, const char *part)
{
	static const struct xml_events events = { shapes_on_start, shapes_on_end, shapes_on_text };
	struct reading r = { .to = s, .text = &s->slide->text };

	s->hidden = false;
	s->pictures = 0;
	slide_begin(s->slide);
	if (package_xml_whole(s->package, part, &events, &r))
		return true;
	if (r.depth > 0) {
		r.depth = 1;
		shape_end(&r);
	}
	return false;
}
