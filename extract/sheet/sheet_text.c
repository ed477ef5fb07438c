/*
 * Rows as the document's text. A block is about one passage of the search (runner/knowledge/
 * chunker.c cuts at 1,200 characters), so that what is found is cited by its rows.
 */
#include <stdio.h>
#include <string.h>

#include "extract/sheet/rows.h"
#include "extract/sheet/sheet_columns.h"
#include "extract/sheet/sheet_ref.h"

#define BLOCK_BYTES 1100
#define BLOCK_ROWS 200
#define HEADER_BYTES 300 /* a longer first row is not repeated */
#define NAME_BYTES 60 /* of a sheet in a mark, which ends in the range */

/* A line of the block: what stands in text is its cells from column `lead` on. */
struct line {
	size_t at, n;
	size_t lead;
	size_t end; /* the column behind its last one */
	bool gap; /* empty rows before it */
};

struct text {
	struct rows rows;
	char name[4 * NAME_BYTES];
	bool untyped;
	char *p; /* the block's lines: cap bytes, len used */
	size_t len, cap;
	struct line lines[BLOCK_ROWS];
	size_t n;
	unsigned long first, last; /* rows of the block; last also when it is empty */
	size_t end; /* the column behind the widest row of the block */
	struct columns columns; /* names of a table that has them in its first row */
	char header[HEADER_BYTES];
	size_t header_n, header_lead;
	bool seen; /* a row that could be the header */
	bool fresh; /* the header stands in the block as a row */
	char *out; /* a block as it is written */
	size_t out_cap;
};

static void
put(struct text *t, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (t->len + n > t->cap) {
		t->cap = (t->len + n) * 2 + 4096;
		t->p = grow(t->p, t->cap);
	}
	memcpy(t->p + t->len, p, n);
	t->len += n;
}

/* Tabs belong to the row: in a cell they become spaces. Its line breaks stay. */
static void
put_cell(struct text *t, struct bytes b)
{
	size_t start, i;

	while (b.n > 0 && strchr(" \t\r\n", b.p[b.n - 1]) != NULL)
		b.n--;
	start = t->len;
	put(t, b.p, b.n);
	for (i = start; i < t->len; i++)
		if (t->p[i] == '\t')
			t->p[i] = ' ';
}

/* An address says nothing where it is the text itself. */
static bool
is_said(struct bytes shown, struct bytes link)
{
	if (link.n > 7 && memcmp(link.p, "mailto:", 7) == 0)
		link = (struct bytes){ link.p + 7, link.n - 7 };
	return link.n == 0 || (link.n == shown.n && memcmp(link.p, shown.p, link.n) == 0);
}

/* Appends the row's line to the block; false, with nothing appended, where it shows nothing. */
static bool
put_row(struct text *t, const struct row *row, struct line *line)
{
	size_t i, tabs = 0, text;

	*line = (struct line){ .at = t->len };
	for (i = 0; i < row->n; i++, tabs++) {
		const struct cell *c = &row->cells[i];

		if (c->shown.n == 0 && c->link.n == 0)
			continue;
		if (line->n == 0)
			line->lead = tabs;
		for (; line->n > 0 && tabs > 0; tabs--)
			put(t, "\t", 1);
		text = t->len;
		put_cell(t, c->shown);
		if (!is_said(c->shown, c->link)) {
			put(t, t->len > text ? " (" : "(", t->len > text ? 2 : 1);
			put_cell(t, c->link);
			put(t, ")", 1);
		}
		tabs = 0;
		line->n = t->len - line->at;
		line->end = i + 1;
	}
	return line->n > 0;
}

static void
copy_tabs(struct text *t, size_t *n, size_t tabs)
{
	memset(t->out + *n, '\t', tabs);
	*n += tabs;
}

/* Writes the mark: the rows of the block and, in a sheet, its columns. */
static void
mark(struct text *t, size_t lead)
{
	char from[REF_MAX], to[REF_MAX];

	if (t->untyped && t->first == t->last) {
		out_section(t->rows.out, "row %lu", t->first);
	} else if (t->untyped) {
		out_section(t->rows.out, "rows %lu to %lu", t->first, t->last);
	} else {
		(void)ref_write((struct ref){ t->first, lead }, from);
		(void)ref_write((struct ref){ t->last, t->end - 1 }, to);
		out_section(t->rows.out, "sheet %s %s%s%s", t->name, from,
		    strcmp(from, to) != 0 ? ":" : "", strcmp(from, to) != 0 ? to : "");
	}
}

/* Ends the block. Its lines begin at the first column that has anything. */
static void
flush(struct text *t)
{
	bool header = t->header_n > 0 && !t->fresh;
	size_t lead = header ? t->header_lead : SIZE_MAX, own = SIZE_MAX, need, i, n = 0;

	if (t->n == 0)
		return;
	for (need = t->len + HEADER_BYTES, i = 0; i < t->n; i++) {
		need += t->lines[i].lead + 2;
		own = t->lines[i].lead < own ? t->lines[i].lead : own;
	}
	lead = own < lead ? own : lead;
	need += header ? t->header_lead : 0;
	if (need > t->out_cap)
		t->out = grow(t->out, t->out_cap = need * 2);
	if (header) {
		copy_tabs(t, &n, t->header_lead - lead);
		memcpy(t->out + n, t->header, t->header_n);
		n += t->header_n;
	}
	for (i = 0; i < t->n; i++) {
		const struct line *l = &t->lines[i];

		if (n > 0)
			t->out[n++] = '\n';
		if (l->gap && i > 0)
			t->out[n++] = '\n';
		copy_tabs(t, &n, l->lead - lead);
		memcpy(t->out + n, t->p + l->at, l->n);
		n += l->n;
	}
	mark(t, own);
	out_rows(t->rows.out, t->out, n);
	t->n = t->len = t->end = 0;
	t->fresh = false;
}

/* In a table of text alone an empty name is one to be made up. */
static bool
is_header(const struct text *t, const struct row *row)
{
	size_t i;

	for (i = 0; i < row->n; i++) {
		const struct cell *c = &row->cells[i];

		if (c->shown.n == 0 && (c->type == CELL_EMPTY || t->untyped))
			continue;
		if (c->type != CELL_TEXT || !column_is_name(c->value))
			return false;
	}
	return true;
}

/* The first row with several cells is the header where all of them are names. */
static void
see_header(struct text *t, const struct row *row, struct line *l)
{
	size_t i;

	if (l->end - l->lead < 2)
		return;
	t->seen = true;
	if (!is_header(t, row))
		return;
	if (t->untyped) {
		columns_begin(&t->columns, row);
		t->len = l->at;
		for (i = 0; i < t->columns.n; i++) {
			put(t, "\t", i > 0);
			put_cell(t, t->columns.p[i].name);
		}
		*l = (struct line){ .at = l->at, .n = t->len - l->at, .end = t->columns.n };
	}
	if (l->n > HEADER_BYTES)
		return;
	memcpy(t->header, t->p + l->at, l->n);
	t->header_n = l->n;
	t->header_lead = l->lead;
	t->fresh = true;
}

static void
text_on_row(struct rows *r, const struct row *row)
{
	struct text *t = (struct text *)r;
	struct line l;

	if (!put_row(t, row, &l))
		return;
	if (t->n > 0 && (t->n == BLOCK_ROWS || t->len + t->header_n > BLOCK_BYTES)) {
		/* The row begins the next block. */
		flush(t);
		memmove(t->p, t->p + l.at, l.n);
		l.at = 0;
		t->len = l.n;
	}
	if (!t->seen)
		see_header(t, row, &l);
	if (t->n == 0)
		t->first = row->number;
	l.gap = t->n > 0 && row->number > t->last + 1;
	t->last = row->number;
	t->end = l.end > t->end ? l.end : t->end;
	t->lines[t->n++] = l;
}

static void
text_on_end(struct rows *r)
{
	flush((struct text *)r);
	out_section(r->out, NULL);
}

static bool
text_on_sheet(struct rows *r, const struct sheet *s)
{
	struct text *t = (struct text *)r;

	flush(t);
	t->seen = t->fresh = false;
	t->header_n = 0;
	t->untyped = s->untyped;
	(void)snprintf(t->name, sizeof(t->name), "%s", s->name);
	out_cut(t->name, strlen(t->name), NAME_BYTES);
	return !s->hidden;
}

void
rows_text(struct bytes file, rows_reader *read, struct out *o)
{
	static struct text t;

	t = (struct text){
		.rows = { .out = o,
		    .sheet = text_on_sheet,
		    .row = text_on_row,
		    .end = text_on_end },
	};
	read(file, &t.rows);
}
