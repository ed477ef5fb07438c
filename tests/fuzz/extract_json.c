/* Rows of JSON: whatever the bytes, cells are text of the file, and rows come in order. */
#include "extract/sheet/rows.h"
#include "worker.h"

struct seen {
	struct rows rows;
	unsigned long number;
	bool ended;
};

static bool
on_sheet(struct rows *r, const struct sheet *s)
{
	(void)r;
	return !s->hidden;
}

static void
on_row(struct rows *r, const struct row *row)
{
	struct seen *s = (struct seen *)r;

	assert(row->number > s->number && row->n > 0 && row->n <= ROWS_COLUMNS_MAX && !s->ended);
	s->number = row->number;
	for (size_t i = 0; i < row->n; i++)
		assert(row->cells[i].value.n == 0 ||
		       memchr(row->cells[i].value.p, '\0', row->cells[i].value.n) == NULL);
}

static void
on_end(struct rows *r)
{
	((struct seen *)r)->ended = true;
}

static void
read_rows(struct bytes b, struct out *o)
{
	struct seen s = { .rows = { .out = o, .sheet = on_sheet, .row = on_row, .end = on_end } };

	json_rows(b, &s.rows);
	assert(s.ended);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	worker_read(read_rows, KIND_TXT, (struct bytes){ bytes, n });
	return 0;
}
