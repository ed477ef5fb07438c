/* Prints a table of aligned columns. */
#include <unictype.h>
#include <unistr.h>

#include "table.h"

struct str
printable(struct arena *a, struct str s)
{
	struct buf b = { .a = a };
	ucs4_t c;
	size_t i, n;

	buf_put(&b, S(""));
	if (!str_utf8(s))
		return S("?");
	for (i = 0; i < s.n; i += n) {
		n = (size_t)u8_mbtouc(&c, (const uint8_t *)s.p + i, s.n - i);
		if (uc_is_general_category(c, UC_CONTROL) || uc_is_property_bidi_control(c))
			buf_put(&b, S("?"));
		else
			buf_put(&b, (struct str){ s.p + i, n });
	}
	return buf_str(&b);
}

void
table_add(struct table *t, const struct str *cells)
{
	struct str *more;
	int i;

	if (t->n_cells + (size_t)t->n > t->room) {
		t->room = t->room * 2 + 64 * (size_t)t->n;
		more = arena_alloc(t->a, t->room * sizeof(*more));
		if (t->n_cells > 0)
			memcpy(more, t->cells, t->n_cells * sizeof(*more));
		t->cells = more;
	}
	for (i = 0; i < t->n; i++)
		t->cells[t->n_cells++] = cells[i].p != NULL ? printable(t->a, cells[i]) : S("-");
}

static void
row_print(const struct table *t, const struct str *cells, const size_t *widths, FILE *out)
{
	size_t pad;
	int i;

	for (i = 0; i < t->n; i++) {
		pad = widths[i] - str_chars(cells[i]);
		if (t->right[i])
			(void)fprintf(out, "%*s", (int)pad, "");
		(void)fwrite(cells[i].p, 1, cells[i].n, out);
		if (i < t->n - 1)
			(void)fprintf(out, "%*s", (int)(t->right[i] ? 2 : pad + 2), "");
	}
	(void)fputc('\n', out);
}

void
table_print(const struct table *t, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX], i, column;
	struct str heads[TABLE_COLUMNS_MAX];

	for (i = 0; i < (size_t)t->n; i++) {
		heads[i] = str_from(t->heads[i]);
		widths[i] = heads[i].n;
	}
	for (i = 0; i < t->n_cells; i++) {
		column = i % (size_t)t->n;
		if (str_chars(t->cells[i]) > widths[column])
			widths[column] = str_chars(t->cells[i]);
	}
	row_print(t, heads, widths, out);
	for (i = 0; i < t->n_cells; i += (size_t)t->n)
		row_print(t, t->cells + i, widths, out);
}
