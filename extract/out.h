/*
 * The output: the line MILLRACE-TEXT 2 and the kind; what is known of the file, a line each that
 * begins with U+001D ("pages 3", "notice Page 2 is a picture without text."); then blocks, each a
 * line of U+001E and its mark ("page 3", "sheet Stock A1:D40") and text. It is kept in memory until
 * the file has been read to its end, so that one which fails late produces no partial text. It is
 * always UTF-8 (RFC 3629) without control characters other than newline and tab.
 */
#ifndef MILLRACE_EXTRACT_OUT_H
#define MILLRACE_EXTRACT_OUT_H

#include "extract/extract.h"

#define OUT_MARK_MAX 100 /* bytes of a mark; longer ones are cut at a character */
#define OUT_NOTICES 20 /* different ones that are kept; the rest are counted */
#define OUT_NOTICE_MAX 256 /* bytes, with its NUL */

struct out {
	/* What is known of the file from where it came. */
	bool page; /* a page of the web: its main text is wanted */
	const char *charset; /* the encoding that its sender has said, or NULL */
	/* What has been read. */
	char *p; /* cap bytes, len of them used */
	size_t len;
	size_t cap;
	size_t block; /* where the last block's text begins; 0: there is none */
	bool open; /* it may get a further paragraph */
	unsigned long n_para; /* paragraphs so far */
	enum kind kind;
	unsigned long pages; /* that the file has, with text or without; 0: not known */
	char section[OUT_MARK_MAX + 1]; /* the mark of what comes next; "": numbered paragraphs */
	char notices[OUT_NOTICES][OUT_NOTICE_MAX];
	size_t n_notices; /* may be more than are kept */
};

/* Prepares an empty output. Call once. */
void out_begin(struct out *o, enum kind k);

/*
 * Appends one page as a block of its own. A page without text leaves no block. `label` is what is
 * printed as its number, where that differs (ISO 32000-1, 12.4.2), and may be NULL: "page 3 (i)".
 */
void out_page(struct out *o, unsigned long number, const char *label, const char *p, size_t n);

/*
 * What out_paragraph() appends from now on stands under this mark, in a block of its own, until the
 * next call: "slide 2", "slide 2 notes", "header". A section without text leaves no block. NULL:
 * back to numbered paragraphs.
 */
void out_section(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Appends one paragraph. Outside of sections it is numbered from 1, blank ones not counted; short
 * ones that follow each other share a block, which is marked with the first one's number.
 */
void out_paragraph(struct out *o, const char *p, size_t n);

/* The same of a table's rows, whose empty cells at the beginning stay: tabs separate cells. */
void out_rows(struct out *o, const char *p, size_t n);

/* Appends paragraphs that were collected, each ended by a NUL. */
void out_list(struct out *o, const char *list, size_t len);

/* Are the n bytes at p spaces and control characters of ASCII alone, or none? */
bool out_is_blank(const char *p, size_t n);

/* How many pages the file has, blank ones too. */
void out_pages(struct out *o, unsigned long n);

/*
 * Tells the reader of the document what was lost, left out or guessed: one plain sentence, a
 * capital first, a full stop last, the same one only once. A file without text is refused with the
 * first.
 */
void out_notice(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Writes everything to descriptor fd and ends the worker with success, or, when no block holds any
 * text, calls fail().
 */
_Noreturn void out_finish(struct out *o, int fd);

/*
 * Decodes one character of UTF-8 from the n > 0 bytes at p: its length, 1 to
 * 4, or 0 when they are not valid. *c is written on success only.
 */
size_t utf8_get(const unsigned char *p, size_t n, uint32_t *c);

/* Cuts text of n bytes, in a room of n + 1, to at most `max` at a character's beginning. */
void out_cut(char *text, size_t n, size_t max);

/* Encodes c (a Unicode scalar value) to 1 to 4 bytes; returns how many. */
size_t utf8_put(uint32_t c, char to[4]);

#endif
