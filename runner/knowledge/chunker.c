#include "runner/knowledge/chunker.h"
#include "runner/knowledge/furniture.h"
#include "runner/knowledge/utf8.h"
#include "runner/knowledge/words.h"

#define CHUNK_CHARS 1800
#define CHUNK_HEADING 500 /* a heading ends a passage of so many characters */
#define CHUNK_CARRIED 200

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

/* -- headings -- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The parts of a number at the line's start: 3 of "2.1.4 Title"; 0 where there is none. */
static size_t
numbered(struct str line)
{
	size_t i = 0, parts = 0;

	while (i < line.n && is_digit(line.p[i])) {
		while (i < line.n && is_digit(line.p[i]))
			i++;
		parts++;
		if (i < line.n && line.p[i] == '.')
			i++;
	}
	/* A space, also one that does not break */
	return i + 1 < line.n && (is_space(line.p[i]) || memcmp(line.p + i, "\xc2\xa0", 2) == 0)
		   ? parts
		   : 0;
}

/* A line of nothing but one mark. */
static bool
is_underline(struct str line, char mark)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != mark)
			return false;
	return line.n >= 3;
}

/*
 * The heading that the paragraph at `p` is, or begins with; its level from 1, or 0 where there is
 * none.
 */
static size_t
heading_at(struct str p, struct str *title)
{
	struct str under, line, rest = str_cut(p, '\n', &line), next = trim(rest);
	size_t parts;

	*title = trim(line);
	(void)str_cut(rest, '\n', &under);
	if (!furniture_is_title(*title) || next.n <= title->n)
		return 0;
	if (is_underline(trim(under), '='))
		return 1;
	if (is_underline(trim(under), '-'))
		return 2;
	if (rest.n == 0 || rest.p[0] != '\n' || is_digit(title->p[title->n - 1]))
		return 0;
	parts = numbered(*title);
	return parts == 0 ? CHUNK_LEVELS : parts < CHUNK_LEVELS ? parts : CHUNK_LEVELS - 1;
}

static void
enter(struct chunker *c, size_t level, struct str title)
{
	c->path[level - 1] = title;
	for (size_t i = level; i < CHUNK_LEVELS; i++)
		c->path[i] = (struct str){ NULL, 0 };
}

static struct str
path_text(const struct chunker *c)
{
	struct buf b = { .a = c->a };

	for (size_t i = 0; i < CHUNK_LEVELS; i++) {
		if (c->path[i].n == 0)
			continue;
		buf_put(&b, b.n > 0 ? S(" › ") : S(""));
		buf_put(&b, c->path[i]);
	}
	return buf_str(&b);
}

/* -- cutting -- */

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

/* Where a passage that begins `text` ends; *how is that place's rank, 5 before a heading. */
static size_t
end_of(struct str text, int *how)
{
	size_t i = 0, chars = 0, cut[5] = { 0 };
	struct str title;

	while (i < text.n && chars < CHUNK_CHARS) {
		uint32_t c;
		int r;

		i += utf8_next((struct str){ text.p + i, text.n - i }, &c);
		chars++;
		if (chars < CHUNK_HEADING || (r = rank(text, i - 1)) == 0)
			continue;
		*how = 5;
		if (r == 4 && heading_at(trim((struct str){ text.p + i, text.n - i }), &title) > 0)
			return i;
		if (chars >= CHUNK_CHARS / 2 || r < 4)
			cut[r] = i;
	}
	*how = 4;
	if (i == text.n)
		return i;
	while (*how > 0 && cut[*how] == 0)
		(*how)--;
	return *how > 0 ? cut[*how] : i;
}

/* How many of the last bytes of a passage the next one begins with: whole sentences. */
static size_t
carry(struct str passage)
{
	struct str rest = passage, sentence;
	size_t from = passage.n;

	if (passage.n > 4 * (size_t)CHUNK_CARRIED) {
		rest.p += passage.n - 4 * (size_t)CHUNK_CARRIED;
		rest.n = 4 * (size_t)CHUNK_CARRIED;
	}
	for (rest = sentence_next(rest, &sentence); rest.n > 0;
	     rest = sentence_next(rest, &sentence))
		if (str_chars(rest) <= CHUNK_CARRIED && trim(rest).n > 0) {
			from = (size_t)(trim(rest).p - passage.p);
			break;
		}
	return passage.n - from;
}

/* The headings of a passage: those at its beginning are entered, the others listed. */
static struct str
headings(struct chunker *c, struct str text, size_t from, size_t to, struct str *inside)
{
	struct buf b = { .a = c->a };
	struct str title, path = { NULL, 0 };
	size_t level;

	for (size_t i = from; i < to; i++) {
		if (i > from && !(text.p[i - 1] == '\n' && i >= 2 && text.p[i - 2] == '\n'))
			continue;
		if (is_space(text.p[i]) ||
		    (level = heading_at((struct str){ text.p + i, text.n - i }, &title)) == 0) {
			path = path.p == NULL && !is_space(text.p[i]) ? path_text(c) : path;
			continue;
		}
		enter(c, level, title);
		if (path.p == NULL)
			continue;
		buf_put(&b, title);
		buf_put(&b, S("\n"));
	}
	*inside = buf_str(&b);
	return path.p == NULL ? path_text(c) : path;
}

bool
chunk_next(struct chunker *c, struct chunk *out)
{
	struct str rest = { c->text.p + c->at, c->text.n - c->at }, all = rest;
	size_t end, fresh;
	int how;

	rest = trim(rest);
	if (rest.n <= c->carried)
		return false;
	end = end_of(rest, &how);
	out->text = trim((struct str){ rest.p, end });
	out->carried = str_chars((struct str){ rest.p, c->carried });
	fresh = (size_t)(rest.p - all.p) + c->at;
	out->heading = headings(c, c->text, fresh + c->carried, fresh + end, &out->inside);
	c->carried = how < 4 && end < rest.n ? carry(out->text) : 0;
	c->at = (size_t)(out->text.p + out->text.n - c->text.p) - c->carried;
	return true;
}
