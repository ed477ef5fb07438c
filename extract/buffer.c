/* A buffer of text that grows, and bytes as strings. */
#include "extract/buffer.h"

#include <string.h>

void
buffer_put(struct buffer *b, const char *s, size_t n)
{
	if (n == 0)
		return;
	if (b->len + n > EXTRACT_OUTPUT_MAX)
		fail("The file holds more than %zu MiB of text, which is refused.",
		    EXTRACT_OUTPUT_MAX / MIB);
	if (b->len + n > b->cap) {
		b->cap = (b->len + n) * 2 + 1024;
		b->p = grow(b->p, b->cap);
	}
	memcpy(b->p + b->len, s, n);
	b->len += n;
}

void
buffer_string(struct buffer *b, const char *s)
{
	buffer_put(b, s, strlen(s));
}

void
buffer_trim(struct buffer *b, size_t from)
{
	while (b->len > from && (b->p[b->len - 1] == ' ' || b->p[b->len - 1] == '\t'))
		b->len--;
}

char *
bytes_string(struct bytes b)
{
	char *s = grow(NULL, b.n + 1);

	if (b.n > 0)
		memcpy(s, b.p, b.n);
	s[b.n] = '\0';
	return s;
}

bool
bytes_are(struct bytes b, const char *s)
{
	return b.p != NULL && b.n == strlen(s) && memcmp(b.p, s, b.n) == 0;
}
