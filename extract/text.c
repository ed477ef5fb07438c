/* Plain text and Markdown: to UTF-8, then cut into paragraphs at blank lines. */
#include <string.h>

#include "out.h"

/* Windows-1252's characters for 0x80 to 0x9F (WHATWG Encoding, but 0 where it has none). */
static const uint16_t cp1252[32] = {
	0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, /* 80 */
	0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0, /* 88 */
	0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, /* 90 */
	0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178, /* 98 */
};

enum charset
text_charset(struct bytes b)
{
	size_t i, used, n_good = 0, n_bad = 0;
	uint32_t c;

	if (b.n >= 2 && b.p[0] == 0xFF && b.p[1] == 0xFE)
		return CHARSET_UTF16LE;
	if (b.n >= 2 && b.p[0] == 0xFE && b.p[1] == 0xFF)
		return CHARSET_UTF16BE;
	for (i = 0; i < b.n; i += used) {
		used = utf8_get(b.p + i, b.n - i, &c);
		if (used > 1)
			n_good++;
		if (used == 0) {
			n_bad++;
			used = 1;
		}
	}
	return n_bad > n_good / 20 ? CHARSET_8BIT : CHARSET_UTF8;
}

/* Unpaired surrogates become U+FFFD; an odd last byte is dropped. */
static struct bytes
from_utf16(struct bytes b, bool big)
{
	char *to = grow(NULL, b.n / 2 * 3 + 4), *q = to;
	size_t i;

	for (i = 2; i + 1 < b.n; i += 2) {
		uint32_t c =
		    big ? (uint32_t)b.p[i] << 8 | b.p[i + 1] : (uint32_t)b.p[i + 1] << 8 | b.p[i];

		if (c >= 0xD800 && c < 0xDC00 && i + 3 < b.n) {
			uint32_t d = big ? (uint32_t)b.p[i + 2] << 8 | b.p[i + 3]
					 : (uint32_t)b.p[i + 3] << 8 | b.p[i + 2];

			if (d >= 0xDC00 && d < 0xE000) {
				c = 0x10000 + ((c - 0xD800) << 10) + (d - 0xDC00);
				i += 2;
			}
		}
		if (c == 0)
			fail("The file holds binary data, not text.");
		if (c >= 0xD800 && c < 0xE000)
			c = 0xFFFD;
		q += utf8_put(c, q);
	}
	return (struct bytes){ (unsigned char *)to, (size_t)(q - to) };
}

static bool
is_ascii_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * In the languages that Windows-1252 covers, accented letters are rare. Where most letters are high
 * bytes, the encoding is a Cyrillic, Greek or Asian code page, and the file does not say which.
 */
static struct bytes
from_8bit(struct bytes b)
{
	static const char unclear[] = "The text's encoding cannot be told; save it as UTF-8 and "
				      "upload it again.";
	char *to = grow(NULL, b.n * 3 + 4), *q = to;
	size_t i, n_high = 0, n_plain = 0;

	for (i = 0; i < b.n; i++) {
		uint32_t c = b.p[i];

		if (c >= 0x80 && c < 0xA0 && (c = cp1252[c - 0x80]) == 0)
			fail("%s", unclear);
		if (c >= 0xC0)
			n_high++;
		else if (is_ascii_letter(b.p[i]))
			n_plain++;
		q += utf8_put(c, q);
	}
	if (n_high > n_plain)
		fail("%s", unclear);
	return (struct bytes){ (unsigned char *)to, (size_t)(q - to) };
}

struct bytes
text_decode(struct bytes b)
{
	switch (text_charset(b)) {
	case CHARSET_UTF16LE:
		return from_utf16(b, false);
	case CHARSET_UTF16BE:
		return from_utf16(b, true);
	case CHARSET_8BIT:
		return from_8bit(b);
	case CHARSET_UTF8:
		break;
	}
	return b;
}

/* True when the line holds nothing but spaces. */
static bool
is_blank_line(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strchr(" \t\r\f\v", p[i]) == NULL)
			return false;
	return true;
}

void
text_read(struct bytes file, struct out *o)
{
	struct bytes b = text_decode(file);
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
