/* The row that a reader fills, and which reader is whose. */
#include "extract/sheet/rows.h"

#include <string.h>

rows_reader *
rows_reader_of(enum kind k, struct bytes file)
{
	return k == KIND_XLSX			       ? xlsx_rows
	       : k == KIND_ODS			       ? ods_rows
	       : k == KIND_CSV			       ? csv_rows
	       : k == KIND_TXT && json_is_likely(file) ? json_rows
	       : k == KIND_TXT			       ? csv_rows
						       : NULL;
}

void
row_begin(struct row_maker *m, struct rows *to)
{
	memset(m, 0, sizeof(*m));
	m->to = to;
	m->cells = grow(NULL, ROWS_COLUMNS_MAX * sizeof(*m->cells));
	memset(m->cells, 0, ROWS_COLUMNS_MAX * sizeof(*m->cells));
}

struct bytes
row_copy(struct row_maker *m, const char *p, size_t n)
{
	char *to;

	/* Cells point into the old room, so it stays: all of them together are as large as the
	 * last. */
	if (n > m->cap - m->len) {
		m->cap = m->cap * 2 + n + 4096;
		m->text = grow(NULL, m->cap);
		m->len = 0;
	}
	if (n == 0)
		return (struct bytes){ 0 };
	to = m->text + m->len;
	memcpy(to, p, n);
	m->len += n;
	return (struct bytes){ (unsigned char *)to, n };
}

void
row_put(struct row_maker *m, size_t column, struct cell c)
{
	if (column >= ROWS_COLUMNS_MAX)
		fail("A row has more than %d columns, which is refused.", ROWS_COLUMNS_MAX);
	if (c.type == CELL_EMPTY && !c.uncalculated && column >= m->n)
		return;
	m->cells[column] = c;
	if (column >= m->n)
		m->n = column + 1;
}

void
row_end(struct row_maker *m, struct row row, unsigned long times)
{
	row.untyped = m->untyped;
	row.cells = m->cells;
	row.n = m->n;
	if (m->n > 0 &&
	    (times > (ROWS_CELLS_MAX - m->n_cells) / m->n || row.number > ROWS_NUMBER_MAX))
		fail("The file's tables have more than %lu cells, which is refused.",
		    ROWS_CELLS_MAX);
	for (; m->n > 0 && times > 0; times--, row.number++) {
		m->n_cells += m->n;
		m->to->row(m->to, &row);
	}
	memset(m->cells, 0, m->n * sizeof(*m->cells));
	m->n = m->len = 0;
}
