/* A worksheet's rows (ECMA-376 part 1, 18.3.1), as they come. */
#include <stdio.h>
#include <string.h>

#include "extract/sheet/sheet_ref.h"
#include "extract/sheet/xlsx.h"

#define LONG_DIGITS 16 /* of a whole number; a double keeps 15 of any */

/* How the text of a cell is to be taken (18.18.11). */
enum content {
	CONTENT_NUMBER,
	CONTENT_SHARED, /* the number of a shared string */
	CONTENT_TEXT,
	CONTENT_BOOLEAN,
	CONTENT_ERROR,
	CONTENT_DATE, /* ISO 8601 */
};

struct reader {
	struct xlsx *x;
	bool rows; /* in sheetData */
	struct row row;
	size_t next; /* column of the next cell that does not name its own */
	size_t column; /* of the cell that is read */
	enum content content;
	size_t style;
	bool formula, result; /* it has an f, a v */
	bool text; /* in v or t */
	int reading; /* depth of rPh */
	char *p; /* the cell's text: cap bytes, len used */
	size_t len, cap;
};

static struct bytes
string_bytes(const char *s)
{
	return (struct bytes){ (const unsigned char *)s, strlen(s) };
}

/* Digits alone; false for anything else, or a number beyond what a sheet has. */
static bool
parse_count(struct bytes b, unsigned long *v)
{
	unsigned long x = 0;
	size_t i;

	for (i = 0; i < b.n && b.p[i] >= '0' && b.p[i] <= '9' && x <= UINT32_MAX; i++)
		x = x * 10 + (b.p[i] - (unsigned)'0');
	if (i == 0 || i != b.n || x > UINT32_MAX)
		return false;
	*v = x;
	return true;
}

/* The row's number and the cell's reference may be left out: the one before plus one. */
static void
start_row(struct reader *r, const struct xml_element *e)
{
	struct bytes hidden = xml_attr(e, NS_NONE, "hidden");
	unsigned long number;

	if (!parse_count(xml_attr(e, NS_NONE, "r"), &number) || number <= r->row.number)
		number = r->row.number + 1;
	r->row.number = number;
	r->row.hidden =
	    bytes_are(hidden, "1") || bytes_are(hidden, "true") || bytes_are(hidden, "on");
	r->row.totals = marks_row(r->x->marks, number);
	r->next = 0;
}

static enum content
content_of(struct bytes t)
{
	if (bytes_are(t, "s"))
		return CONTENT_SHARED;
	if (bytes_are(t, "str") || bytes_are(t, "inlineStr"))
		return CONTENT_TEXT;
	if (bytes_are(t, "b"))
		return CONTENT_BOOLEAN;
	if (bytes_are(t, "e"))
		return CONTENT_ERROR;
	return bytes_are(t, "d") ? CONTENT_DATE : CONTENT_NUMBER;
}

static void
start_cell(struct reader *r, const struct xml_element *e)
{
	unsigned long style;
	struct ref at;

	r->column = ref_parse(xml_attr(e, NS_NONE, "r"), &at) ? at.column : r->next;
	r->next = r->column + 1;
	r->content = content_of(xml_attr(e, NS_NONE, "t"));
	r->style =
	    parse_count(xml_attr(e, NS_NONE, "s"), &style) && style < r->x->n_styles ? style : 0;
	r->formula = r->result = r->text = false;
	r->len = 0;
}

static void
xlsx_on_start(void *arg, const struct xml_element *e)
{
	struct reader *r = arg;

	if (e->ns != NS_SHEET)
		return;
	if (strcmp(e->name, "sheetData") == 0)
		r->rows = true;
	if (!r->rows)
		return;
	if (strcmp(e->name, "c") == 0)
		start_cell(r, e);
	else if (strcmp(e->name, "v") == 0)
		r->text = r->result = true;
	else if (strcmp(e->name, "t") == 0)
		r->text = r->reading == 0;
	else if (strcmp(e->name, "f") == 0)
		r->formula = true;
	else if (strcmp(e->name, "row") == 0)
		start_row(r, e);
	else if (strcmp(e->name, "rPh") == 0)
		r->reading++;
}

static void
xlsx_on_text(void *arg, const char *p, size_t n)
{
	struct reader *r = arg;

	if (!r->text)
		return;
	if (r->len + n > r->cap) {
		r->cap = (r->len + n) * 2 + 1024;
		r->p = grow(r->p, r->cap);
	}
	memcpy(r->p + r->len, p, n);
	r->len += n;
}

static struct bytes
copy(struct reader *r, const char *p, size_t n)
{
	return row_copy(&r->x->maker, p, n);
}

/* Tells what the first cell of a kind has. */
static void
notice_at(struct reader *r, bool *told, const char *what)
{
	char ref[REF_MAX];

	if (*told)
		return;
	*told = true;
	(void)ref_write((struct ref){ r->row.number, r->column }, ref);
	out_notice(r->x->rows->out, "Cell %s of sheet \"%s\" has %s.", ref, r->x->sheet, what);
}

static struct cell
text_cell(struct reader *r)
{
	struct cell c = { .type = CELL_TEXT };

	r->len = xlsx_unescape(r->p, r->len);
	c.value = c.shown = copy(r, r->p, r->len);
	if (r->len == 0)
		c.type = CELL_EMPTY;
	return c;
}

static struct cell
shared_cell(struct reader *r)
{
	const struct strings *s = &r->x->strings;
	struct cell c = { .type = CELL_TEXT };
	unsigned long i;
	size_t from;

	if (!parse_count((struct bytes){ (unsigned char *)r->p, r->len }, &i) || i >= s->n) {
		r->x->n_missing++;
		return (struct cell){ 0 };
	}
	from = i > 0 ? s->ends[i - 1] : 0;
	c.value = (struct bytes){ (unsigned char *)s->text + from, s->ends[i] - from };
	c.shown = c.value;
	if (c.value.n == 0)
		c.type = CELL_EMPTY;
	return c;
}

/* A date or duration as a cell; `type` is the format's. */
static struct cell
moment_cell(struct reader *r, const struct moment *m, const struct format *f, enum cell_type type)
{
	char value[MOMENT_TEXT], shown[MOMENT_TEXT];
	struct cell c = { .type = CELL_DURATION };

	if (type != CELL_DURATION)
		c.type = m->date && m->time ? CELL_DATETIME : m->date ? CELL_DATE : CELL_TIME;
	c.value = copy(r, value, moment_value(m, c.type, value));
	c.shown = copy(r, shown, moment_shown(m, type, f->seconds, shown));
	return c;
}

static bool
is_moment(const struct format *f)
{
	return f->type != CELL_NUMBER && f->type != CELL_PERCENTAGE;
}

/* 18.17.4: t="d". The format only says which part of it is shown. */
static struct cell
date_cell(struct reader *r)
{
	static const struct format all = { .seconds = true };
	const struct format *f = r->x->styles[r->style].format;
	struct bytes b = { (unsigned char *)r->p, r->len };
	enum cell_type type = f->type;
	struct moment m;

	if (!is_moment(f)) {
		f = &all;
		type = CELL_DATETIME;
	}
	if (moment_from_duration(b, &m))
		return moment_cell(r, &m, f, CELL_DURATION);
	if (!moment_from_iso(b, &m))
		return text_cell(r);
	if (!m.date || !m.time)
		type = m.date ? CELL_DATE : CELL_TIME;
	return moment_cell(r, &m, f, type);
}

/* A number whose format is that of a date; false where no such date is. */
static bool
serial_cell(struct reader *r, const struct decimal *d, const struct format *f, struct cell *c)
{
	static const char leap[] = "1900-02-29";
	struct moment m;

	switch (moment_from_serial(d, r->x->epoch_1904, f->type, &m)) {
	case MOMENT_OK:
		*c = moment_cell(r, &m, f, f->type);
		return true;
	case MOMENT_LEAP_1900:
		*c = (struct cell){ .type = CELL_TEXT };
		c->value = c->shown = string_bytes(leap);
		notice_at(r, &r->x->told_1900,
		    "the date 1900-02-29, a day that never was; it is kept as text");
		return true;
	case MOMENT_NONE:
		break;
	}
	return false;
}

/* Most numbers are written as they are shown. */
static bool
is_plain(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return n > 0 && n < LONG_DIGITS && (p[0] != '0' || n == 1);
}

static struct cell
number_cell(struct reader *r)
{
	const struct style *s = &r->x->styles[r->style];
	char value[DECIMAL_TEXT], shown[FORMAT_SHOWN];
	struct cell c = { .type = CELL_NUMBER };
	struct decimal d;

	if (s->quoted)
		return text_cell(r);
	if (s->format->general && is_plain(r->p, r->len)) {
		c.value = c.shown = copy(r, r->p, r->len);
		return c;
	}
	if (!decimal_parse((struct bytes){ (unsigned char *)r->p, r->len }, &d))
		return text_cell(r);
	if (is_moment(s->format) && serial_cell(r, &d, s->format, &c))
		return c;
	if (d.point >= LONG_DIGITS && d.point >= (long)d.n)
		notice_at(r, &r->x->told_long,
		    "a number of more than 15 digits; such numbers may have been rounded when "
		    "the file was written");
	c.value = copy(r, value, decimal_write(&d, value));
	if (is_moment(s->format) || s->format->general) {
		c.shown = copy(r, shown, decimal_general(&d, shown));
		return c;
	}
	c.type = s->format->type;
	c.shown = copy(r, shown, format_number(s->format, &d, shown));
	return c;
}

static struct cell
boolean_cell(struct reader *r)
{
	bool on = r->len > 0 && (r->p[0] == '1' || r->p[0] == 't');

	return (struct cell){
		.type = CELL_BOOLEAN,
		.value = string_bytes(on ? "true" : "false"),
		.shown = string_bytes(on ? "TRUE" : "FALSE"),
	};
}

static struct cell
make_cell(struct reader *r)
{
	struct cell c;

	switch (r->content) {
	case CONTENT_SHARED:
		return shared_cell(r);
	case CONTENT_BOOLEAN:
		return boolean_cell(r);
	case CONTENT_DATE:
		return date_cell(r);
	case CONTENT_NUMBER:
		return number_cell(r);
	case CONTENT_TEXT:
	case CONTENT_ERROR:
		break;
	}
	c = text_cell(r);
	if (r->content == CONTENT_ERROR)
		c.type = CELL_ERROR;
	return c;
}

static void
trim(struct reader *r)
{
	size_t skip = 0;

	while (r->len > 0 && strchr(" \t\r\n", r->p[r->len - 1]) != NULL)
		r->len--;
	while (skip < r->len && strchr(" \t\r\n", r->p[skip]) != NULL)
		skip++;
	r->len -= skip;
	memmove(r->p, r->p + skip, r->len);
}

static void
end_cell(struct reader *r)
{
	struct cell c = { 0 };

	if (r->column >= ROWS_COLUMNS_MAX || marks_covers(r->x->marks, r->column))
		return;
	if (r->content != CONTENT_TEXT && r->len > 0)
		trim(r);
	if (r->len > 0)
		c = make_cell(r);
	else
		c.uncalculated = r->formula && !(r->content == CONTENT_TEXT && r->result);
	r->x->n_uncalculated += c.uncalculated;
	if (c.type != CELL_EMPTY)
		c.link = marks_link(r->x->marks, r->column);
	row_put(&r->x->maker, r->column, c);
}

static void
xlsx_on_end(void *arg, const struct xml_element *e)
{
	struct reader *r = arg;

	if (e->ns != NS_SHEET || !r->rows)
		return;
	if (strcmp(e->name, "c") == 0)
		end_cell(r);
	else if (strcmp(e->name, "v") == 0 || strcmp(e->name, "t") == 0)
		r->text = false;
	else if (strcmp(e->name, "row") == 0)
		row_end(&r->x->maker, r->row, 1);
	else if (strcmp(e->name, "rPh") == 0 && r->reading > 0)
		r->reading--;
	else if (strcmp(e->name, "sheetData") == 0)
		r->rows = false;
}

void
xlsx_sheet(struct xlsx *x, const char *part)
{
	static const struct xml_events events = { xlsx_on_start, xlsx_on_end, xlsx_on_text };
	struct reader r = { .x = x };

	xlsx_marks(x, part);
	if (!package_xml_whole(&x->package, part, &events, &r))
		out_notice(x->rows->out,
		    "Sheet \"%s\" is damaged; only what comes before the damage was read.",
		    x->sheet);
	/* The row that the damage is in. */
	row_end(&x->maker, r.row, 1);
}
