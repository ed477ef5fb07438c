/*
 * Plain text: to UTF-8, then cut into paragraphs at blank lines, or into pages at form feeds. What
 * a terminal or a printer would carry out is carried out: overstruck characters, colours.
 */
#include <string.h>

#include "extract/text/charset.h"

#define ESCAPE 0x1B

/* True when the line holds nothing but spaces. */
static bool
is_blank_line(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] == 0 || strchr(" \t\r\v", p[i]) == NULL)
			return false;
	return true;
}

/*
 * The bytes of a terminal's control sequence at p[0], the escape character (ECMA-48, 5.3, 5.4 and
 * 8.3.89). A string that its line does not end, or another sequence begins in, is no string.
 */
static size_t
escape_len(const unsigned char *p, size_t n)
{
	size_t i = 2;

	if (n < 2)
		return n;
	if (p[1] == '[') {
		while (i < n && p[i] >= 0x20 && p[i] < 0x40)
			i++;
		return i < n && p[i] >= 0x40 && p[i] < 0x7F ? i + 1 : i;
	}
	if (strchr("]PX^_", p[1]) != NULL && p[1] != 0) {
		for (; i < n && p[i] != '\n'; i++)
			if (p[i] == '\a')
				return i + 1;
			else if (p[i] == ESCAPE)
				return i + 1 < n && p[i + 1] == '\\' ? i + 2 : 2;
		return 2;
	}
	for (i = 1; i < n && p[i] >= 0x20 && p[i] < 0x30;)
		i++;
	return i < n && p[i] >= 0x30 && p[i] < 0x7F ? i + 1 : i;
}

/* Takes escape sequences out of the text, in place: what is left is not longer. */
static size_t
drop_escapes(unsigned char *p, size_t n)
{
	size_t i, to = 0;

	for (i = 0; i < n;)
		if (p[i] == ESCAPE)
			i += escape_len(p + i, n - i);
		else
			p[to++] = p[i++];
	return to;
}

/*
 * One line as paper shows it, in place: after a backspace the next character is struck over the one
 * before. The later one is seen, but for the underscore below a letter. `cells` has room for a
 * character a byte.
 */
static size_t
overstrike(unsigned char *p, size_t n, uint32_t *cells)
{
	size_t i, used, at = 0, len = 0, to = 0;
	uint32_t c;
	char b[4];

	for (i = 0; i < n; i += used) {
		if ((used = utf8_get(p + i, n - i, &c)) == 0) {
			used = 1;
			continue;
		}
		if (c == '\b') {
			at -= at > 0;
			continue;
		}
		if (at == len || c != '_' || cells[at] == ' ')
			cells[at] = c;
		len += at == len;
		at++;
	}
	for (i = 0; i < len; i++) {
		used = utf8_put(cells[i], b);
		memcpy(p + to, b, used);
		to += used;
	}
	return to;
}

static size_t
overstrike_lines(unsigned char *p, size_t n)
{
	uint32_t *cells = NULL;
	size_t start, end, to = 0, len, cap = 0;
	unsigned char *eol;

	for (start = 0; start < n; start = end) {
		eol = memchr(p + start, '\n', n - start);
		end = eol != NULL ? (size_t)(eol - p) : n;
		len = end - start;
		if (memchr(p + start, '\b', len) != NULL) {
			if (len > cap) {
				cap = len * 2;
				cells = grow(cells, cap * sizeof(*cells));
			}
			len = overstrike(p + start, len, cells);
		}
		memmove(p + to, p + start, len);
		to += len;
		if (eol != NULL) {
			p[to++] = '\n';
			end++;
		}
	}
	return to;
}

/* As a reader sees it, in a copy where something has to change. */
static struct bytes
shown(struct bytes b)
{
	unsigned char *p;
	size_t n = b.n;

	if (memchr(b.p, ESCAPE, n) == NULL && memchr(b.p, '\b', n) == NULL)
		return b;
	p = grow(NULL, n + 1);
	memcpy(p, b.p, n);
	n = drop_escapes(p, n);
	return (struct bytes){ p, overstrike_lines(p, n) };
}

static void
read_paragraphs(struct bytes b, struct out *o)
{
	const char *p = (const char *)b.p, *end = p + b.n, *start = p, *eol;
	/* Classic Mac OS ended lines with a lone carriage return. */
	int newline = memchr(b.p, '\n', b.n) != NULL ? '\n' : '\r';

	for (; p < end; p = eol + 1) {
		if ((eol = memchr(p, newline, (size_t)(end - p))) == NULL)
			eol = end;
		if (is_blank_line(p, (size_t)(eol - p))) {
			out_paragraph(o, start, (size_t)(p - start));
			start = eol < end ? eol + 1 : end;
		}
	}
	out_paragraph(o, start, (size_t)(end - start));
}

/* Each form feed ends a page. */
static void
read_pages(struct bytes b, struct out *o)
{
	const char *p = (const char *)b.p, *end = p + b.n, *feed;
	unsigned long page = 0;

	do {
		if ((feed = memchr(p, '\f', (size_t)(end - p))) == NULL)
			feed = end;
		out_page(o, ++page, NULL, p, (size_t)(feed - p));
		p = feed + 1;
	} while (feed < end);
	out_pages(o, page);
}

void
text_read(struct bytes file, struct out *o)
{
	struct bytes b = shown(charset_text(file, o->charset, o));

	/* Form feeds at the end only eject the last page. */
	while (b.n > 0 && (b.p[b.n - 1] == '\f' || is_blank_line((const char *)b.p + b.n - 1, 1) ||
			      b.p[b.n - 1] == '\n'))
		b.n--;
	if (memchr(b.p, '\f', b.n) != NULL)
		read_pages(b, o);
	else
		read_paragraphs(b, o);
}
