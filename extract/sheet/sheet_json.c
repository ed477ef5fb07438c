/* Rows as lines of JSON, printed while the file is read. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "extract/sheet/rows.h"
#include "extract/sheet/sheet_columns.h"

#define FLUSH_BYTES (256 * 1024)
#define PRINTED_MAX (1024 * MIB)

struct json {
	struct rows rows;
	int fd;
	char *p; /* whole lines, and the one that is being written: cap bytes, len used */
	size_t len, cap;
	size_t printed;
	struct columns columns;
	bool first; /* the sheet's first row is yet to come */
	unsigned long n_rows; /* of all sheets */
};

static void
put(struct json *j, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (j->len + n > j->cap) {
		j->cap = (j->len + n) * 2 + FLUSH_BYTES;
		j->p = grow(j->p, j->cap);
	}
	memcpy(j->p + j->len, p, n);
	j->len += n;
}

static void
puts_(struct json *j, const char *s)
{
	put(j, s, strlen(s));
}

/* A string: UTF-8, where bytes that are not it become U+FFFD. */
static void
put_string(struct json *j, struct bytes b)
{
	static const char plain[] = "btn.fr"; /* behind a backslash, for 8 to 13 */
	char escape[8];
	size_t i, from, used;
	uint32_t c;

	puts_(j, "\"");
	for (i = from = 0; i < b.n; i += used) {
		used = utf8_get(b.p + i, b.n - i, &c);
		if (used > 0 && c >= ' ' && c != '"' && c != '\\')
			continue;
		put(j, b.p + from, i - from);
		if (used == 0)
			(void)snprintf(escape, sizeof(escape), "\xef\xbf\xbd");
		else if (c >= 8 && c <= 13 && c != 11)
			(void)snprintf(escape, sizeof(escape), "\\%c", plain[c - 8]);
		else if (c < ' ')
			(void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)c);
		else
			(void)snprintf(escape, sizeof(escape), "\\%c", (char)c);
		puts_(j, escape);
		used += used == 0;
		from = i + used;
	}
	put(j, b.p + from, b.n - from);
	puts_(j, "\"");
}

static void
put_text(struct json *j, const char *s)
{
	put_string(j, (struct bytes){ (const unsigned char *)s, strlen(s) });
}

static void
print(struct json *j)
{
	size_t done = 0;
	ssize_t n;

	j->printed += j->len;
	if (j->printed > PRINTED_MAX)
		fail("The rows hold more than %zu MiB, which is refused.", PRINTED_MAX / MIB);
	for (; done < j->len; done += (size_t)n)
		if ((n = write(j->fd, j->p + done, j->len - done)) < 0)
			_exit(3);
	j->len = 0;
}

static void
end_line(struct json *j)
{
	puts_(j, "\n");
	if (j->len >= FLUSH_BYTES)
		print(j);
}

static const char *
type_word(enum cell_type t)
{
	switch (t) {
	case CELL_EMPTY:
		return "empty";
	case CELL_TEXT:
		return "text";
	case CELL_NUMBER:
		return "number";
	case CELL_PERCENTAGE:
		return "percentage";
	case CELL_DATE:
		return "date";
	case CELL_TIME:
		return "time";
	case CELL_DATETIME:
		return "datetime";
	case CELL_DURATION:
		return "duration";
	case CELL_BOOLEAN:
		return "boolean";
	case CELL_ERROR:
		return "error";
	}
	return "";
}

static void
put_cell(struct json *j, const struct cell *c)
{
	bool differs = c->shown.n != c->value.n ||
		       (c->shown.n > 0 && memcmp(c->shown.p, c->value.p, c->shown.n) != 0);

	if (c->type == CELL_EMPTY && !c->uncalculated) {
		puts_(j, "null");
		return;
	}
	if (c->type == CELL_TEXT && !differs && c->link.n == 0) {
		put_string(j, c->value);
		return;
	}
	puts_(j, "{\"type\":");
	put_text(j, type_word(c->type));
	if (c->type != CELL_EMPTY) {
		puts_(j, ",\"value\":");
		put_string(j, c->value);
	}
	if (differs) {
		puts_(j, ",\"shown\":");
		put_string(j, c->shown);
	}
	if (c->link.n > 0) {
		puts_(j, ",\"link\":");
		put_string(j, c->link);
	}
	puts_(j, c->uncalculated ? ",\"uncalculated\":true}" : "}");
}

static void
json_on_row(struct rows *r, const struct row *row)
{
	struct json *j = (struct json *)r;
	char number[64];
	size_t i;

	(void)snprintf(number, sizeof(number), "{\"row\":%lu,%s%s\"cells\":[", row->number,
	    row->hidden ? "\"hidden\":true," : "", row->totals ? "\"totals\":true," : "");
	puts_(j, number);
	for (i = 0; i < row->n; i++) {
		if (i > 0)
			puts_(j, ",");
		put_cell(j, &row->cells[i]);
	}
	puts_(j, "]}");
	end_line(j);
	j->n_rows++;
	if (j->first)
		columns_begin(&j->columns, row);
	else
		columns_see(&j->columns, row);
	j->first = false;
}

/* Ends a sheet that had rows. */
static void
put_columns(struct json *j)
{
	const char *order;
	size_t i;

	if (j->first)
		return;
	j->first = true;
	puts_(j, "{\"columns\":[");
	for (i = 0; i < j->columns.n; i++) {
		puts_(j, i > 0 ? ",{\"name\":" : "{\"name\":");
		put_string(j, j->columns.p[i].name);
		puts_(j, ",\"type\":");
		put_text(j, column_type(&j->columns.p[i], &order));
		if (order != NULL) {
			puts_(j, ",\"order\":");
			put_text(j, order);
		}
		puts_(j, "}");
	}
	puts_(j, "]}");
	end_line(j);
}

static bool
json_on_sheet(struct rows *r, const struct sheet *s)
{
	struct json *j = (struct json *)r;

	put_columns(j);
	puts_(j, "{\"sheet\":");
	put_text(j, s->name);
	puts_(j, s->hidden ? ",\"hidden\":true}" : ",\"hidden\":false}");
	end_line(j);
	return !s->hidden;
}

static void
json_on_end(struct rows *r)
{
	struct json *j = (struct json *)r;
	const struct out *o = r->out;
	char line[64];
	size_t i;

	put_columns(j);
	(void)snprintf(line, sizeof(line), "{\"end\":true,\"rows\":%lu,\"notices\":[", j->n_rows);
	puts_(j, line);
	for (i = 0; i < o->n_notices && i < OUT_NOTICES; i++) {
		if (i > 0)
			puts_(j, ",");
		put_text(j, o->notices[i]);
	}
	puts_(j, "]}");
	end_line(j);
	print(j);
}

_Noreturn void
rows_json(struct bytes file, rows_reader *read, struct out *o, int fd)
{
	static struct json j;

	j = (struct json){
		.rows = { .out = o,
		    .sheet = json_on_sheet,
		    .row = json_on_row,
		    .end = json_on_end },
		.fd = fd,
		.first = true,
	};
	puts_(&j, "T{\"format\":1,\"kind\":");
	put_text(&j, kind_word(o->kind));
	puts_(&j, "}\n");
	read(file, &j.rows);
	_exit(0);
}
