/*
 * Excel workbooks (ECMA-376 part 1, 18: SpreadsheetML), transitional and strict: what all sheets of
 * a workbook share, and the reading of one. Zeroed at first.
 */
#ifndef MILLRACE_EXTRACT_XLSX_H
#define MILLRACE_EXTRACT_XLSX_H

#include "extract/package/package.h"
#include "extract/sheet/sheet_format.h"

/* How the cells of a style are shown (18.8.10). */
struct style {
	const struct format *format;
	bool quoted; /* a number in it is text */
};

struct strings {
	char *text; /* one after the other: cap bytes, len used */
	size_t len, cap;
	uint32_t *ends; /* where each ends */
	size_t n, room;
};

struct xlsx {
	struct package package;
	struct rows *rows;
	struct row_maker maker;
	struct strings strings;
	struct style *styles;
	size_t n_styles;
	bool epoch_1904;
	const char *sheet; /* the name of the one that is read */
	struct marks *marks; /* its */
	unsigned long n_uncalculated; /* formulas */
	unsigned long n_missing; /* cells whose shared string is not there */
	bool told_long, told_1900; /* notices that are given once */
};

/* xlsx_book.c: reads the styles and the shared strings; NULL: the workbook has none. */
void xlsx_styles(struct xlsx *x, const char *part);
void xlsx_strings(struct xlsx *x, const char *part);

/*
 * Replaces "_x000D_" and the like (18.18.101, ST_Xstring) in the n bytes at p, in place; returns
 * the new length.
 */
size_t xlsx_unescape(char *p, size_t n);

/* xlsx_sheet.c: reads a worksheet's rows. */
void xlsx_sheet(struct xlsx *x, const char *part);

/* xlsx_marks.c: what stands around the rows of a sheet. */
struct marks;

/* Reads the merged ranges, links and tables of a worksheet, in place of the last one's. */
void xlsx_marks(struct xlsx *x, const char *part);

/* Rows come in order: to be called before the cells of each. True where a table's totals are. */
bool marks_row(struct marks *m, unsigned long row);

/* Whether a cell of that row is covered by a merged range, and the address behind it. */
bool marks_covers(const struct marks *m, size_t column);
struct bytes marks_link(const struct marks *m, size_t column);

#endif
