/*
 * PDF, from pdftotext's words to text as a reader sees it; of pdf*.c alone.
 *
 * pdftotext gives words with their boxes, in the order in which the file draws them (pdf_words.c).
 * Lines, columns and rows come from the boxes, and from that order only where boxes leave it open
 * (pdf_layout.c). Right-to-left lines come in the order in which they stand on paper, and are put
 * into the order in which they are read (pdf_bidi.c). Words divided at a line's end are joined
 * when the whole document is known (pdf_hyphen.c).
 */
#ifndef MILLRACE_EXTRACT_PDF_H
#define MILLRACE_EXTRACT_PDF_H

#include "extract/extract.h"

#define PDFTOTEXT "/usr/bin/pdftotext"
#define PDF_DAMAGED "The PDF is damaged or incomplete and cannot be read."

/* UTF-8 that grows. */
struct pdf_text {
	char *p; /* cap bytes, len used */
	size_t len;
	size_t cap;
};

/* A word; its box is in points from the page's top left corner, as the page is shown. */
struct pdf_word {
	float x0, y0, x1, y1;
	size_t at; /* its letters, as they stand from left to right: n bytes of the page's text */
	unsigned n;
	unsigned n_chars;
	unsigned seq; /* its place in the order of drawing */
};

struct pdf_page {
	struct pdf_word *words; /* cap, n used */
	size_t n;
	size_t cap;
	struct pdf_text text; /* what the words' letters are in */
	bool unreadable; /* some of its letters are known by no character */
};

/* Appends n bytes; ends the worker where there is no memory. */
void pdf_put(struct pdf_text *t, const char *p, size_t n);

/* Stands in the text for a hyphen at a line's end whose nature pdf_hyphens() has to tell. */
#define PDF_HYPHEN '\x01'

/* Reads one page of pdftotext -bbox: n bytes up to its </page>, with a NUL behind them. */
void pdf_words(struct pdf_page *page, const char *xml, size_t n);

/* For qsort(): words in the order of drawing. */
int pdf_by_seq(const void *a, const void *b);

/* Appends the page's text in reading order. May reorder the words. */
void pdf_layout(struct pdf_page *page, struct pdf_text *to);

/*
 * Puts n characters of a line that stand from left to right into logical order (the inverse of the
 * Unicode Bidirectional Algorithm, Unicode Standard Annex 9, for lines without embeddings). `rtl`
 * is the paragraph's direction.
 */
void pdf_logical(uint32_t *c, size_t n, bool rtl);

/* How many letters of UTF-8 are written from right to left and from left to right; adds to both. */
void pdf_directions(const char *p, size_t n, size_t *n_rtl, size_t *n_ltr);

/* Writes ligatures, presentation forms and dotless i with an accent as letters: from `start` on. */
void pdf_letters(struct pdf_text *t, size_t start);

/* The labels of the pages from one on: what 12.4.2 of ISO 32000-1 has in a label dictionary. */
struct pdf_range {
	int first; /* the first page's index, from 0 */
	int start; /* its number */
	char style; /* D, R, r, A, a; 0: none but the prefix */
	char prefix[39]; /* a string */
};
#define PDF_RANGES_MAX 1000

/*
 * Starts the reading of the labels of descriptor 0 in a process of its own; before the worker
 * enters its sandbox. Returns the descriptor that they come from; -1: there are none.
 */
int pdf_labels_start(void);

/* Waits for the labels: at most PDF_RANGES_MAX ranges. Returns how many. */
size_t pdf_labels_read(int from, struct pdf_range *ranges);

/*
 * What is printed as the number of a page (from 1), into `to`; NULL where that is the page's number
 * itself or is not known.
 */
const char *pdf_label(
    const struct pdf_range *ranges, size_t n, unsigned long page, char *to, size_t size);

/*
 * Puts lam and alef of the document's text into their order where that is certain. True: there are
 * others, of which nobody can tell.
 */
bool pdf_lam_alef(struct pdf_text *t);

/*
 * Decides about each PDF_HYPHEN of the document's text: whether the two halves are one word is told
 * by the words of the rest. A true hyphen is kept, and so is one of which nothing is known.
 */
void pdf_hyphens(struct pdf_text *t);

#endif
