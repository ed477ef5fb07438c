/* The output: sanitized text in marked blocks. */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A block of this many bytes or more gets no further paragraph. */
#define BLOCK_FULL 400

#define REPLACEMENT 0xFFFDu

_Noreturn void
fail(const char *fmt, ...)
{
	char msg[512];
	va_list ap;
	int n;

	msg[0] = 'E';
	va_start(ap, fmt);
	n = vsnprintf(msg + 1, sizeof(msg) - 1, fmt, ap);
	va_end(ap);
	if (n > 0 && write(STDOUT_FILENO, msg, strlen(msg)) < 0)
		_exit(3);
	_exit(1);
}

void *
grow(void *p, size_t n)
{
	void *q = realloc(p, n);

	if (q == NULL)
		fail("Reading the file takes more than %zu MiB of memory, which is refused.",
		    EXTRACT_MEMORY_MAX / MIB);
	return q;
}

size_t
utf8_get(const unsigned char *p, size_t n, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t v;
	size_t len, i;

	if (p[0] < 0x80) {
		*c = p[0];
		return 1;
	}
	len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	if (p[0] < 0xC2 || p[0] > 0xF4 || len > n)
		return 0;
	v = p[0] & (0x7Fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3Fu);
	}
	if (v < least[len] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
		return 0;
	*c = v;
	return len;
}

size_t
utf8_put(uint32_t c, char to[4])
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xC0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xE0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3F));
		to[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	to[0] = (char)(0xF0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3F));
	to[2] = (char)(0x80 | (c >> 6 & 0x3F));
	to[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

static void
append(struct out *o, const char *p, size_t n)
{
	if (o->len + n > EXTRACT_OUTPUT_MAX)
		fail("The file holds more than %zu MiB of text, which is refused.",
		    EXTRACT_OUTPUT_MAX / MIB);
	if (o->len + n > o->cap) {
		o->cap = (o->len + n) * 2;
		o->p = grow(o->p, o->cap);
	}
	memcpy(o->p + o->len, p, n);
	o->len += n;
}

/* White space, control characters and invisible ones: a text of these alone is blank. */
static bool
is_blank(uint32_t c)
{
	return c <= ' ' || c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200F) ||
	       c == 0x2028 || c == 0x2029;
}

/* Control characters (C0, DEL, C1), and BOM and soft hyphen, which break full-text search. */
static bool
is_dropped(uint32_t c)
{
	if (c == '\n' || c == '\t')
		return false;
	return c < ' ' || (c >= 0x7F && c < 0xA0) || c == 0xFEFF || c == 0xAD;
}

/*
 * Appends text cleaned and trimmed: bytes that are not UTF-8 become U+FFFD, CR and
 * CR LF become newlines. Returns false, with nothing appended, when it is blank.
 */
static bool
append_clean(struct out *o, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t start = o->len, end = o->len, i, used;
	uint32_t c;
	char b[4];

	for (i = 0; i < n; i += used) {
		if ((used = utf8_get(p + i, n - i, &c)) == 0) {
			c = REPLACEMENT;
			used = 1;
		}
		if (c == '\r') {
			if (i + 1 < n && p[i + 1] == '\n')
				continue;
			c = '\n';
		}
		if (is_dropped(c) || (is_blank(c) && o->len == start))
			continue;
		append(o, b, utf8_put(c, b));
		if (!is_blank(c))
			end = o->len;
	}
	o->len = end;
	return end > start;
}

static void
append_mark(struct out *o, const char *what, unsigned long number)
{
	char mark[64];
	int n =
	    snprintf(mark, sizeof(mark), "%s\x1e%s %lu\n", o->block != 0 ? "\n" : "", what, number);

	append(o, mark, (size_t)n);
	o->block = o->len;
}

void
out_begin(struct out *o, enum kind k)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "MILLRACE-TEXT 1 %s\n", kind_word(k));

	memset(o, 0, sizeof(*o));
	o->kind = k;
	append(o, line, (size_t)n);
}

void
out_page(struct out *o, unsigned long number, const char *p, size_t n)
{
	size_t len = o->len, block = o->block;

	append_mark(o, "page", number);
	if (!append_clean(o, p, n)) {
		o->len = len;
		o->block = block;
	}
}

void
out_paragraph(struct out *o, const char *p, size_t n)
{
	size_t len = o->len, block = o->block;

	if (block != 0 && len - block < BLOCK_FULL)
		append(o, "\n\n", 2);
	else
		append_mark(o, "paragraph", o->n_para + 1);
	if (append_clean(o, p, n)) {
		o->n_para++;
		return;
	}
	o->len = len;
	o->block = block;
}

_Noreturn void
out_finish(struct out *o, int fd)
{
	size_t done = 0;
	ssize_t n;

	if (o->block == 0 && o->kind == KIND_PDF)
		fail("The PDF has no text layer; it seems to be scanned images.");
	if (o->block == 0)
		fail("The file contains no text.");
	append(o, "\n", 1);
	if (write(fd, "T", 1) != 1)
		_exit(3);
	while (done < o->len) {
		n = write(fd, o->p + done, o->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			_exit(3);
		done += (size_t)n;
	}
	_exit(0);
}
