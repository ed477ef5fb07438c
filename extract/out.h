/*
 * The output: the line MILLRACE-TEXT 1, then blocks of a mark and text. It is kept in memory until
 * the file has been read to its end, so that one which fails late produces no partial text. It is
 * always UTF-8 (RFC 3629) without control characters other than newline and tab.
 */
#ifndef MILLRACE_EXTRACT_OUT_H
#define MILLRACE_EXTRACT_OUT_H

#include "extract.h"

struct out {
	char *p; /* cap bytes, len of them used */
	size_t len;
	size_t cap;
	size_t block; /* where the open block's text begins; 0: none open */
	unsigned long n_para; /* paragraphs so far */
	enum kind kind;
};

/* Writes the first line. Call once. */
void out_begin(struct out *o, enum kind k);

/* Appends one page as a block of its own. A page without text leaves no block. */
void out_page(struct out *o, unsigned long number, const char *p, size_t n);

/*
 * Appends one paragraph and numbers it from 1; blank ones are not counted.
 * Short paragraphs that follow each other share a block, which is marked with
 * the first one's number.
 */
void out_paragraph(struct out *o, const char *p, size_t n);

/*
 * Writes everything to descriptor fd and ends the worker with success, or, when
 * no block holds any text, calls fail().
 */
_Noreturn void out_finish(struct out *o, int fd);

/*
 * Decodes one character of UTF-8 from the n > 0 bytes at p: its length, 1 to
 * 4, or 0 when they are not valid. *c is written on success only.
 */
size_t utf8_get(const unsigned char *p, size_t n, uint32_t *c);

/* Encodes c (a Unicode scalar value) to 1 to 4 bytes; returns how many. */
size_t utf8_put(uint32_t c, char to[4]);

#endif
