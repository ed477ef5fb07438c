/*
 * Lam and alef (U+0644 and U+0622, 0623, 0625, 0627) are drawn as one glyph. Where a file names
 * both for it, poppler gives them in the order of reading among glyphs in the order of paper, so
 * that they come out the wrong way round. In a file in which that happens no lam stands before an
 * alef.
 */
#include <string.h>

#include "extract/pdf/pdf.h"

#define LAM "\xD9\x84"
#define ALEF "\xD8\xA7"
#define FATHATAN "\xD9\x8B" /* stands on the last alef of a word */

/* All of these letters take two bytes. */
static bool
is_at(const struct pdf_text *t, size_t i, const char *letters)
{
	size_t n = strlen(letters);

	return i + n <= t->len && memcmp(t->p + i, letters, n) == 0;
}

static bool
is_alef(const struct pdf_text *t, size_t i)
{
	return is_at(t, i, ALEF) || is_at(t, i, "\xD8\xA2") || is_at(t, i, "\xD8\xA3") ||
	       is_at(t, i, "\xD8\xA5");
}

/* A letter of the Arabic block. */
static bool
is_arabic(const struct pdf_text *t, size_t i)
{
	return i + 2 <= t->len && (unsigned char)t->p[i] >= 0xD8 && (unsigned char)t->p[i] <= 0xDB;
}

static void
swap(struct pdf_text *t, size_t i)
{
	char first[2];

	memcpy(first, t->p + i, 2);
	memcpy(t->p + i, t->p + i + 2, 2);
	memcpy(t->p + i + 2, first, 2);
}

/*
 * Certain are two alefs before a lam (the article before an alef), an alef with fathatan before
 * one, and a word of an alef and a lam alone. Within a word both orders are usual.
 */
bool
pdf_lam_alef(struct pdf_text *t)
{
	size_t i;
	bool open = false;

	if (t->len == 0 || memmem(t->p, t->len, LAM, 2) == NULL)
		return false;
	for (i = 0; i + 4 <= t->len; i++)
		if (is_at(t, i, LAM) && is_alef(t, i + 2))
			return false;
	for (i = 0; i + 4 <= t->len; i++) {
		if (is_at(t, i, ALEF FATHATAN) && is_at(t, i + 4, LAM)) {
			memcpy(t->p + i, LAM ALEF FATHATAN, 6);
			continue;
		}
		if (!is_alef(t, i) || !is_at(t, i + 2, LAM))
			continue;
		if (i >= 2 && is_at(t, i - 2, ALEF))
			swap(t, i);
		else if (i >= 2 && is_arabic(t, i - 2))
			open |= i >= 4 && is_arabic(t, i - 4);
		else if (!is_arabic(t, i + 4))
			swap(t, i);
	}
	return open;
}
