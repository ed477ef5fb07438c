/* References to cells (ECMA-376 part 1, 18.3.1.4: "AB12"; ranges "A1:D40"). Pure. */
#ifndef MILLRACE_EXTRACT_SHEET_REF_H
#define MILLRACE_EXTRACT_SHEET_REF_H

#include "extract/extract.h"

#define REF_MAX 24 /* bytes of a reference that ref_write() writes, with its NUL */

struct ref {
	unsigned long row; /* from 1 */
	size_t column; /* from 0 */
};

struct range {
	struct ref from, to; /* from is the upper left */
};

/* False, with nothing written, where the bytes are not a reference within a sheet's bounds. */
bool ref_parse(struct bytes b, struct ref *r);

/* Takes also a single cell, and corners in any order. */
bool range_parse(struct bytes b, struct range *r);

/* Writes "AB12" with its NUL; returns its length. */
size_t ref_write(struct ref r, char to[REF_MAX]);

#endif
