/*
 * Right-to-left lines, and characters in their usual form, by libunistring, whose tables are part
 * of it.
 */
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>

#include "extract/out.h"
#include "extract/pdf/pdf.h"

/* What counts of a character's class here (UAX 9, table 4). */
enum side {
	SIDE_NEUTRAL,
	SIDE_LEFT, /* L: written from left to right */
	SIDE_RIGHT, /* R, AL */
	SIDE_NUMBER, /* EN, AN */
	SIDE_JOINS, /* ES, CS: between digits part of the number */
	SIDE_UNIT, /* ET: beside a number part of it */
	SIDE_MARK, /* NSM: as its letter */
};

static enum side
side(uint32_t c)
{
	switch (uc_bidi_class(c)) {
	case UC_BIDI_L:
		return SIDE_LEFT;
	case UC_BIDI_R:
	case UC_BIDI_AL:
		return SIDE_RIGHT;
	case UC_BIDI_EN:
	case UC_BIDI_AN:
		return SIDE_NUMBER;
	case UC_BIDI_ES:
	case UC_BIDI_CS:
		return SIDE_JOINS;
	case UC_BIDI_ET:
		return SIDE_UNIT;
	case UC_BIDI_NSM:
		return SIDE_MARK;
	default:
		return SIDE_NEUTRAL;
	}
}

void
pdf_directions(const char *p, size_t n, size_t *n_rtl, size_t *n_ltr)
{
	size_t i, used;
	uint32_t c;
	enum side s;

	for (i = 0; i < n; i += used) {
		used = 1;
		if ((unsigned char)p[i] < 0x80) {
			*n_ltr += (p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z';
			continue;
		}
		if ((used = utf8_get((const unsigned char *)p + i, n - i, &c)) == 0)
			used = 1;
		s = side(c);
		*n_rtl += s == SIDE_RIGHT;
		*n_ltr += s == SIDE_LEFT;
	}
}

/* How far closing brackets go with the words from i to end, since the opening ones do (UAX 9, N0).
 */
static size_t
bracket_end(const uint32_t *c, size_t i, size_t end, size_t n)
{
	size_t n_open = 0;

	for (; i < end; i++) {
		n_open += c[i] == '(' || c[i] == '[';
		n_open -= n_open > 0 && (c[i] == ')' || c[i] == ']');
	}
	for (; n_open > 0 && end < n && (c[end] == ')' || c[end] == ']'); end++)
		n_open--;
	return end;
}

/*
 * The end of what begins at i and keeps its order from left to right in a right-to-left line: a
 * letter with its marks, which poppler puts behind it; words of Latin letters with what is between
 * them; and numbers.
 */
static size_t
ltr_end(const uint32_t *c, size_t i, size_t n)
{
	size_t end = i + 1, j;
	enum side before = side(c[i]), s;
	bool tight = true;

	if (before == SIDE_UNIT && end < n && side(c[end]) == SIDE_NUMBER)
		before = SIDE_NUMBER;
	while (before == SIDE_RIGHT && end < n && side(c[end]) == SIDE_MARK)
		end++;
	if (before != SIDE_LEFT && before != SIDE_NUMBER)
		return end;
	for (j = end; j < n; j++) {
		s = side(c[j]);
		if (s == SIDE_RIGHT)
			break;
		if (s == SIDE_LEFT || s == SIDE_NUMBER) {
			/* Two numbers with a blank between them are in the line's order. */
			if (s == SIDE_NUMBER && before == SIDE_NUMBER && !tight)
				break;
			end = j + 1;
			before = s;
			tight = true;
		} else if (s == SIDE_MARK ||
			   (s == SIDE_UNIT && before == SIDE_NUMBER && end == j)) {
			end += end == j;
		} else {
			tight = s == SIDE_JOINS && end == j;
		}
	}
	return bracket_end(c, i, end, n);
}

/* Reverses c, and each part of it that is written from left to right back again. */
static void
reverse(const uint32_t *c, size_t n, uint32_t *to)
{
	size_t i, end;

	for (i = 0; i < n; i = end) {
		end = ltr_end(c, i, n);
		memcpy(to + n - end, c + i, (end - i) * sizeof(*c));
	}
}

static uint32_t
mirrored(uint32_t c)
{
	static const char pairs[] = "()[]{}<>";
	const char *at = c < 0x80 && c != 0 ? strchr(pairs, (int)c) : NULL;

	if (at == NULL)
		return c;
	return (unsigned char)((at - pairs) % 2 == 0 ? at[1] : at[-1]);
}

/*
 * Files name a bracket in right-to-left text by its meaning or by its shape: where the first is a
 * closing one, by its shape.
 */
static void
mirror_brackets(uint32_t *c, size_t n)
{
	size_t i;

	for (i = 0; i < n && mirrored(c[i]) == c[i]; i++)
		;
	if (i == n || c[i] == '(' || c[i] == '[' || c[i] == '{' || c[i] == '<')
		return;
	for (; i < n; i++)
		c[i] = mirrored(c[i]);
}

void
pdf_logical(uint32_t *c, size_t n, bool rtl)
{
	uint32_t *to = grow(NULL, (n + 1) * sizeof(*to));
	size_t i, j, end;

	memcpy(to, c, n * sizeof(*c));
	if (rtl) {
		reverse(c, n, to);
		mirror_brackets(to, n);
	}
	for (i = 0; !rtl && i < n; i = end) {
		end = i + 1;
		if (side(c[i]) != SIDE_RIGHT)
			continue;
		for (j = end; j < n && side(c[j]) != SIDE_LEFT; j++)
			if (side(c[j]) == SIDE_RIGHT || (side(c[j]) == SIDE_MARK && end == j))
				end = j + 1;
		reverse(c + i, end - i, to + i);
	}
	memcpy(c, to, n * sizeof(*c));
	free(to);
}

/* Latin ligatures, Hebrew and Arabic presentation forms. */
static bool
is_presentation(uint32_t c)
{
	return (c >= 0xFB00 && c <= 0xFDFF) || (c >= 0xFE70 && c <= 0xFEFC);
}

void
pdf_letters(struct pdf_text *t, size_t start)
{
	struct pdf_text plain = { 0 };
	const unsigned char *p = (const unsigned char *)t->p;
	size_t i = start, k, used, len;
	uint32_t c, next, form[32];
	char b[4];

	while (i < t->len && p[i] < 0x80)
		i++;
	if (i == t->len)
		return;
	start = i;
	for (; i < t->len; i += used) {
		if ((used = utf8_get(p + i, t->len - i, &c)) == 0) {
			used = 1;
			continue;
		}
		/* TeX puts accents above a dotless i (U+0131). */
		if (c == 0x131 && i + used < t->len &&
		    utf8_get(p + i + used, t->len - i - used, &next) > 0 && next >= 0x300 &&
		    next <= 0x36F)
			c = 'i';
		len = sizeof(form) / sizeof(form[0]);
		if (!is_presentation(c) || u32_normalize(UNINORM_NFKC, &c, 1, form, &len) != form) {
			form[0] = c;
			len = 1;
		}
		for (k = 0; k < len; k++)
			pdf_put(&plain, b, utf8_put(form[k], b));
	}
	t->len = start;
	pdf_put(t, plain.p, plain.len);
	free(plain.p);
}
