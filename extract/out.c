/* The output: sanitized text in marked blocks. */
#include "extract/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>
#include <unistd.h>

/* A block of this many bytes or more gets no further paragraph. */
#define BLOCK_FULL 400

#define REPLACEMENT 0xFFFDu

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

/*
 * Control characters (C0, DEL, C1), and what cannot be seen and breaks full-text search: BOM, soft
 * hyphen, word joiner, and the zero-width space but in the scripts of South-East Asia, where it
 * divides words.
 */
static bool
is_dropped(uint32_t c, uint32_t before)
{
	if (c == '\n' || c == '\t')
		return false;
	return c < ' ' || (c >= 0x7F && c < 0xA0) || c == 0xFEFF || c == 0xAD || c == 0x2060 ||
	       (c == 0x200B && (before < 0xE00 || before >= 0x1800));
}

/* Carriage return, vertical tab, form feed, U+0085 and the separators of lines and paragraphs. */
static bool
is_line_end(uint32_t c)
{
	return c == '\r' || c == '\v' || c == '\f' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* May it be one with the character before it? Combining marks, and the parts of Hangul. */
static bool
is_composed(uint32_t c)
{
	return (c >= 0x300 && c < 0x370) || (c >= 0x653 && c < 0x656) || c == 0x93C ||
	       (c >= 0x1100 && c < 0x1200) || c == 0x3099 || c == 0x309A;
}

/* What has been appended since `start`, composed (NFC, Unicode Standard Annex 15). */
static void
compose(struct out *o, size_t start)
{
	size_t n = 0;
	uint8_t *p =
	    u8_normalize(UNINORM_NFC, (const uint8_t *)o->p + start, o->len - start, NULL, &n);

	if (p == NULL)
		fail("Reading the file takes more than %zu MiB of memory, which is refused.",
		    EXTRACT_MEMORY_MAX / MIB);
	o->len = start;
	append(o, (const char *)p, n);
	free(p);
}

/* How many of the n bytes at p are visible characters of ASCII, which are appended as they are. */
static size_t
visible_ascii(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] > ' ' && p[i] < 0x7F)
		i++;
	return i;
}

/*
 * Appends text cleaned, composed and trimmed: bytes that are not UTF-8 become U+FFFD, all ends of
 * lines newlines. `tabs`: those at the beginning stay. Returns false, with nothing appended, when
 * it is blank.
 */
static bool
append_text(struct out *o, const char *text, size_t n, bool tabs)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t start = o->len, end = o->len, i, used;
	uint32_t c, before = 0;
	bool composed = false;
	char b[4];

	for (i = 0; i < n; i += used, before = c) {
		if ((used = visible_ascii(p + i, n - i)) > 0) {
			append(o, text + i, used);
			end = o->len;
			c = p[i + used - 1];
			continue;
		}
		if ((used = utf8_get(p + i, n - i, &c)) == 0) {
			c = REPLACEMENT;
			used = 1;
		}
		if (c == '\r' && i + 1 < n && p[i + 1] == '\n')
			continue;
		if (is_line_end(c))
			c = '\n';
		if (is_dropped(c, before) ||
		    (is_blank(c) && o->len == start && !(tabs && c == '\t')))
			continue;
		composed |= is_composed(c);
		append(o, b, utf8_put(c, b));
		if (!is_blank(c))
			end = o->len;
	}
	o->len = end;
	if (composed)
		compose(o, start);
	return end > start;
}

static bool
append_clean(struct out *o, const char *text, size_t n)
{
	return append_text(o, text, n, false);
}

/* What a file chose of a mark or a notice, cleaned as text is: one line of `max` bytes at most. */
static void
append_line(struct out *o, const char *text, size_t max)
{
	size_t start = o->len;

	(void)append_clean(o, text, strlen(text));
	/* NFC may have made it longer; it is cut at a character's beginning. */
	if (o->len - start > max)
		for (o->len = start + max; ((unsigned char)o->p[o->len] & 0xC0) == 0x80;)
			o->len--;
	for (; start < o->len; start++)
		if (o->p[start] == '\n' || o->p[start] == '\t')
			o->p[start] = ' ';
	append(o, "\n", 1);
}

/* Opens a block. */
static void
append_mark(struct out *o, const char *mark)
{
	append(o, o->block != 0 ? "\n\x1e" : "\x1e", o->block != 0 ? 2 : 1);
	append_line(o, mark, OUT_MARK_MAX);
	o->block = o->len;
}

bool
out_is_blank(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)p[i] > ' ')
			return false;
	return true;
}

void
out_cut(char *text, size_t n, size_t max)
{
	if (n > max)
		n = max;
	while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
		n--;
	text[n] = '\0';
}

void
out_begin(struct out *o, enum kind k)
{
	memset(o, 0, sizeof(*o));
	o->kind = k;
}

void
out_page(struct out *o, unsigned long number, const char *label, const char *p, size_t n)
{
	if (label != NULL)
		out_section(o, "page %lu (%s)", number, label);
	else
		out_section(o, "page %lu", number);
	out_paragraph(o, p, n);
}

void
out_section(struct out *o, const char *fmt, ...)
{
	char mark[4 * OUT_MARK_MAX];
	va_list ap;
	int n;

	/* Paragraphs of before get no further one in their block. */
	o->open = false;
	if (fmt == NULL) {
		o->section[0] = '\0';
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(mark, sizeof(mark), fmt, ap);
	va_end(ap);
	out_cut(mark, n < 0 ? 0 : strlen(mark), OUT_MARK_MAX);
	memcpy(o->section, mark, strlen(mark) + 1);
}

static void
add(struct out *o, const char *p, size_t n, bool tabs)
{
	size_t len = o->len, block = o->block;
	bool open = o->open;
	char number[32];

	if (open && (o->section[0] != '\0' || len - block < BLOCK_FULL)) {
		append(o, "\n\n", 2);
	} else if (o->section[0] != '\0') {
		append_mark(o, o->section);
	} else {
		(void)snprintf(number, sizeof(number), "paragraph %lu", o->n_para + 1);
		append_mark(o, number);
	}
	o->open = true;
	if (append_text(o, p, n, tabs)) {
		o->n_para += o->section[0] == '\0';
		return;
	}
	o->len = len;
	o->block = block;
	o->open = open;
}

void
out_paragraph(struct out *o, const char *p, size_t n)
{
	add(o, p, n, false);
}

void
out_rows(struct out *o, const char *p, size_t n)
{
	add(o, p, n, true);
}

void
out_list(struct out *o, const char *list, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n + 1) {
		n = strnlen(list + i, len - i);
		out_paragraph(o, list + i, n);
	}
}

void
out_pages(struct out *o, unsigned long n)
{
	o->pages = n;
}

void
out_notice(struct out *o, const char *fmt, ...)
{
	char text[2 * OUT_NOTICE_MAX];
	size_t i, kept = o->n_notices < OUT_NOTICES ? o->n_notices : OUT_NOTICES;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_cut(text, n < 0 ? 0 : strlen(text), OUT_NOTICE_MAX - 1);
	for (i = 0; i < kept; i++)
		if (strcmp(o->notices[i], text) == 0)
			return;
	if (kept < OUT_NOTICES)
		memcpy(o->notices[kept], text, strlen(text) + 1);
	o->n_notices++;
}

/* The lines before the first block. */
static void
append_head(struct out *head, const struct out *o)
{
	char line[64];
	size_t i;

	append(head, line,
	    (size_t)snprintf(line, sizeof(line), "MILLRACE-TEXT 2 %s\n", kind_word(o->kind)));
	if (o->pages > 0)
		append(
		    head, line, (size_t)snprintf(line, sizeof(line), "\x1dpages %lu\n", o->pages));
	for (i = 0; i < o->n_notices && i < OUT_NOTICES; i++) {
		append(head, "\x1dnotice ", 8);
		append_line(head, o->notices[i], OUT_NOTICE_MAX);
	}
	if (o->n_notices > OUT_NOTICES)
		append(head, line,
		    (size_t)snprintf(line, sizeof(line),
			"\x1dnotice %zu more things are to be said of it.\n",
			o->n_notices - OUT_NOTICES));
}

static void
write_all(int fd, const char *p, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, p + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			_exit(3);
		done += (size_t)n;
	}
}

_Noreturn void
out_finish(struct out *o, int fd)
{
	struct out head = { 0 };

	if (o->block == 0 && o->n_notices > 0)
		fail("%s", o->notices[0]);
	if (o->block == 0 && o->kind == KIND_PDF)
		fail("The PDF has no text layer; it seems to be scanned images.");
	if (o->block == 0)
		fail("The file contains no text.");
	append(o, "\n", 1);
	append_head(&head, o);
	write_all(fd, "T", 1);
	write_all(fd, head.p, head.len);
	write_all(fd, o->p, o->len);
	_exit(0);
}
