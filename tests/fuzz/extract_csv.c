/* CSV: whatever the bytes, fields are pieces of the file, in order, and rows come in order. */
#include "extract/text/charset.h"
#include "extract/sheet/csv.h"
#include "worker.h"

static void
read_both(struct bytes b, struct out *o)
{
	struct csv c = csv_begin(charset_text(b, NULL, o));
	size_t n = 0, line = 0;
	struct csv_field f = { .last = true };

	while (csv_next(&c, &f)) {
		assert(f.line >= line && f.text.n <= b.n * 3);
		line = f.line;
		n++;
	}
	assert(f.last && n <= b.n * 3 + 1);
	csv_read(b, o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	worker_read(read_both, KIND_CSV, (struct bytes){ bytes, n });
	return 0;
}
