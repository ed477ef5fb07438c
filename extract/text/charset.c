/* Text of any encoding to UTF-8. */
#include "extract/text/charset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/uchar.h>
#include <unicode/utf16.h>

#define SAMPLE_UNITS 4096 /* of UTF-16, by which its byte order is told */

/*
 * Labels that browsers read as another encoding, which contains the named one (WHATWG
 * Encoding, 4.2) or is what its writers meant, with ICU's converter for that. ICU knows the others.
 */
static const struct {
	const char *label;
	const char *name;
} web[] = {
	{ "ascii", "windows-1252" },
	{ "us-ascii", "windows-1252" },
	{ "iso-8859-1", "windows-1252" },
	{ "iso8859-1", "windows-1252" },
	{ "iso_8859-1", "windows-1252" },
	{ "latin1", "windows-1252" },
	{ "l1", "windows-1252" },
	{ "iso-8859-9", "windows-1254" },
	{ "latin5", "windows-1254" },
	{ "iso-8859-11", "windows-874" },
	{ "tis-620", "windows-874" },
	{ "iso-8859-8-i", "ISO-8859-8" },
	{ "gb2312", "gb18030" },
	{ "gb_2312-80", "gb18030" },
	{ "gbk", "gb18030" },
	{ "x-gbk", "gb18030" },
	{ "cp936", "gb18030" },
	{ "euc-kr", "windows-949" },
	{ "ks_c_5601-1987", "windows-949" },
	{ "uhc", "windows-949" },
	{ "big5", "Big5-HKSCS" },
	{ "cp950", "Big5-HKSCS" },
	{ "x-x-big5", "Big5-HKSCS" },
	{ "shift_jis", "windows-31j" },
	{ "shift-jis", "windows-31j" },
	{ "sjis", "windows-31j" },
	{ "x-sjis", "windows-31j" },
	{ "cp932", "windows-31j" },
	{ "x-mac-roman", "macintosh" },
};

static UConverter *
open_converter(const char *name)
{
	UErrorCode e = U_ZERO_ERROR;
	UConverter *c = ucnv_open(name, &e);

	return U_SUCCESS(e) ? c : NULL;
}

/* Counts what is no character, and puts U+FFFD for it. */
static void U_CALLCONV
on_bad(const void *arg, UConverterToUnicodeArgs *to, const char *p, int32_t n,
    UConverterCallbackReason reason, UErrorCode *e)
{
	(void)p, (void)n;
	if (reason > UCNV_IRREGULAR)
		return;
	++*(size_t *)(uintptr_t)arg;
	*e = U_ZERO_ERROR;
	ucnv_cbToUWriteUChars(to, (const UChar[]){ 0xFFFD }, 1, 0, e);
}

struct bytes
charset_decode(struct bytes b, const char *name, size_t *n_bad)
{
	UConverter *from = open_converter(name), *to = open_converter("UTF-8");
	UChar pivot[4096], *read = pivot, *write = pivot;
	const char *src = (const char *)b.p, *end = src + b.n;
	size_t cap = b.n + b.n / 2 + 64, len = 0;
	char *p = grow(NULL, cap), *q;
	UErrorCode e = U_ZERO_ERROR;

	*n_bad = 0;
	if (from == NULL || to == NULL)
		fail("The host's ICU library lacks the encoding %s.", name);
	ucnv_setToUCallBack(from, on_bad, n_bad, NULL, NULL, &e);
	for (;;) {
		q = p + len;
		ucnv_convertEx(to, from, &q, p + cap, &src, end, pivot, &read, &write,
		    pivot + sizeof(pivot) / sizeof(pivot[0]), false, true, &e);
		len = (size_t)(q - p);
		if (e != U_BUFFER_OVERFLOW_ERROR)
			break;
		e = U_ZERO_ERROR;
		cap += cap / 2;
		p = grow(p, cap);
	}
	if (U_FAILURE(e))
		fail("The text cannot be converted from %s.", name);
	ucnv_close(from);
	ucnv_close(to);
	return (struct bytes){ (unsigned char *)p, len };
}

/* False for EBCDIC, UTF-7 and the like, which nobody means, and which browsers do not know. */
static bool
contains_ascii(const char *name)
{
	static const char text[] = "<p class=\"a\">1+1 &amp; ~{2}";
	UConverter *c = open_converter(name);
	UConverterType type;
	UChar to[2 * sizeof(text)];
	UErrorCode e = U_ZERO_ERROR;
	int32_t n;
	size_t i;

	if (c == NULL)
		return false;
	type = ucnv_getType(c);
	n = ucnv_toUChars(c, to, 2 * sizeof(text), text, sizeof(text) - 1, &e);
	ucnv_close(c);
	if (type == UCNV_SCSU || type == UCNV_BOCU1 || U_FAILURE(e) || n != sizeof(text) - 1)
		return false;
	for (i = 0; i < sizeof(text) - 1; i++)
		if (to[i] != (UChar)text[i])
			return false;
	return true;
}

const char *
charset_known(const char *label)
{
	size_t i;

	for (i = 0; i < sizeof(web) / sizeof(web[0]); i++)
		if (strcasecmp(label, web[i].label) == 0)
			return web[i].name;
	/* What could be read as ASCII to its declaration is not UTF-16 (WHATWG HTML, 13.2.3.2). */
	if (strncasecmp(label, "utf-16", 6) == 0 || strncasecmp(label, "utf-32", 6) == 0)
		return "UTF-8";
	return contains_ascii(label) ? label : NULL;
}

/* Of UTF-16: how many units are such as any text has; 0 where it cannot be text. */
static size_t
common_units(struct bytes b, bool big)
{
	size_t i, n = b.n / 2 < SAMPLE_UNITS ? b.n / 2 : SAMPLE_UNITS, n_common = 0;
	uint32_t c;

	for (i = 0; i < n; i++) {
		c = big ? (uint32_t)b.p[2 * i] << 8 | b.p[2 * i + 1]
			: (uint32_t)b.p[2 * i + 1] << 8 | b.p[2 * i];
		if (U16_IS_SURROGATE(c))
			continue;
		if (!u_isdefined((UChar32)c) || u_charType((UChar32)c) == U_PRIVATE_USE_CHAR ||
		    (c < ' ' && strchr("\t\n\f\r\033", (int)c) == NULL) || c == 0)
			return 0;
		n_common += c < 0x700 || (c >= 0x3000 && c < 0x3100);
	}
	return n_common * 50 < n ? 0 : n_common;
}

const char *
charset_utf16(struct bytes b)
{
	size_t little, big;

	if (b.n < 4 || b.n % 2 != 0 || memchr(b.p, 0, b.n) == NULL)
		return NULL;
	little = common_units(b, false);
	big = common_units(b, true);
	if (little == 0 && big == 0)
		return NULL;
	return little >= big ? "UTF-16LE" : "UTF-16BE";
}

/* The sequences of UTF-8 and the bytes that are none. */
static void
count_utf8(struct bytes b, size_t *n_good, size_t *n_bad)
{
	size_t i, used;
	uint32_t c;

	*n_good = *n_bad = 0;
	for (i = 0; i < b.n; i += used) {
		used = utf8_get(b.p + i, b.n - i, &c);
		if (used > 1)
			++*n_good;
		if (used == 0) {
			++*n_bad;
			used = 1;
		}
	}
}

static struct bytes
decode_told(struct bytes b, const char *name, struct out *o)
{
	size_t n_bad;
	struct bytes text = charset_decode(b, name, &n_bad);

	if (n_bad == 1)
		out_notice(o, "One character was damaged and is shown as U+FFFD.");
	else if (n_bad > 1)
		out_notice(o, "%zu characters were damaged and are shown as U+FFFD.", n_bad);
	return text;
}

static const char *
standard_name(const char *name, const char *standard)
{
	UErrorCode e = U_ZERO_ERROR;

	name = ucnv_getStandardName(name, standard, &e);
	return U_SUCCESS(e) ? name : NULL;
}

static struct bytes
decode_guessed(struct bytes b, const char *name, struct out *o)
{
	const char *title;
	struct bytes text;

	if (name == NULL)
		fail("The text's encoding cannot be told; save it as UTF-8 and upload it again.");
	text = decode_told(b, name, o);
	if ((title = standard_name(name, "MIME")) == NULL &&
	    (title = standard_name(name, "IANA")) == NULL)
		title = name;
	out_notice(
	    o, "The encoding was guessed to be %c%s.", toupper((unsigned char)title[0]), title + 1);
	return text;
}

/* By the byte order mark, where there is one of Unicode's. */
static bool
decode_marked(struct bytes *b, struct out *o)
{
	UErrorCode e = U_ZERO_ERROR;
	int32_t mark = 0, n = b->n > 4 ? 4 : (int32_t)b->n;
	const char *name = ucnv_detectUnicodeSignature((const char *)b->p, n, &mark, &e);
	size_t n_good, n_bad;

	if (U_FAILURE(e) || name == NULL || strncmp(name, "UTF-", 4) != 0)
		return false;
	b->p += mark;
	b->n -= (size_t)mark;
	count_utf8(*b, &n_good, &n_bad);
	if (strcmp(name, "UTF-8") != 0) {
		*b = decode_told(*b, name, o);
		if (memchr(b->p, 0, b->n) != NULL)
			fail("The file holds binary data, not text.");
		return true;
	}
	if (n_bad > 0)
		*b = decode_told(*b, name, o);
	return true;
}

/* Seven bits: other than ASCII where the text switches its sets, as old Japanese mail does. */
static struct bytes
decode_7bit(struct bytes b, const char *said, struct out *o)
{
	const char *wide = charset_utf16(b);

	if (wide != NULL)
		return decode_guessed(b, wide, o);
	if (said != NULL && strncasecmp(said, "iso-2022-", 9) == 0)
		return decode_told(b, said, o);
	if (memmem(b.p, b.n, "\033$B", 3) != NULL || memmem(b.p, b.n, "\033$@", 3) != NULL)
		return decode_guessed(b, "ISO-2022-JP", o);
	return b;
}

struct bytes
charset_text(struct bytes b, const char *label, struct out *o)
{
	const char *said = label != NULL ? charset_known(label) : NULL;
	size_t i, n_good, n_bad, n_high = 0;
	struct bytes text;

	if (b.n == 0 || decode_marked(&b, o))
		return b;
	count_utf8(b, &n_good, &n_bad);
	if (n_good == 0 && n_bad == 0)
		return decode_7bit(b, said, o);
	if (n_bad == 0)
		return b;
	if (n_bad <= n_good)
		return decode_told(b, "UTF-8", o);
	if (charset_utf16(b) != NULL)
		return decode_guessed(b, charset_utf16(b), o);
	for (i = 0; i < b.n; i++)
		n_high += b.p[i] >= 0x80;
	if (said != NULL && strcasecmp(said, "UTF-8") != 0) {
		text = charset_decode(b, said, &n_bad);
		if (n_bad <= n_high / 20)
			return n_bad > 0 ? decode_told(b, said, o) : text;
		free((void *)(uintptr_t)text.p);
	}
	return decode_guessed(b, charset_guess(b), o);
}
