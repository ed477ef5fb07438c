/*
 * CSV, as programs write it and not only as RFC 4180 has it: the delimiter is found by counting, a
 * row ends with CR, LF or both, and quotes that do not fit are characters. All cells are text.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "extract/text/charset.h"
#include "extract/sheet/csv.h"
#include "extract/sheet/sheet_notice.h"

#define SAMPLE_BYTES 65536 /* that the delimiter is found in */
#define SAMPLE_ROWS 100
#define ROOM_BYTES 65536

static bool
is_end(unsigned char c)
{
	return c == '\n' || c == '\r';
}

/* The next delimiter or row's end from i on. */
static size_t
next_border(const struct csv *c, size_t i)
{
	while (i < c->b.n && c->b.p[i] != c->delimiter && !is_end(c->b.p[i]))
		i++;
	return i;
}

static size_t
skip_spaces(const struct csv *c, size_t i)
{
	while (i < c->b.n && c->b.p[i] == ' ')
		i++;
	return i;
}

/* What the quote at q opens. */
struct quoted {
	size_t end; /* where the closing quote is, or where none was found */
	size_t next; /* behind it and spaces */
	size_t n_double; /* doubled quotes in it */
	size_t n_lines; /* ends of lines in it */
	bool closed;
};

/* `one_line`: it may not go beyond its line. */
static struct quoted
scan_quoted(const struct csv *c, size_t q, bool one_line)
{
	struct quoted s = { 0 };
	size_t i;

	for (i = q + 1; i < c->b.n; i++) {
		if (is_end(c->b.p[i]) && one_line)
			break;
		/* Of CR LF only one counts. */
		if (is_end(c->b.p[i]) &&
		    (c->b.p[i] == '\n' || i + 1 == c->b.n || c->b.p[i + 1] != '\n'))
			s.n_lines++;
		if (c->b.p[i] != '"')
			continue;
		if (i + 1 < c->b.n && c->b.p[i + 1] == '"') {
			s.n_double++;
			i++;
			continue;
		}
		s.closed = true;
		break;
	}
	s.end = i;
	s.next = s.closed ? skip_spaces(c, i + 1) : i;
	return s;
}

/* Doubled quotes become one. */
static struct bytes
unquote(struct csv *c, size_t from, const struct quoted *s)
{
	struct bytes b = { c->b.p + from, s->end - from };
	char *to = NULL;
	size_t i, n = 0;

	if (s->n_double == 0)
		return b;
	if (b.n - s->n_double > c->room_size)
		c->room = grow(NULL, c->room_size = 2 * b.n + ROOM_BYTES);
	to = c->room;
	for (i = 0; i < b.n; i++) {
		to[n++] = (char)b.p[i];
		i += b.p[i] == '"';
	}
	c->room += n;
	c->room_size -= n;
	return (struct bytes){ (unsigned char *)to, n };
}

/* Reads the field at c->at, up to the delimiter or row's end behind it. */
static struct bytes
read_field(struct csv *c)
{
	size_t start = c->at, q = skip_spaces(c, start), from = start;
	struct quoted s;

	if (q < c->b.n && c->b.p[q] == '"' && q >= c->literal_until) {
		s = scan_quoted(c, q, q < c->by_line_until);
		if (s.closed && (s.next == c->b.n || c->b.p[s.next] == c->delimiter ||
				    is_end(c->b.p[s.next]))) {
			c->at = s.next;
			c->line += s.n_lines;
			return unquote(c, q + 1, &s);
		}
		if (c->unclosed > 0 || (s.n_lines == 0 && s.end < c->b.n))
			lines_note(&c->odd, c->line);
		else
			c->unclosed = c->line;
		if (s.n_lines > 0 || s.end == c->b.n) {
			/* It runs into a later line: each up to there is read for itself. */
			c->by_line_until = s.end;
			s = scan_quoted(c, q, true);
		}
		if (s.closed)
			from = s.end;
		else
			c->literal_until = s.end;
	}
	c->at = next_border(c, from);
	return (struct bytes){ c->b.p + start, c->at - start };
}

bool
csv_next(struct csv *c, struct csv_field *f)
{
	if (c->at == c->b.n && !c->more)
		return false;
	f->line = c->line;
	f->text = read_field(c);
	c->more = c->at < c->b.n && c->b.p[c->at] == c->delimiter;
	f->last = !c->more;
	if (c->more) {
		c->at++;
	} else if (c->at < c->b.n) {
		c->line++;
		c->at += c->b.p[c->at] == '\r' && c->at + 1 < c->b.n && c->b.p[c->at + 1] == '\n'
			     ? 2
			     : 1;
	}
	return true;
}

/* How many rows of the sample have the most frequent number of this delimiter, which is not 0. */
static size_t
agreement(struct bytes sample, unsigned char delimiter, bool whole)
{
	size_t counts[SAMPLE_ROWS], n = 0, n_fields = 0, best = 0, i, j, same;
	struct csv c = { .b = sample, .delimiter = delimiter, .line = 1 };
	struct csv_field f;

	while (n < SAMPLE_ROWS && csv_next(&c, &f)) {
		n_fields++;
		if (!f.last)
			continue;
		/* The sample's last row may be cut. */
		if ((n_fields > 1 || f.text.n > 0) && (whole || c.at < c.b.n))
			counts[n++] = n_fields;
		n_fields = 0;
	}
	for (i = 0; i < n; i++) {
		for (same = j = 0; j < n; j++)
			same += counts[j] == counts[i];
		if (counts[i] > 1 && same > best)
			best = same;
	}
	return best;
}

static unsigned char
find_delimiter(struct bytes b)
{
	/* The earlier one wins where rows agree on both: 1,5;2,5 has decimal commas. */
	static const unsigned char all[] = { ';', '\t', ',', '|' };
	struct bytes sample = { b.p, b.n < SAMPLE_BYTES ? b.n : SAMPLE_BYTES };
	unsigned char best = ',';
	size_t most = 0, i, n;

	for (i = 0; i < sizeof(all); i++)
		if ((n = agreement(sample, all[i], sample.n == b.n)) > most) {
			most = n;
			best = all[i];
		}
	return best;
}

struct csv
csv_begin(struct bytes b)
{
	struct csv c = { .b = b, .line = 1 };
	size_t i;

	/* Excel's own line, which names the delimiter. */
	if (c.b.n > 5 && strncasecmp((const char *)c.b.p, "sep=", 4) == 0 && is_end(c.b.p[5]) &&
	    !is_end(c.b.p[4])) {
		c.delimiter = c.b.p[4];
		i = c.b.p[5] == '\r' && c.b.n > 6 && c.b.p[6] == '\n' ? 7 : 6;
		c.b = (struct bytes){ c.b.p + i, c.b.n - i };
		c.line = 2;
		return c;
	}
	c.delimiter = find_delimiter(c.b);
	return c;
}

static void
notice(const struct csv *c, struct out *o, const struct lines *fewer, const struct lines *more)
{
	char text[LINES_TEXT];

	if (c->unclosed > 0)
		out_notice(o,
		    "A quote that opens in line %lu does not close; the lines after it were read "
		    "one by one.",
		    c->unclosed);
	if (lines_write(&c->odd, text))
		out_notice(o, "%s quotes inside a value, which were kept as they are.", text);
	if (lines_write(fewer, text))
		out_notice(o, "%s fewer values than the first row.", text);
	if (lines_write(more, text))
		out_notice(o, "%s more values than the first row; all were kept.", text);
}

void
csv_rows(struct bytes file, struct rows *r)
{
	static const struct sheet sheet = { .name = "", .untyped = true };
	struct lines fewer = { 0 }, more = { 0 };
	struct csv c = csv_begin(charset_text(file, r->out->charset, r->out));
	struct csv_field f;
	struct row_maker m;
	unsigned long number = 1;
	size_t n = 0, width = 0;

	row_begin(&m, r);
	m.untyped = true;
	(void)r->sheet(r, &sheet);
	while (csv_next(&c, &f)) {
		if (n > 0 || !f.last || f.text.n > 0)
			row_put(&m, n++,
			    (struct cell){ .type = CELL_TEXT, .value = f.text, .shown = f.text });
		if (!f.last)
			continue;
		if (n > 0 && width == 0)
			width = n;
		if (n > 0 && n < width)
			lines_note(&fewer, f.line);
		if (n > width)
			lines_note(&more, f.line);
		for (; n > 0 && n < width; n++)
			row_put(&m, n, (struct cell){ .type = CELL_TEXT });
		row_end(&m, (struct row){ .number = number++ }, 1);
		n = 0;
	}
	notice(&c, r->out, &fewer, &more);
	r->end(r);
}

void
csv_read(struct bytes file, struct out *o)
{
	rows_text(file, csv_rows, o);
}
