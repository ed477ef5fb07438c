/*
 * A table of aligned columns for people. Cells may hold anything: control characters, which a
 * terminal would obey, are shown as "?". Widths are counted in code points. One thread.
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

/* table_row(t, cell, …): adds a struct str for each column, copied. Absent is shown as "-". */
#define table_row(t, ...) table_add((t), (const struct str[]){ __VA_ARGS__ })
void table_add(struct table *t, const struct str *cells);
void table_print(const struct table *t, FILE *out);

/*
 * s with "?" for each control character and each that turns the direction of text around (UAX 9),
 * and "?" where it is not UTF-8; the arena's.
 */
struct str printable(struct arena *a, struct str s);

#endif
