/*
 * JSON with rows (RFC 8259): an array of objects or of arrays, an object that has such an array, as
 * services reply, or one value behind the other, a line each (JSON Lines). json-c reads one value
 * at a time, so that only the file itself is in memory. Numbers keep their digits.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "extract/sheet/rows.h"
#include "extract/text/charset.h"

#define DEPTH_MAX 32
#define NAMES_MAX 1000
#define NAME_MAX_BYTES 200

struct json_file {
	struct bytes text;
	size_t at;
	json_object *items; /* an array whose elements are the rows; NULL: all values are */
	size_t next; /* of them */
	json_tokener *tokener;
	json_object *names; /* each with its column */
	struct row_maker row;
	unsigned long nuls, large, dropped; /* what notices tell of */
};

/* What may stand between values: blanks, an array's brackets, commas. */
static bool
is_between(unsigned char c)
{
	return isspace(c) || c == ',';
}

static void
skip(struct json_file *f)
{
	while (f->at < f->text.n && is_between(f->text.p[f->at]))
		f->at++;
}

static unsigned long
line_of(const struct json_file *f, size_t at)
{
	unsigned long line = 1;

	for (size_t i = 0; i < at && i < f->text.n; i++)
		line += f->text.p[i] == '\n';
	return line;
}

/* The next value of the text, the caller's; NULL at its end. */
static json_object *
read_value(struct json_file *f)
{
	json_object *value;

	skip(f);
	if (f->at >= f->text.n || f->text.p[f->at] == ']')
		return NULL;
	json_tokener_reset(f->tokener);
	value = json_tokener_parse_ex(
	    f->tokener, (const char *)f->text.p + f->at, (int)(f->text.n - f->at));
	if (value == NULL && json_tokener_get_error(f->tokener) == json_tokener_continue)
		fail("The JSON ends too soon, in what begins in line %lu.", line_of(f, f->at));
	if (value == NULL)
		fail("The JSON cannot be read from line %lu on: %s.", line_of(f, f->at),
		    json_tokener_error_desc(json_tokener_get_error(f->tokener)));
	f->at += json_tokener_get_parse_end(f->tokener);
	return value;
}

static json_object *
next_row(struct json_file *f)
{
	if (f->items == NULL)
		return read_value(f);
	if (f->next >= json_object_array_length(f->items))
		return NULL;
	return json_object_get(json_object_array_get_idx(f->items, f->next++));
}

static bool
is_row(const json_object *o)
{
	return json_object_is_type(o, json_type_object) || json_object_is_type(o, json_type_array);
}

/* Of a lone object, as a service replies: its first member that is an array of rows. */
static json_object *
find_items(json_object *reply)
{
	json_object_object_foreach (reply, name, value) {
		(void)name;
		if (json_object_is_type(value, json_type_array) &&
		    json_object_array_length(value) > 0 &&
		    is_row(json_object_array_get_idx(value, 0)))
			return value;
	}
	return NULL;
}

/* To the first row. */
static void
rewind_rows(struct json_file *f)
{
	f->next = 0;
	for (f->at = 0; f->at < f->text.n && isspace(f->text.p[f->at]); f->at++)
		;
	if (f->at < f->text.n && f->text.p[f->at] == '[')
		f->at++;
}

static void
begin(struct json_file *f)
{
	json_object *first;

	rewind_rows(f);
	if (f->at > 0 && f->text.p[f->at - 1] == '[')
		return;
	first = read_value(f);
	skip(f);
	if (f->at >= f->text.n && json_object_is_type(first, json_type_object))
		f->items = find_items(first);
	if (f->items == NULL)
		json_object_put(first);
	rewind_rows(f);
}

/* All names that rows have, in the order in which they come. */
static void
collect_names(struct json_file *f)
{
	json_object *row;

	for (; (row = next_row(f)) != NULL; json_object_put(row)) {
		if (!json_object_is_type(row, json_type_object))
			continue;
		json_object_object_foreach (row, name, value) {
			int n = json_object_object_length(f->names);

			(void)value;
			if (json_object_object_get_ex(f->names, name, NULL))
				continue;
			if (n >= NAMES_MAX || strlen(name) > NAME_MAX_BYTES)
				f->dropped++;
			else
				json_object_object_add(f->names, name, json_object_new_int(n));
		}
	}
	rewind_rows(f);
}

/* A copy without NUL, which nothing that takes rows bears. */
static struct bytes
copy_text(struct json_file *f, const char *p, size_t n)
{
	struct bytes b = row_copy(&f->row, p, n);
	unsigned char *w = (unsigned char *)(uintptr_t)b.p;

	for (size_t i = 0; i < n; i++)
		if (w[i] == '\0') {
			w[i] = ' ';
			f->nuls++;
		}
	return b;
}

static void
put_cell(struct json_file *f, size_t column, json_object *value)
{
	struct cell c = { .type = CELL_TEXT };
	const char *text;
	size_t n;

	if (value == NULL)
		return;
	/* json-c gives the greatest there is for what is greater. */
	if (json_object_is_type(value, json_type_int) &&
	    (json_object_get_int64(value) == INT64_MIN ||
		json_object_get_uint64(value) == UINT64_MAX)) {
		f->large++;
		return;
	}
	if (json_object_is_type(value, json_type_string)) {
		text = json_object_get_string(value);
		n = (size_t)json_object_get_string_len(value);
	} else {
		text = json_object_to_json_string_length(value, JSON_C_TO_STRING_PLAIN, &n);
	}
	c.value = c.shown = copy_text(f, text, n);
	row_put(&f->row, column, c);
}

static void
put_row(struct json_file *f, json_object *row)
{
	json_object *column;

	if (json_object_is_type(row, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(row) && i < ROWS_COLUMNS_MAX; i++)
			put_cell(f, i, json_object_array_get_idx(row, i));
		return;
	}
	json_object_object_foreach (row, name, value) {
		if (json_object_object_get_ex(f->names, name, &column))
			put_cell(f, (size_t)json_object_get_int(column), value);
	}
}

static void
notice(const struct json_file *f, struct out *o)
{
	if (f->nuls > 0)
		out_notice(o, "NUL characters were replaced by spaces: %lu.", f->nuls);
	if (f->large > 0)
		out_notice(o, "Numbers of more than 19 digits were left out: %lu.", f->large);
	if (f->dropped > 0)
		out_notice(o, "Only the first %d names of values were taken.", NAMES_MAX);
}

bool
json_is_likely(struct bytes file)
{
	size_t i = file.n >= 3 && memcmp(file.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (i < file.n && isspace(file.p[i]))
		i++;
	return i < file.n && (file.p[i] == '{' || file.p[i] == '[');
}

void
json_rows(struct bytes file, struct rows *r)
{
	static const struct sheet sheet = { .name = "", .untyped = true };
	struct json_file f = { .text = charset_text(file, r->out->charset, r->out) };
	unsigned long number = 1;
	json_object *row;

	f.tokener = json_tokener_new_ex(DEPTH_MAX);
	f.names = json_object_new_object();
	row_begin(&f.row, r);
	f.row.untyped = true;
	(void)r->sheet(r, &sheet);
	begin(&f);
	collect_names(&f);
	json_object_object_foreach (f.names, name, column) {
		struct bytes b = row_copy(&f.row, name, strlen(name));

		row_put(&f.row, (size_t)json_object_get_int(column),
		    (struct cell){ .type = CELL_TEXT, .value = b, .shown = b });
	}
	if (json_object_object_length(f.names) > 0)
		row_end(&f.row, (struct row){ .number = number++ }, 1);
	for (; (row = next_row(&f)) != NULL; json_object_put(row)) {
		if (!is_row(row))
			continue;
		put_row(&f, row);
		row_end(&f.row, (struct row){ .number = number++ }, 1);
	}
	notice(&f, r->out);
	r->end(r);
}
