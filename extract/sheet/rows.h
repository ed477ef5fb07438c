/*
 * Tables as rows: what an Excel workbook, an OpenDocument spreadsheet, a CSV file and JSON's
 * objects have in common. A reader (xlsx.c, ods.c, csv.c, json.c) hands each sheet and each of its
 * rows with content, in order, to a user: rows_text() makes the document's text of them,
 * rows_json() prints them for programs.
 *
 * Digits are those of the file: a number is decimal text and never passes through a double. What a
 * row points to is valid until the callback returns. One thread; the worker frees nothing.
 */
#ifndef MILLRACE_EXTRACT_ROWS_H
#define MILLRACE_EXTRACT_ROWS_H

#include "extract/out.h"

#define ROWS_COLUMNS_MAX 16384 /* of a sheet, as in Excel and LibreOffice: to XFD */
#define ROWS_NUMBER_MAX 10000000ul /* of a row; Excel and LibreOffice end at 1048576 */
#define ROWS_CELLS_MAX 20000000ul /* in all rows of a file */

enum cell_type {
	CELL_EMPTY,
	CELL_TEXT,
	CELL_NUMBER, /* -1234.5: plain decimal notation, of any length */
	CELL_PERCENTAGE, /* 0.125 */
	CELL_DATE, /* these four in ISO 8601: 2024-03-05 */
	CELL_TIME, /* 23:30:00 */
	CELL_DATETIME, /* 2024-03-05T23:30:00; without a zone, which spreadsheets do not know */
	CELL_DURATION, /* PT37H30M */
	CELL_BOOLEAN, /* true or false */
	CELL_ERROR, /* #DIV/0! */
};

struct cell {
	enum cell_type type;
	bool uncalculated; /* a formula whose result is not in the file; the cell is empty */
	struct bytes value;
	struct bytes shown; /* what a reader sees: 12.5%, 37:30, 1,234.50 € */
	struct bytes link; /* the address behind it; n = 0: none */
};

struct sheet {
	const char *name; /* "" in CSV and JSON, which have one sheet */
	bool hidden;
	bool untyped; /* all cells are text: CSV, JSON */
};

struct row {
	unsigned long number; /* from 1, as a spreadsheet program counts */
	bool hidden; /* by hand or by a filter */
	bool totals; /* of a table, not data of their own */
	bool untyped; /* as its sheet */
	const struct cell *cells; /* from column A; what a merged range covers is empty */
	size_t n; /* up to the last with content; in CSV all that are there, "" too */
};

struct rows {
	struct out *out; /* for notices */
	/* Begins a sheet. False: its rows are not wanted. */
	bool (*sheet)(struct rows *r, const struct sheet *s);
	void (*row)(struct rows *r, const struct row *row);
	/* Ends the last sheet, when the file has been read to its end. */
	void (*end)(struct rows *r);
};

/* Hands over all rows of a file; fail() where it cannot be read. Calls end(). */
typedef void rows_reader(struct bytes file, struct rows *r);
rows_reader xlsx_rows, ods_rows, csv_rows, json_rows;

/*
 * The reader of a file of that kind; NULL: rows cannot be read from it. Text that is not said to be
 * anything else is JSON where it begins so, or else CSV.
 */
rows_reader *rows_reader_of(enum kind k, struct bytes file);

/* Does the file begin as JSON with rows does? */
bool json_is_likely(struct bytes file);

/*
 * Appends the text of all visible sheets to o. Rows are lines, tabs separate cells. Blocks hold as
 * many rows as make a passage, under the marks "sheet Stock A1:D40", or "rows 2 to 80" where there
 * are no sheets. A first row of names is repeated at the beginning of each further block, since a
 * row means little without them; the mark does not count it.
 */
void rows_text(struct bytes file, rows_reader *read, struct out *o);

/*
 * Prints all visible sheets to descriptor fd as lines of JSON (RFC 8259), and ends the worker with
 * success. They are printed while the file is read, each write ending with a line:
 *
 *   {"format":1,"kind":"xlsx"}                            first
 *   {"sheet":"Stock","hidden":false}                      begins a sheet; no rows follow where true
 *   {"row":2,"cells":["Lamp",{"type":"number","value":"4"},null]}
 *                           with "hidden":true and "totals":true where it is a hidden row, totals
 *   {"columns":[{"name":"Item","type":"text"},...]}       ends a sheet that has rows
 *   {"end":true,"rows":2,"notices":["..."]}               last; without it rows are missing
 *
 * A cell is null, a string, or an object: "type" (the words of enum cell_type), "value", "shown"
 * where that differs, "link", and "uncalculated":true where it is.
 * "columns" takes names from the first row, made unique ("name", "name (2)", "column 4"), and
 * proposes types for the rows below by all their cells: "text" unless all agree. What a CSV file
 * holds is classified by its form, and stays text in the rows: numbers with a leading zero or plus,
 * exponents and more than 15 digits are text, and so is a date, unless all of its column can be
 * read in one order ("order": "ymd", "dmy", "mdy"; "unclear" where two fit).
 */
_Noreturn void rows_json(struct bytes file, rows_reader *read, struct out *o, int fd);

/* The row that a reader is filling. Zeroed at first. */
struct row_maker {
	struct rows *to;
	struct cell *cells; /* ROWS_COLUMNS_MAX */
	size_t n; /* cells up to the last with content */
	char *text; /* `cap` bytes for what the cells point to, `len` of them used */
	size_t len, cap;
	bool untyped; /* of the sheet */
	unsigned long n_cells; /* in all rows so far */
};

/* Prepares it for the rows of a file. */
void row_begin(struct row_maker *m, struct rows *to);

/* A copy of n bytes that lives until the row has been handed over. */
struct bytes row_copy(struct row_maker *m, const char *p, size_t n);

/* Puts a cell at a column (from 0). Columns that do not exist end the worker. */
void row_put(struct row_maker *m, size_t column, struct cell c);

/*
 * Hands the row over `times` times, one below the other, where it has content, and empties it. Of
 * `row` it takes the number and what kind of row it is.
 */
void row_end(struct row_maker *m, struct row row, unsigned long times);

#endif
