/*
 * Lines of a page, and how they are written: one after the other, or as the rows of a table. Of
 * pdf_layout.c and pdf_lines.c alone.
 */
#ifndef MILLRACE_EXTRACT_PDF_LINES_H
#define MILLRACE_EXTRACT_PDF_LINES_H

#include "extract/pdf/pdf.h"

#define BORDERS_MAX 64 /* columns of a table */

/* Words [first, first + n), from left to right; y0 and y1 are those of its usual letters. */
struct line {
	size_t first, n;
	float y0, y1;
	float x1;
};

struct layout {
	struct pdf_text *to;
	size_t start; /* where the page begins in it */
	const char *text; /* the words' letters */
	struct pdf_word *words; /* n_words of them */
	size_t n_words;
	struct line *lines; /* cap */
	size_t cap;
	float height; /* the median of the words' heights, in points */
	bool rtl; /* the page's direction */
	bool has_rtl; /* some of its letters are written so */
	float borders[BORDERS_MAX]; /* where a table's columns begin, but the first; ascending */
	size_t n_borders;
	/* the line that is written is set flush right, as right-to-left ones are */
	bool from_right;
	bool full; /* that line reaches the end of its column */
	float last_y0, last_y1; /* the line that was written last; y1 < y0: none */
	struct pdf_text segment; /* what is being written */
	uint32_t *chars; /* its characters; chars_cap */
	size_t chars_cap;
};

/*
 * Prepares the reading of a page. Words that are written upwards or downwards go to the end:
 * returns the number of the others, which stand first.
 */
size_t layout_begin(struct layout *l, struct pdf_page *page, struct pdf_text *to);

/* Forms the lines of words [from, from + n), from the top down; returns how many. */
size_t layout_lines(struct layout *l, size_t from, size_t n);

/* Writes the first n lines. */
void layout_read_lines(struct layout *l, size_t n);

/*
 * Writes the lines `start` to `end`, included, as rows, a tab between the cells of l->borders.
 * `by_rows`: the cells were drawn row by row, so that the second line of a cell is told from a row.
 */
void layout_read_rows(struct layout *l, size_t start, size_t end, bool by_rows);

/*
 * Writes the words from n on, which layout_begin() has put to the end, as they were drawn, and
 * frees what the layout holds.
 */
void layout_end(struct layout *l, size_t n);

#endif
