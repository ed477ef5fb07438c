/*
 * A buffer of text that grows, up to EXTRACT_OUTPUT_MAX: what is collected of it cannot be written
 * in the end. It lives as long as the worker. And bytes as strings.
 */
#ifndef MILLRACE_EXTRACT_BUFFER_H
#define MILLRACE_EXTRACT_BUFFER_H

#include "extract/extract.h"

struct buffer {
	char *p; /* cap bytes, len of them used; no NUL behind them */
	size_t len;
	size_t cap;
};

/* Appends n bytes at s, or a string. Ends the worker where the buffer becomes too large. */
void buffer_put(struct buffer *b, const char *s, size_t n);
void buffer_string(struct buffer *b, const char *s);

/* Takes spaces and tabs off the end of it, but leaves the first `from` bytes as they are. */
void buffer_trim(struct buffer *b, size_t from);

/* A copy of the bytes with a NUL behind it, which lives as long as the worker. */
char *bytes_string(struct bytes b);

/* True when the bytes are there (b.p is not NULL) and equal to a string. */
bool bytes_are(struct bytes b, const char *s);

#endif
