/*
 * Cuts CSV into fields. A quote opens a field only at its beginning (spaces before it are dropped)
 * and closes it only before a delimiter or the row's end; all other quotes are characters. A field
 * may have line ends in it; where its closing quote does not fit, its lines are read one by one.
 * Each byte is looked at a bounded number of times.
 */
#ifndef MILLRACE_EXTRACT_CSV_H
#define MILLRACE_EXTRACT_CSV_H

#include "extract/sheet/rows.h"
#include "extract/sheet/sheet_notice.h"

struct csv {
	struct bytes b; /* UTF-8, without a byte order mark */
	unsigned char delimiter;
	size_t at;
	unsigned long line; /* at `at`, from 1 */
	bool more; /* a delimiter was last, so that there is a field, if an empty one */
	size_t by_line_until; /* quotes before this do not go beyond their line */
	size_t literal_until; /* those before this are characters */
	unsigned long unclosed; /* the line of the first that is never closed; 0: none */
	struct lines odd; /* lines with quotes that do not fit */
	char *room; /* for what differs from the file: room_size bytes that are free */
	size_t room_size;
};

struct csv_field {
	struct bytes text; /* lives as long as the worker */
	unsigned long line; /* where it begins */
	bool last; /* of its row; an empty line is a row of one empty field */
};

/* Finds the delimiter: what a first line "sep=;" names, or the one that rows have equally often. */
struct csv csv_begin(struct bytes b);

/* False at the end; the line end at the end of the file begins no row. */
bool csv_next(struct csv *c, struct csv_field *f);

#endif
