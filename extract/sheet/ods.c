/*
 * OpenDocument spreadsheets (ODF 1.3 part 3, 9: tables). A cell has its value in attributes, and in
 * text:p how its author's program showed it; for strings and errors the text is the value.
 */
#include <string.h>
#include <unictype.h>

#include "extract/package/package.h"
#include "extract/sheet/sheet_format.h"
#include "extract/sheet/sheet_notice.h"

#define UNPACK_MAX (512 * MIB) /* nothing of it is kept */
#define SPACES_MAX 1000 /* of one text:s */

struct ods {
	struct package package;
	struct rows *rows;
	struct row_maker maker;
	struct hidden hidden;
	char **styles; /* names of table styles that hide their table */
	size_t n_styles, styles_room;
	char *style; /* the one that is read, of a table; NULL: of something else */
	bool wanted; /* in a table whose rows are read */
	struct row row;
	unsigned long times; /* how often this row is repeated */
	size_t column; /* of the cell that is read */
	size_t columns; /* how often it is repeated */
	bool cell; /* in one, and covered */
	bool covered;
	struct cell value; /* what its attributes say */
	struct moment moment; /* the same of a date, a time or a duration */
	bool has_moment;
	bool typed, formula;
	struct bytes link;
	char *p; /* its text: cap bytes, len used */
	size_t len, cap;
	size_t paragraphs; /* in the cell */
	int text; /* depth of text:p */
	int skip; /* depth of what is no text of the cell */
	bool space; /* white space is due before the next character */
	unsigned long n_uncalculated;
};

static void
put(struct ods *o, const char *p, size_t n)
{
	if (o->len + n > o->cap) {
		o->cap = (o->len + n) * 2 + 1024;
		o->p = grow(o->p, o->cap);
	}
	memcpy(o->p + o->len, p, n);
	o->len += n;
}

/* A count of 1 and more, `most` at most. */
static size_t
count(struct bytes b, size_t most)
{
	size_t v = 0, i;

	for (i = 0; i < b.n && b.p[i] >= '0' && b.p[i] <= '9' && v <= most; i++)
		v = v * 10 + (b.p[i] - (unsigned)'0');
	return v == 0 ? 1 : v > most ? most : v;
}

static void
start_style(struct ods *o, const struct xml_element *e)
{
	if (strcmp(e->name, "style") == 0) {
		o->style = xml_attr_is(e, NS_ODF_STYLE, "family", "table")
			       ? bytes_string(xml_attr(e, NS_ODF_STYLE, "name"))
			       : NULL;
		return;
	}
	if (strcmp(e->name, "table-properties") != 0 || o->style == NULL ||
	    !xml_attr_is(e, NS_ODF_TABLE, "display", "false"))
		return;
	if (o->n_styles == o->styles_room) {
		o->styles_room = o->styles_room * 2 + 16;
		o->styles = grow(o->styles, o->styles_room * sizeof(*o->styles));
	}
	o->styles[o->n_styles++] = o->style;
}

static void
start_table(struct ods *o, const struct xml_element *e)
{
	struct bytes style = xml_attr(e, NS_ODF_TABLE, "style-name");
	struct sheet sheet = { .name = bytes_string(xml_attr(e, NS_ODF_TABLE, "name")) };
	size_t i;

	for (i = 0; i < o->n_styles && !sheet.hidden; i++)
		sheet.hidden = bytes_are(style, o->styles[i]);
	/* LibreOffice keeps what it took from other files as hidden tables named by their address.
	 */
	o->wanted = strncmp(sheet.name, "'file:", 6) != 0;
	if (sheet.hidden && o->wanted)
		hidden_add(&o->hidden, sheet.name);
	o->wanted = o->wanted && o->rows->sheet(o->rows, &sheet);
	o->row = (struct row){ 0 };
	o->times = 1;
	o->row.number = 1;
}

static void
start_row(struct ods *o, const struct xml_element *e)
{
	struct bytes seen = xml_attr(e, NS_ODF_TABLE, "visibility");

	o->times = count(xml_attr(e, NS_ODF_TABLE, "number-rows-repeated"), ROWS_NUMBER_MAX);
	o->row.hidden = bytes_are(seen, "collapse") || bytes_are(seen, "filter");
	o->column = 0;
}

static struct bytes
copy(struct ods *o, struct bytes b)
{
	return row_copy(&o->maker, (const char *)b.p, b.n);
}

/* A moment in one form; what is in another form stays as it is. */
static struct cell
moment_value_cell(struct ods *o, struct bytes b, bool duration)
{
	char value[MOMENT_TEXT];
	struct cell c = { .type = CELL_DURATION };
	struct moment *m = &o->moment;

	if (!(duration ? moment_from_duration(b, m) : moment_from_iso(b, m))) {
		c.type = CELL_TEXT;
		c.value = c.shown = copy(o, b);
		return c;
	}
	o->has_moment = true;
	if (!duration)
		c.type = m->date && m->time ? CELL_DATETIME : m->date ? CELL_DATE : CELL_TIME;
	c.value = row_copy(&o->maker, value, moment_value(m, c.type, value));
	return c;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * The cell's moment with the parts that its text shows: "05/03/24 23:30" shows no seconds,
 * "05/03/24" no time. Some languages write a time with points, so that without colons the parts are
 * counted: a date has three at most. A text without digits, of a narrow column, hides nothing.
 */
static struct bytes
shown_moment(struct ods *o, enum cell_type type)
{
	bool seconds = o->moment.ms % 60000 != 0;
	size_t i, parts = 0, clock = 0;
	char shown[MOMENT_TEXT];

	for (i = 0; i < o->len; i++) {
		parts += is_digit(o->p[i]) && (i == 0 || !is_digit(o->p[i - 1]));
		if (o->p[i] == ':' && i > 0 && is_digit(o->p[i - 1]) && i + 1 < o->len &&
		    is_digit(o->p[i + 1]))
			clock += clock == 0 ? 2 : 1;
	}
	if (clock > 0)
		seconds = clock > 2;
	else if (parts >= 6)
		seconds = true;
	if (type == CELL_DATETIME && clock == 0 && parts > 0 && parts <= 3)
		type = CELL_DATE;
	else if (type == CELL_DATETIME && clock > 0 && parts == clock)
		type = CELL_TIME;
	return row_copy(&o->maker, shown, moment_shown(&o->moment, type, seconds, shown));
}

static struct cell
number_cell(struct ods *o, struct bytes b, enum cell_type type)
{
	struct cell c = { .type = CELL_TEXT };
	char value[DECIMAL_TEXT];
	struct decimal d;

	c.value = copy(o, b);
	if (decimal_parse(b, &d)) {
		c.type = type;
		c.value = row_copy(&o->maker, value, decimal_write(&d, value));
	}
	return c;
}

static struct cell
boolean_cell(bool on)
{
	static const unsigned char words[] = "trueTRUEfalseFALSE";

	return (struct cell){
		.type = CELL_BOOLEAN,
		.value = { words + (on ? 0 : 8), on ? 4 : 5 },
		.shown = { words + (on ? 4 : 13), on ? 4 : 5 },
	};
}

static struct bytes
office(const struct xml_element *e, const char *name)
{
	return xml_attr(e, NS_ODF_OFFICE, name);
}

/* The value that attributes give (19.385 office:value-type); text is left for the cell's end. */
static struct cell
read_value(struct ods *o, const struct xml_element *e, struct bytes type)
{
	if (bytes_are(type, "float") || bytes_are(type, "currency"))
		return number_cell(o, office(e, "value"), CELL_NUMBER);
	if (bytes_are(type, "percentage"))
		return number_cell(o, office(e, "value"), CELL_PERCENTAGE);
	if (bytes_are(type, "date"))
		return moment_value_cell(o, office(e, "date-value"), false);
	if (bytes_are(type, "time"))
		return moment_value_cell(o, office(e, "time-value"), true);
	if (bytes_are(type, "boolean"))
		return boolean_cell(bytes_are(office(e, "boolean-value"), "true"));
	if (xml_attr_is(e, NS_ODF_CALCEXT, "value-type", "error"))
		return (struct cell){ .type = CELL_ERROR };
	return (struct cell){ .type = CELL_TEXT };
}

static void
start_cell(struct ods *o, const struct xml_element *e)
{
	struct bytes type;

	o->columns =
	    count(xml_attr(e, NS_ODF_TABLE, "number-columns-repeated"), ROWS_COLUMNS_MAX + 1);
	o->covered = strcmp(e->name, "covered-table-cell") == 0;
	o->cell = true;
	o->typed = o->formula = o->has_moment = false;
	o->len = o->paragraphs = 0;
	o->link = (struct bytes){ 0 };
	o->value = (struct cell){ .type = CELL_TEXT };
	o->text = o->skip = 0;
	if (o->covered || e->n_attr == 0)
		return;
	type = office(e, "value-type");
	o->typed = type.n > 0;
	o->formula = xml_attr(e, NS_ODF_TABLE, "formula").n > 0;
	o->value = read_value(o, e, type);
}

/*
 * Line ends in a paragraph are white space of the XML, and one space (6.1.2). Spaces are kept:
 * LibreOffice writes and reads them so, if against that rule.
 */
static void
put_space(struct ods *o)
{
	if (o->space)
		put(o, " ", 1);
	o->space = false;
}

static void
start_text(struct ods *o, const struct xml_element *e)
{
	struct bytes to;
	size_t n;

	if (strcmp(e->name, "p") == 0) {
		if (o->text++ == 0 && o->paragraphs++ > 0)
			put(o, "\n", 1);
		o->space = false;
	} else if (o->text > 0 && strcmp(e->name, "s") == 0) {
		put_space(o);
		for (n = count(xml_attr(e, NS_ODF_TEXT, "c"), SPACES_MAX); n > 0; n--)
			put(o, " ", 1);
	} else if (o->text > 0 && strcmp(e->name, "tab") == 0) {
		put_space(o);
		put(o, "\t", 1);
	} else if (o->text > 0 && strcmp(e->name, "line-break") == 0) {
		put_space(o);
		put(o, "\n", 1);
	} else if (strcmp(e->name, "a") == 0 && o->link.n == 0) {
		to = xml_attr(e, NS_XLINK, "href");
		/* "#Sheet2.A1" is a place in the file. */
		if (to.n > 0 && to.p[0] != '#')
			o->link = copy(o, to);
	}
}

/* Notes, shapes that float over the cell, and how a word is pronounced are not its text. */
static bool
is_beside(const struct xml_element *e)
{
	return e->ns == NS_ODF_OFFICE || e->ns == NS_ODF_DRAW ||
	       (e->ns == NS_ODF_TEXT && strcmp(e->name, "ruby-text") == 0);
}

static void
ods_on_start(void *arg, const struct xml_element *e)
{
	struct ods *o = arg;

	if (o->skip > 0 || (o->cell && is_beside(e))) {
		o->skip++;
	} else if (e->ns == NS_ODF_STYLE) {
		start_style(o, e);
	} else if (e->ns == NS_ODF_TEXT && o->cell && !o->covered) {
		start_text(o, e);
	} else if (e->ns != NS_ODF_TABLE) {
		return;
	} else if (strcmp(e->name, "table") == 0) {
		start_table(o, e);
	} else if (strcmp(e->name, "table-row") == 0) {
		start_row(o, e);
	} else if (strcmp(e->name, "table-cell") == 0 ||
		   strcmp(e->name, "covered-table-cell") == 0) {
		start_cell(o, e);
	}
}

static void
ods_on_text(void *arg, const char *p, size_t n)
{
	struct ods *o = arg;
	size_t i;

	if (o->text == 0 || o->skip > 0)
		return;
	for (i = 0; i < n; i++) {
		if (p[i] == '\t' || p[i] == '\n' || p[i] == '\r') {
			o->space = o->len > 0 && o->p[o->len - 1] != '\n';
			continue;
		}
		if (o->space && p[i] == ' ')
			continue;
		put_space(o);
		put(o, p + i, 1);
	}
}

/*
 * Whether a number's text is what it means to a reader: its digits, or words alone ("TRUE",
 * "open"); not "###" of a narrow column, nor with an exponent.
 */
static bool
shows_number(const char *p, size_t n)
{
	size_t i, used, digits = 0, letters = 0;
	uint32_t c;

	for (i = 0; i < n; i += used) {
		if ((used = utf8_get((const unsigned char *)p + i, n - i, &c)) == 0)
			return false;
		digits += is_digit(p[i]);
		letters += uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L);
		if ((c == 'E' || c == 'e') && i > 0 && i + 1 < n && is_digit(p[i - 1]) &&
		    (p[i + 1] == '+' || p[i + 1] == '-'))
			return false;
	}
	return digits > 0 || letters > 0;
}

/* LibreOffice's own errors: "Err:502". */
static bool
is_calc_error(struct bytes b)
{
	return b.n > 4 && memcmp(b.p, "Err:", 4) == 0;
}

static struct cell
make_cell(struct ods *o)
{
	struct cell c = o->value;
	struct bytes text = row_copy(&o->maker, o->p, o->len);

	if (c.value.n == 0) {
		/* Strings, and errors, which are strings too. */
		c.value = c.shown = text;
		if (text.n == 0)
			c.type = CELL_EMPTY;
		else if (o->formula && (text.p[0] == '#' || is_calc_error(text)))
			c.type = CELL_ERROR;
	} else if (o->has_moment) {
		c.shown = shown_moment(o, c.type);
	} else if (c.shown.n == 0) {
		c.shown = shows_number(o->p, o->len) ? text : c.value;
	}
	if (c.type == CELL_EMPTY && o->formula && !o->typed) {
		c.uncalculated = true;
		o->n_uncalculated += o->columns;
	}
	c.link = o->link;
	return c;
}

static void
end_cell(struct ods *o)
{
	struct cell c = { 0 };

	o->cell = false;
	if (o->wanted && !o->covered && (o->typed || o->len > 0 || o->formula))
		c = make_cell(o);
	if (c.type == CELL_EMPTY && !c.uncalculated) {
		o->column += o->columns;
		return;
	}
	for (; o->columns > 0; o->columns--)
		row_put(&o->maker, o->column++, c);
}

static void
ods_on_end(void *arg, const struct xml_element *e)
{
	struct ods *o = arg;

	if (o->skip > 0) {
		o->skip--;
	} else if (e->ns == NS_ODF_TEXT && o->text > 0 && strcmp(e->name, "p") == 0) {
		o->text--;
	} else if (e->ns != NS_ODF_TABLE) {
		return;
	} else if (strcmp(e->name, "table-cell") == 0 ||
		   strcmp(e->name, "covered-table-cell") == 0) {
		end_cell(o);
	} else if (strcmp(e->name, "table-row") == 0) {
		row_end(&o->maker, o->row, o->times);
		o->row.number += o->times;
	} else if (strcmp(e->name, "table") == 0) {
		o->wanted = false;
	}
}

void
ods_rows(struct bytes file, struct rows *r)
{
	static const struct xml_events events = { ods_on_start, ods_on_end, ods_on_text };
	static struct ods o;

	o = (struct ods){ .rows = r };
	package_open(&o.package, file, kind_name(KIND_ODS));
	o.package.most = UNPACK_MAX;
	row_begin(&o.maker, r);
	if (!package_xml_whole(&o.package, "content.xml", &events, &o))
		out_notice(
		    r->out, "The file is damaged; only what comes before the damage was read.");
	/* The row that damage is in. */
	row_end(&o.maker, o.row, 1);
	hidden_notice(&o.hidden, r->out);
	uncalculated_notice(o.n_uncalculated, r->out);
	r->end(r);
}

void
ods_read(struct bytes file, struct out *o)
{
	rows_text(file, ods_rows, o);
}
