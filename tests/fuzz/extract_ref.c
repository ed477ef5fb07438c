/* References to cells and ranges: what is read is written the same again. */
#include "extract/sheet/rows.h"
#include "extract/sheet/sheet_ref.h"
#include "worker.h"

static void
check(struct ref r)
{
	char text[REF_MAX];
	size_t n = ref_write(r, text);
	struct ref again;

	assert(n > 1 && n < REF_MAX && r.row >= 1 && r.row <= ROWS_NUMBER_MAX);
	assert(r.column < ROWS_COLUMNS_MAX);
	assert(ref_parse((struct bytes){ (unsigned char *)text, n }, &again));
	assert(again.row == r.row && again.column == r.column);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct range r;
	struct ref at;

	if (ref_parse((struct bytes){ bytes, n }, &at))
		check(at);
	if (range_parse((struct bytes){ bytes, n }, &r)) {
		check(r.from);
		check(r.to);
		assert(r.from.row <= r.to.row && r.from.column <= r.to.column);
	}
	return 0;
}
