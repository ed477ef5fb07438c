#include "extract/sheet/sheet_columns.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "extract/sheet/sheet_format.h"

#define SLOTS 65536 /* more than twice as many as there are columns */
#define NUMBER_DIGITS 15 /* of a text that is a number; more belong to an account or a card */

enum {
	COULD_NUMBER = 1 << 0,
	COULD_YMD = 1 << 1,
	COULD_DMY = 1 << 2,
	COULD_MDY = 1 << 3,
	COULD_DATETIME = 1 << 4,
	COULD_BOOLEAN = 1 << 5,
	COULD_PERCENTAGE = 1 << 6,
	COULD_DATE = 1 << 7, /* by the cell's own type, as the rest */
	COULD_TIME = 1 << 8,
	COULD_DURATION = 1 << 9,
	COULD_ALL = (1 << 10) - 1,
};

static size_t
count_digits(struct bytes b, size_t i)
{
	size_t n = 0;

	while (i + n < b.n && b.p[i + n] >= '0' && b.p[i + n] <= '9')
		n++;
	return n;
}

/* -12.50: no plus, no leading zero, no exponent, no grouping. */
static bool
is_number(struct bytes b)
{
	size_t i = b.n > 0 && b.p[0] == '-', whole = count_digits(b, i), places = 0;

	if (whole == 0 || (whole > 1 && b.p[i] == '0'))
		return false;
	i += whole;
	if (i < b.n && b.p[i] == '.' && (places = count_digits(b, i + 1)) > 0)
		i += 1 + places;
	return i == b.n && whole + places <= NUMBER_DIGITS;
}

/* 13/02/2024, 13.2.2024, 13-02-2024: which of the two orders it can be. */
static unsigned
date_orders(struct bytes b)
{
	size_t n[3], at = 0, i, j;
	int v[3] = { 0 };

	for (i = 0; i < 3; i++) {
		n[i] = count_digits(b, at);
		if (n[i] == 0 || n[i] > 4)
			return 0;
		for (j = 0; j < n[i]; j++)
			v[i] = v[i] * 10 + (b.p[at + j] - '0');
		at += n[i];
		if (i < 2 && (at >= b.n || strchr("/.-", b.p[at]) == NULL))
			return 0;
		at++;
	}
	if (at != b.n + 1 || n[0] > 2 || n[1] > 2 || n[2] != 4 || v[0] == 0 || v[1] == 0)
		return 0;
	return (v[0] <= 31 && v[1] <= 12 ? COULD_DMY : 0u) |
	       (v[0] <= 12 && v[1] <= 31 ? COULD_MDY : 0u);
}

/* What a text could be by its form. */
static unsigned
could_text(struct bytes b)
{
	struct moment m;

	if (is_number(b))
		return COULD_NUMBER;
	if (moment_from_iso(b, &m))
		return m.date && m.time ? COULD_DATETIME
		       : m.date		? COULD_YMD | COULD_DATETIME
					: COULD_TIME;
	if ((b.n == 4 && strncasecmp((const char *)b.p, "true", 4) == 0) ||
	    (b.n == 5 && strncasecmp((const char *)b.p, "false", 5) == 0))
		return COULD_BOOLEAN;
	return date_orders(b);
}

static unsigned
could_cell(const struct cell *c, bool untyped)
{
	switch (c->type) {
	case CELL_TEXT:
		return untyped ? could_text(c->value) : 0;
	case CELL_NUMBER:
		return COULD_NUMBER;
	case CELL_PERCENTAGE:
		return COULD_PERCENTAGE;
	case CELL_DATE:
		return COULD_DATE | COULD_DATETIME;
	case CELL_TIME:
		return COULD_TIME;
	case CELL_DATETIME:
		return COULD_DATETIME;
	case CELL_DURATION:
		return COULD_DURATION;
	case CELL_BOOLEAN:
		return COULD_BOOLEAN;
	case CELL_EMPTY:
	case CELL_ERROR:
		break;
	}
	return COULD_ALL;
}

bool
column_is_name(struct bytes b)
{
	size_t i;

	for (i = 0; i < b.n; i++)
		if (b.p[i] >= 0x80 || ((b.p[i] | 0x20) >= 'a' && (b.p[i] | 0x20) <= 'z'))
			return could_text(b) == 0;
	return false;
}

/* The slot of a name, or the free one where it belongs (FNV-1a, linear probing). */
static size_t
find_slot(const struct columns *c, struct bytes name)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < name.n; i++)
		h = (h ^ name.p[i]) * 16777619u;
	for (i = h % SLOTS; c->slots[i] != 0; i = (i + 1) % SLOTS) {
		const struct bytes *other = &c->p[c->slots[i] - 1].name;

		if (other->n == name.n && memcmp(other->p, name.p, name.n) == 0)
			break;
	}
	return i;
}

/* A copy that lives as long as the table. */
static struct bytes
keep(struct columns *c, const char *p, size_t n)
{
	char *to = c->text + c->len;

	memcpy(to, p, n);
	c->len += n;
	return (struct bytes){ (unsigned char *)to, n };
}

static void
add_name(struct columns *c, struct bytes given)
{
	char base[COLUMN_NAME_MAX + 1], name[COLUMN_NAME_MAX + 32];
	struct column *column = &c->p[c->n];
	struct bytes b;
	size_t slot, taken;

	while (given.n > 0 && strchr(" \t\r\n", given.p[0]) != NULL && given.p[0] != 0)
		given.p++, given.n--;
	while (given.n > 0 && strchr(" \t\r\n", given.p[given.n - 1]) != NULL)
		given.n--;
	if (given.n > 0)
		(void)snprintf(base, sizeof(base), "%.*s",
		    (int)(given.n < COLUMN_NAME_MAX ? given.n : COLUMN_NAME_MAX), given.p);
	else
		(void)snprintf(base, sizeof(base), "column %zu", c->n + 1);
	if (given.n > COLUMN_NAME_MAX)
		out_cut(base, COLUMN_NAME_MAX, COLUMN_NAME_MAX - 4);
	b = (struct bytes){ (const unsigned char *)base, strlen(base) };
	slot = taken = find_slot(c, b);
	while (c->slots[slot] != 0) {
		struct column *first = &c->p[c->slots[taken] - 1];

		if (first->suffix == 0)
			first->suffix = 1;
		b.n = (size_t)snprintf(name, sizeof(name), "%s (%u)", base, ++first->suffix);
		b.p = (const unsigned char *)name;
		slot = find_slot(c, b);
	}
	column->name = keep(c, (const char *)b.p, b.n);
	c->slots[slot] = (unsigned short)(++c->n);
}

/* Columns beyond the first row's have no names of their own. */
static void
extend(struct columns *c, size_t n, const struct row *first)
{
	struct bytes none = { 0 };

	for (size_t i = c->n; i < n; i++) {
		c->p[i] = (struct column){ .could = COULD_ALL };
		add_name(c, first != NULL ? first->cells[i].shown : none);
	}
}

void
columns_begin(struct columns *c, const struct row *first)
{
	if (c->p == NULL) {
		c->p = grow(NULL, ROWS_COLUMNS_MAX * sizeof(*c->p));
		c->slots = grow(NULL, SLOTS * sizeof(*c->slots));
		c->cap = ROWS_COLUMNS_MAX * (COLUMN_NAME_MAX + 32);
		c->text = grow(NULL, c->cap);
	}
	memset(c->slots, 0, SLOTS * sizeof(*c->slots));
	c->n = c->len = 0;
	extend(c, first->n, first);
}

void
columns_see(struct columns *c, const struct row *row)
{
	size_t i;

	extend(c, row->n, NULL);
	for (i = 0; i < row->n && !row->totals; i++) {
		const struct cell *cell = &row->cells[i];

		if (cell->type == CELL_EMPTY || (cell->type == CELL_TEXT && cell->value.n == 0))
			continue;
		c->p[i].any = true;
		c->p[i].could &= could_cell(cell, row->untyped);
	}
}

const char *
column_type(const struct column *c, const char **order)
{
	static const struct {
		unsigned could;
		const char *type;
		const char *order;
	} types[] = {
		{ COULD_NUMBER, "number", NULL },
		{ COULD_YMD | COULD_DATETIME, "date", "ymd" },
		{ COULD_DMY | COULD_MDY, "date", "unclear" },
		{ COULD_DMY, "date", "dmy" },
		{ COULD_MDY, "date", "mdy" },
		{ COULD_DATETIME, "datetime", NULL },
		{ COULD_BOOLEAN, "boolean", NULL },
		{ COULD_PERCENTAGE, "percentage", NULL },
		{ COULD_DATE | COULD_DATETIME, "date", NULL },
		{ COULD_TIME, "time", NULL },
		{ COULD_DURATION, "duration", NULL },
	};
	size_t i;

	*order = NULL;
	for (i = 0; c->any && i < sizeof(types) / sizeof(types[0]); i++)
		if (c->could == types[i].could) {
			*order = types[i].order;
			return types[i].type;
		}
	return "text";
}
