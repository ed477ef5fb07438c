/*
 * Aligned columns for a person. Cells may hold anything: what a terminal would obey (control characters) is shown as "?".
 * Widths are counted in code points.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdio.h>

#include <millrace/arena.h>

#define TABLE_COLUMNS_MAX 10

/* Zero-initialise with the arena, the number of columns and their heads. */
struct table {
	struct arena *a;
	int n; /* columns */
	const char *heads[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX]; /* aligned to the right */
	struct str *cells; /* the rows, one after another */
	size_t n_cells, room;
};

/* table_row(t, cell, …): one struct str for each column; copied. An absent one is shown as "-". */
#define table_row(t, ...) table_add((t), (const struct str[]){ __VA_ARGS__ })
void table_add(struct table *t, const struct str *cells);
void table_print(const struct table *t, FILE *out);

/* s with "?" for every control character and for what is not UTF-8; the arena's. */
struct str printable(struct arena *a, struct str s);

#endif
