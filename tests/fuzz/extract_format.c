/*
 * Numbers and number formats: the first line is a number, or a moment in ISO 8601, the rest a
 * format. Digits written out and read again are the same number, and so are moments.
 */
#include "extract/sheet/sheet_format.h"
#include "worker.h"

static bool
equal(const struct decimal *a, const struct decimal *b)
{
	return a->negative == b->negative && a->n == b->n && a->point == b->point &&
	       memcmp(a->digits, b->digits, a->n) == 0;
}

static void
show(struct out *o, const char *p, size_t n)
{
	out_paragraph(o, p, n);
}

static void
check_moment(struct out *o, const struct moment *m, enum cell_type type)
{
	char text[MOMENT_TEXT];
	size_t n = moment_value(m, type, text);
	struct bytes b = { (const unsigned char *)text, n };
	struct moment again;

	assert(n > 0 && n < MOMENT_TEXT);
	if (type == CELL_DURATION)
		assert(moment_from_duration(b, &again) && again.ms == m->ms);
	else
		assert(moment_from_iso(b, &again) && again.ms == m->ms && again.year == m->year &&
		       again.month == m->month && again.day == m->day);
	show(o, text, moment_shown(m, type, true, text));
	show(o, text, moment_shown(m, type, false, text));
}

static void
check_number(struct out *o, const struct decimal *d, struct bytes code)
{
	struct format f = format_parse(code);
	char text[DECIMAL_TEXT], shown[FORMAT_SHOWN];
	struct decimal again;
	struct moment m;
	size_t n = decimal_write(d, text);

	assert(decimal_parse((struct bytes){ (const unsigned char *)text, n }, &again));
	assert(equal(d, &again));
	n = decimal_general(d, text);
	assert(decimal_parse((struct bytes){ (const unsigned char *)text, n }, &again));
	n = format_number(&f, d, shown);
	assert(n <= FORMAT_SHOWN);
	show(o, shown, n);
	if (f.type == CELL_NUMBER || f.type == CELL_PERCENTAGE)
		f.type = CELL_DATETIME;
	if (moment_from_serial(d, false, f.type, &m) == MOMENT_OK)
		check_moment(o, &m, f.type);
	if (moment_from_serial(d, true, CELL_DURATION, &m) == MOMENT_OK)
		check_moment(o, &m, CELL_DURATION);
}

static void
read_all(struct bytes b, struct out *o)
{
	const unsigned char *end = memchr(b.p, '\n', b.n);
	struct bytes first = { b.p, end != NULL ? (size_t)(end - b.p) : b.n };
	struct bytes code = { b.p + first.n, b.n - first.n };
	struct decimal d;
	struct moment m;

	if (code.n > 0)
		code = (struct bytes){ code.p + 1, code.n - 1 };
	if (decimal_parse(first, &d))
		check_number(o, &d, code);
	if (moment_from_iso(first, &m))
		check_moment(o, &m, CELL_DATETIME);
	if (moment_from_duration(first, &m))
		check_moment(o, &m, CELL_DURATION);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	if (n > 0)
		worker_read(read_all, KIND_XLSX, (struct bytes){ bytes, n });
	return 0;
}
