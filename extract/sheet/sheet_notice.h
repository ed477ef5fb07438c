/* Parts of notices: which lines, by the first few and how many more; which sheets are left out. */
#ifndef MILLRACE_EXTRACT_SHEET_NOTICE_H
#define MILLRACE_EXTRACT_SHEET_NOTICE_H

#include "extract/out.h"

#define LINES_KEPT 5
#define LINES_TEXT 200 /* bytes of what lines_write() writes */

/* Zeroed at first. */
struct lines {
	unsigned long first[LINES_KEPT];
	unsigned long last, n;
};

/* Lines come in order; one that comes again is the same. */
void lines_note(struct lines *l, unsigned long line);

/* "Line 4 has", "Lines 4 and 9 have", "Lines 4, 9, 11, 12, 15 and 7 more have". False: none. */
bool lines_write(const struct lines *l, char to[LINES_TEXT]);

/* Names of hidden sheets, as many as a notice holds. Zeroed at first. */
struct hidden {
	char names[OUT_NOTICE_MAX];
	size_t len, n;
};

/* Adds a sheet; `name` is UTF-8 and is copied. One that finds no room is counted. */
void hidden_add(struct hidden *h, const char *name);

/* Tells that they are left out, where there are any. */
void hidden_notice(const struct hidden *h, struct out *o);

/* Tells of formulas whose result is not in the file; 0: says nothing. */
void uncalculated_notice(unsigned long n, struct out *o);

#endif
