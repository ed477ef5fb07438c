/*
 * JSON with rows (RFC 8259): an array of objects, of arrays or of values, an object that has one of
 * the first two, as services reply, or one value behind the other, a line each (JSON Lines). json-c
 * reads one value at a time, so that only the file itself is in memory. Numbers keep their digits.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "extract/sheet/rows.h"
#include "extract/text/charset.h"

#define DEPTH_MAX 32
#define ITEMS_DEPTH 3 /* of objects around an array of rows */
#define FLAT_DEPTH 4 /* of objects in a row whose members are its own */
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

/* The next value of the text but null, the caller's; NULL at its end. */
static json_object *
read_value(struct json_file *f)
{
	enum json_tokener_error e = json_tokener_success;
	json_object *value = NULL;

	while (value == NULL && e == json_tokener_success) {
		skip(f);
		if (f->at >= f->text.n || f->text.p[f->at] == ']')
			return NULL;
		json_tokener_reset(f->tokener);
		value = json_tokener_parse_ex(
		    f->tokener, (const char *)f->text.p + f->at, (int)(f->text.n - f->at));
		e = json_tokener_get_error(f->tokener);
		if (e == json_tokener_success)
			f->at += json_tokener_get_parse_end(f->tokener);
	}
	if (e == json_tokener_continue)
		fail("The JSON ends too soon, in what begins in line %lu.", line_of(f, f->at));
	if (e != json_tokener_success)
		fail("The JSON cannot be read from line %lu on: %s.", line_of(f, f->at),
		    json_tokener_error_desc(e));
	return value;
}

static json_object *
next_row(struct json_file *f)
{
	json_object *row = NULL;

	if (f->items == NULL)
		return read_value(f);
	while (row == NULL && f->next < json_object_array_length(f->items))
		row = json_object_array_get_idx(f->items, f->next++);
	return json_object_get(row);
}

/* Is it an array of objects, or of arrays? Its first value but null tells. */
static bool
has_rows(const json_object *o)
{
	const json_object *first = NULL;

	if (!json_object_is_type(o, json_type_array))
		return false;
	for (size_t i = 0; first == NULL && i < json_object_array_length(o); i++)
		first = json_object_array_get_idx(o, i);
	return json_object_is_type(first, json_type_object) ||
	       json_object_is_type(first, json_type_array);
}

/*
 * Of a lone object, as a service replies: its first member that is an array of rows, or else that
 * of a member: {"data": {"items": [...]}}.
 */
static json_object *
find_items(json_object *reply, int depth)
{
	json_object *items = NULL;

	json_object_object_foreach (reply, name, value) {
		(void)name;
		if (has_rows(value))
			return value;
	}
	json_object_object_foreach (reply, key, member) {
		(void)key;
		if (items == NULL && depth > 0 && json_object_is_type(member, json_type_object))
			items = find_items(member, depth - 1);
	}
	return items;
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
		f->items = find_items(first, ITEMS_DEPTH);
	if (f->items == NULL)
		json_object_put(first);
	rewind_rows(f);
}

/*
 * Calls `use` with each value of a row and its name: those of an object in it are the row's own,
 * under both names ("contact.email").
 */
static void
each_value(struct json_file *f, json_object *row, const char *prefix, int depth,
    void (*use)(struct json_file *f, const char *name, json_object *value))
{
	char path[NAME_MAX_BYTES + 1];

	json_object_object_foreach (row, name, value) {
		const char *whole = *prefix ? path : name;
		size_t n = strlen(name);

		if (*prefix)
			n = (size_t)snprintf(path, sizeof(path), "%s.%s", prefix, name);
		if (n > NAME_MAX_BYTES)
			f->dropped++;
		else if (depth > 0 && json_object_is_type(value, json_type_object))
			each_value(f, value, whole, depth - 1, use);
		else
			use(f, whole, value);
	}
}

static void
add_name(struct json_file *f, const char *name, json_object *value)
{
	int n = json_object_object_length(f->names);

	(void)value;
	if (json_object_object_get_ex(f->names, name, NULL))
		return;
	if (n >= NAMES_MAX)
		f->dropped++;
	else
		json_object_object_add(f->names, name, json_object_new_int(n));
}

/* All names that rows have, in the order in which they come. */
static void
collect_names(struct json_file *f)
{
	json_object *row;

	for (; (row = next_row(f)) != NULL; json_object_put(row))
		if (json_object_is_type(row, json_type_object))
			each_value(f, row, "", FLAT_DEPTH, add_name);
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

/* ["a@b.example", "c@d.example"] as a person writes it: with semicolons. NULL: it is no such. */
static json_object *
joined(const json_object *list)
{
	size_t n = json_object_array_length(list), len = 0, room = 1;
	json_object *text;
	char *to;

	for (size_t i = 0; i < n; i++) {
		const json_object *one = json_object_array_get_idx(list, i);

		if (!json_object_is_type(one, json_type_string))
			return NULL;
		room += (size_t)json_object_get_string_len(one) + 2;
	}
	to = grow(NULL, room);
	for (size_t i = 0; i < n; i++) {
		json_object *one = json_object_array_get_idx(list, i);
		size_t one_len = (size_t)json_object_get_string_len(one);

		memcpy(to + len, "; ", i > 0 ? 2 : 0);
		len += i > 0 ? 2 : 0;
		memcpy(to + len, json_object_get_string(one), one_len);
		len += one_len;
	}
	text = json_object_new_string_len(to, (int)len);
	free(to);
	return text;
}

static void
put_cell(struct json_file *f, size_t column, json_object *value)
{
	struct cell c = { .type = CELL_TEXT };
	const char *text;
	size_t n;

	if (json_object_is_type(value, json_type_array)) {
		json_object *text_of_all = joined(value);

		if (text_of_all != NULL) {
			put_cell(f, column, text_of_all);
			json_object_put(text_of_all);
			return;
		}
	}
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
put_named(struct json_file *f, const char *name, json_object *value)
{
	json_object *column;

	if (json_object_object_get_ex(f->names, name, &column))
		put_cell(f, (size_t)json_object_get_int(column), value);
}

static void
put_row(struct json_file *f, json_object *row)
{
	if (json_object_is_type(row, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(row) && i < ROWS_COLUMNS_MAX; i++)
			put_cell(f, i, json_object_array_get_idx(row, i));
		return;
	}
	if (!json_object_is_type(row, json_type_object)) {
		put_cell(f, 0, row);
		return;
	}
	each_value(f, row, "", FLAT_DEPTH, put_named);
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
	static const char *const marks[] = { "\xef\xbb\xbf", "\xff\xfe", "\xfe\xff" };
	bool wide = false;
	size_t i = 0;

	for (size_t m = 0; m < sizeof(marks) / sizeof(marks[0]); m++)
		if (file.n >= strlen(marks[m]) && memcmp(file.p, marks[m], strlen(marks[m])) == 0) {
			i = strlen(marks[m]);
			wide = m > 0;
		}
	/* Of UTF-16 each second byte is zero in what matters here. */
	while (i < file.n && (isspace(file.p[i]) || (wide && file.p[i] == 0)))
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
		put_row(&f, row);
		row_end(&f.row, (struct row){ .number = number++ }, 1);
	}
	notice(&f, r->out);
	r->end(r);
}
