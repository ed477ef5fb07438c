/* Paragraphs, rows and text boxes of a DOCX's story, from pieces of text. */
#include "extract/docx/docx_story.h"

#include <string.h>

/* One text among others. */
static void
add_text(struct buffer *b, const char *p, size_t n)
{
	buffer_put(b, p, n);
	buffer_put(b, "", 1);
}

/* Numbers may make of a part more text than it expands to. */
void
story_put(struct story *s, const char *p, size_t n)
{
	if (s->len + n > EXTRACT_UNPACK_MAX)
		fail("The file holds more than %zu MiB of text, which is refused.",
		    EXTRACT_OUTPUT_MAX / MIB);
	if (s->len + n > s->room) {
		s->room = (s->len + n) * 2 + 1024;
		s->p = grow(s->p, s->room);
	}
	if (n > 0)
		memcpy(s->p + s->len, p, n);
	s->len += n;
}

void
story_put_char(struct story *s, uint32_t c)
{
	char b[4];

	story_put(s, b, utf8_put(c, b));
}

void
story_cut(struct story *s, size_t at)
{
	struct paragraph *g = &s->place.paragraph;

	if (s->len > at)
		s->len = at;
	if (g->start > s->len)
		g->start = s->len;
	if (g->label > s->len - g->start)
		g->label = s->len - g->start;
}

/* A toggle property: two styles that both set it cancel each other out (17.7.3). */
bool
story_visible(const struct story *s)
{
	const struct docx_style *of = s->place.paragraph.style, *own = s->place.run.style;

	if (s->fields.code != 0 || s->place.run.hidden == DOCX_ON)
		return false;
	return s->place.run.hidden == DOCX_OFF ||
	       (of != NULL && of->hidden == DOCX_ON) == (own != NULL && own->hidden == DOCX_ON);
}

/* To the output, or to where it is held; `row`: its empty cells at the beginning stay. */
static void
emit(struct story *s, const char *p, size_t n, bool row)
{
	if (s->n_boxes > 0)
		add_text(&s->boxed, p, n);
	else if (s->hold)
		add_text(&s->held, p, n);
	else if (row)
		out_rows(s->docx->out, p, n);
	else
		out_paragraph(s->docx->out, p, n);
}

/* The text boxes that were met in what has just been emitted. */
static void
emit_boxed(struct story *s)
{
	size_t at, n;

	if (s->n_boxes > 0)
		return;
	for (at = 0; at < s->boxed.len; at += n + 1) {
		n = strlen(s->boxed.p + at);
		emit(s, s->boxed.p + at, n, false);
	}
	s->boxed.len = 0;
}

/* Counts the paragraph in its list, and writes its number before its text. */
static void
number(struct story *s)
{
	struct paragraph *g = &s->place.paragraph;
	const struct docx_style *style = g->style;
	int32_t list = g->list, level = g->level;
	char text[DOCX_LABEL_MAX];
	bool styled = list < 0 && style != NULL;
	size_t n;

	if (styled)
		list = style->list;
	if (level < 0 && style != NULL && style->list == list)
		level = style->level;
	g->numbered = true;
	if (list <= 0)
		return;
	n = docx_label(
	    &s->docx->numbering, list, level, styled && g->level < 0 ? style->id : NULL, text);
	if (n == 0)
		return;
	story_put(s, text, n);
	memmove(s->p + g->start + n, s->p + g->start, s->len - n - g->start);
	memcpy(s->p + g->start, text, n);
	g->label = n;
}

/* Nothing but its number, and space. */
static bool
is_empty(const struct story *s)
{
	size_t at = s->place.paragraph.start + s->place.paragraph.label;

	return out_is_blank(s->p + at, s->len - at);
}

/* What hides or deletes the paragraph's mark is known with its other properties. */
void
story_paragraph_properties(struct story *s)
{
	struct paragraph *g = &s->place.paragraph;

	if (g->hidden == DOCX_UNSET && g->style != NULL)
		g->hidden = g->style->hidden;
	if (!g->deleted && g->hidden != DOCX_ON && !g->numbered)
		number(s);
}

void
story_paragraph_begin(struct story *s)
{
	struct paragraph *g = &s->place.paragraph;
	struct docx_styles *styles = &s->docx->styles;
	const char *normal = styles->normal;

	*g = (struct paragraph){
		.start = g->joined ? g->start : s->len,
		.list = -1,
		.level = -1,
		.joined = g->joined,
		.numbered = g->joined && g->numbered,
		.label = g->joined ? g->label : 0,
	};
	if (normal != NULL)
		g->style = docx_style_find(
		    styles, (struct bytes){ (const unsigned char *)normal, strlen(normal) });
	s->place.run = (struct run){ 0 };
}

/* Gives a paragraph's text to the row or the output. */
static void
finish(struct story *s)
{
	struct paragraph *g = &s->place.paragraph;
	size_t n;

	g->joined = false;
	if (is_empty(s))
		story_cut(s, g->start);
	n = s->len - g->start;
	if (s->place.tables > 0) {
		if (n > 0)
			story_put(s, &(char){ STORY_PARAGRAPH }, 1);
	} else {
		if (n > 0)
			emit(s, s->p + g->start, n, false);
		story_cut(s, g->start);
		emit_boxed(s);
	}
	g->start = s->len;
	g->label = 0;
}

/* A paragraph whose mark is deleted or hidden goes on in the next. */
void
story_paragraph_end(struct story *s)
{
	struct paragraph *g = &s->place.paragraph;

	/* An instruction that never ends takes no more than its paragraph. */
	s->fields.code = 0;
	story_paragraph_properties(s);
	g->joined = true;
	if (g->deleted)
		return;
	if (g->hidden != DOCX_ON)
		finish(s);
	else if (!g->numbered && !is_empty(s))
		number(s);
}

void
story_settle(struct story *s)
{
	if (s->place.paragraph.joined)
		finish(s);
}

/* Drops separators at the end, back to `from` at most. */
static void
strip(struct story *s, size_t from)
{
	size_t at = s->len;

	while (at > from && s->p[at - 1] <= STORY_TAB && s->p[at - 1] > 0)
		at--;
	story_cut(s, at);
}

void
story_cell_end(struct story *s, struct open_element *cell)
{
	bool outer = s->place.tables == 1;
	unsigned i;

	story_settle(s);
	strip(s, cell->at);
	if (cell->deleted)
		story_cut(s, cell->at);
	else
		for (i = 0; i <= cell->n; i++)
			story_put(s, &(char){ outer ? '\t' : STORY_CELL }, 1);
	s->place.paragraph.start = s->len;
}

/* A row of several cells is one line. */
static void
emit_line(struct story *s, char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((p[i] > 0 && p[i] <= STORY_TAB) || p[i] == '\n')
			p[i] = ' ';
	if (n > 0)
		emit(s, p, n, true);
}

/* The only cell of a row is a frame around paragraphs and tables, which stay what they are. */
static void
emit_frame(struct story *s, char *p, size_t n)
{
	size_t i, from = 0;

	for (i = 0; i <= n; i++) {
		if (i < n && (p[i] == STORY_CELL || p[i] == STORY_TAB))
			p[i] = '\t';
		if (i < n && p[i] != STORY_PARAGRAPH)
			continue;
		if (i > from)
			emit(s, p + from, i - from, false);
		from = i + 1;
	}
}

void
story_row_end(struct story *s, struct open_element *row)
{
	size_t at, n;

	story_settle(s);
	at = row->at < s->len ? row->at : s->len;
	n = s->len - at;
	if (!row->deleted && s->place.tables > 1) {
		strip(s, at);
		if (s->len > at)
			story_put(s, &(char){ STORY_PARAGRAPH }, 1);
	} else {
		if (!row->deleted && row->n > 1)
			emit_line(s, s->p + at, n);
		else if (!row->deleted)
			emit_frame(s, s->p + at, n);
		story_cut(s, at);
	}
	s->place.paragraph.start = s->len;
	if (s->place.tables == 1)
		emit_boxed(s);
}

void
story_box_text(struct story *s, const char *p, size_t n)
{
	add_text(&s->boxed, p, n);
}

void
story_box_begin(struct story *s)
{
	if (s->n_boxes == s->boxes_room) {
		s->boxes_room = s->boxes_room * 2 + 8;
		s->boxes = grow(s->boxes, s->boxes_room * sizeof(*s->boxes));
	}
	s->boxes[s->n_boxes++] = s->place;
	s->place = (struct place){ .paragraph.start = s->len };
}

void
story_box_end(struct story *s, size_t at)
{
	story_settle(s);
	s->place = s->boxes[--s->n_boxes];
	story_cut(s, at);
}

void
story_end(struct story *s)
{
	while (s->n_boxes > 0)
		story_box_end(s, s->len);
	story_settle(s);
	emit_line(s, s->p, s->len);
	emit_boxed(s);
	story_cut(s, 0);
}
