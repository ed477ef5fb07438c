#include "extract/sheet/sheet_ref.h"

#include <stdio.h>
#include <string.h>

#include "extract/sheet/rows.h"

static bool
is_letter(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool
ref_parse(struct bytes b, struct ref *r)
{
	size_t i = 0, column = 0, digits;
	unsigned long row = 0;

	for (; i < b.n && b.p[i] == '$'; i++)
		;
	for (; i < b.n && is_letter(b.p[i]); i++)
		if ((column = column * 26 + (b.p[i] & 0x1Fu)) > ROWS_COLUMNS_MAX)
			return false;
	for (; i < b.n && b.p[i] == '$'; i++)
		;
	for (digits = i; i < b.n && b.p[i] >= '0' && b.p[i] <= '9'; i++)
		if ((row = row * 10 + (b.p[i] - (unsigned)'0')) > ROWS_NUMBER_MAX)
			return false;
	if (i != b.n || digits == b.n || column == 0 || row == 0)
		return false;
	*r = (struct ref){ row, column - 1 };
	return true;
}

bool
range_parse(struct bytes b, struct range *r)
{
	const unsigned char *colon = b.n > 0 ? memchr(b.p, ':', b.n) : NULL;
	size_t n = colon != NULL ? (size_t)(colon - b.p) : b.n;
	struct ref x, y;

	if (!ref_parse((struct bytes){ b.p, n }, &x))
		return false;
	y = x;
	if (colon != NULL && !ref_parse((struct bytes){ colon + 1, b.n - n - 1 }, &y))
		return false;
	r->from.row = x.row < y.row ? x.row : y.row;
	r->from.column = x.column < y.column ? x.column : y.column;
	r->to.row = x.row < y.row ? y.row : x.row;
	r->to.column = x.column < y.column ? y.column : x.column;
	return true;
}

size_t
ref_write(struct ref r, char to[REF_MAX])
{
	char letters[8];
	size_t n = 0, i, c = r.column + 1;

	for (; c > 0 && n < sizeof(letters); c = (c - 1) / 26)
		letters[n++] = (char)('A' + (c - 1) % 26);
	for (i = 0; i < n; i++)
		to[i] = letters[n - 1 - i];
	return n + (size_t)snprintf(to + n, REF_MAX - n, "%lu", r.row % 1000000000000ul);
}
