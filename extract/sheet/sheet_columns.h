/*
 * What a table's columns are: names from its first row, and types that all of its cells agree on.
 * Nothing in the rows changes by it: a type is a proposal.
 */
#ifndef MILLRACE_EXTRACT_SHEET_COLUMNS_H
#define MILLRACE_EXTRACT_SHEET_COLUMNS_H

#include "extract/sheet/rows.h"

#define COLUMN_NAME_MAX 200 /* bytes of a name; longer ones are cut */

struct column {
	struct bytes name; /* made unique: "name (2)"; "column 4" where the file has none */
	unsigned could; /* the types that fit all cells so far, a set of bits */
	bool any; /* there were cells */
	unsigned suffix; /* the last that was given to a name equal to this one */
};

/* Zeroed at first; may be used for one table after the other. */
struct columns {
	struct column *p; /* ROWS_COLUMNS_MAX */
	size_t n;
	char *text; /* of the names: cap bytes, len used */
	size_t len, cap;
	unsigned short *slots; /* a hash table of names: a column's number + 1, 0: free */
};

/* Begins a table with its first row. */
void columns_begin(struct columns *c, const struct row *first);

/* Sees one of the rows below. */
void columns_see(struct columns *c, const struct row *row);

/* "text", "number", "date" and the like; *order is NULL, or that of a date in text. */
const char *column_type(const struct column *c, const char **order);

/* True when a text could be a column's name: it holds a letter, and is no number or date. */
bool column_is_name(struct bytes b);

#endif
