#include "runner/knowledge/chunker.h"
#include "runner/knowledge/retrieve.h"

#define CHUNK_CHARS 1200
#define CHUNK_MOST 1500 /* a rest of so many characters is not cut again */
#define CHUNK_LEAST 500 /* no cut before so many */

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

/* A tab at the beginning stays: it stands for an empty cell of a table. */
static struct str
trim(struct str s)
{
	while (s.n > 0 && is_space(s.p[0]) && s.p[0] != '\t') {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/*
 * How good a place for a cut is behind the byte at i: 4 a paragraph's end, 3 a sentence's, 2 a
 * line's, 1 a word's, 0 none.
 */
static int
rank(struct str s, size_t i)
{
	char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : '\n';

	if (c == '\n' && next == '\n')
		return 4;
	if ((c == '.' || c == '!' || c == '?' || c == ':' || c == ';') && is_space(next))
		return c == ':' || c == ';' ? 2 : 3;
	if (i >= 2 && memcmp(s.p + i - 2, "\xe3\x80\x82", 3) == 0)
		return 3;
	if (c == '\n')
		return 2;
	return is_space(c) ? 1 : 0;
}

struct str
chunk_next(struct str text, struct str *passage)
{
	size_t i = 0, chars = 0, cut[5] = { 0 }, end = 0;

	text = trim(text);
	while (i < text.n && chars < CHUNK_MOST) {
		uint32_t c;
		size_t len = utf8_next((struct str){ text.p + i, text.n - i }, &c);
		int r;

		i += len;
		chars++;
		if (chars > CHUNK_CHARS)
			continue;
		end = i;
		if (chars >= CHUNK_LEAST && (r = rank(text, i - 1)) > 0)
			cut[r] = i;
	}
	if (i == text.n)
		end = text.n;
	else
		for (int r = 4; r >= 1; r--)
			if (cut[r] > 0) {
				end = cut[r];
				break;
			}
	*passage = trim((struct str){ text.p, end });
	return (struct str){ text.p + end, text.n - end };
}
