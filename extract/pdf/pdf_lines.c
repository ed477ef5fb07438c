/* Lines of a page from its words, and their text. */
#include "extract/pdf/pdf_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>

#include "extract/out.h"

/* A gap between words, in heights of a line; what is less is within a word. */
#define WORD_GAP 0.125f

/* What stands between two pieces of text. */
enum gap {
	GAP_LINE, /* the end of a line: a word may go on behind it */
	GAP_SPACE, /* the same, within a cell */
	GAP_BLANK, /* a blank line */
	GAP_CELL,
};

static float
height_of(const struct pdf_word *w)
{
	float h = w->y1 - w->y0;

	return h > 1 ? h : 1;
}

static int
by_center(const void *a, const void *b)
{
	const struct pdf_word *v = a, *w = b;
	float d = (v->y0 + v->y1) - (w->y0 + w->y1);

	return d < 0 ? -1 : d > 0 ? 1 : v->seq < w->seq ? -1 : 1;
}

static int
by_x(const void *a, const void *b)
{
	const struct pdf_word *v = a, *w = b;
	float d = v->x0 - w->x0;

	return d < 0 ? -1 : d > 0 ? 1 : v->seq < w->seq ? -1 : 1;
}

/* Do they share half of the lower one's height? */
static bool
is_in_line(const struct line *line, const struct pdf_word *w)
{
	float top = line->y0 > w->y0 ? line->y0 : w->y0;
	float bottom = line->y1 < w->y1 ? line->y1 : w->y1;
	float h = line->y1 - line->y0 < height_of(w) ? line->y1 - line->y0 : height_of(w);

	return bottom - top >= 0.5f * h;
}

size_t
layout_lines(struct layout *l, size_t from, size_t n)
{
	struct pdf_word *w = l->words;
	struct line *line = NULL;
	size_t i, k, n_lines = 0;
	float h;

	qsort(w + from, n, sizeof(*w), by_center);
	for (i = from; i < from + n; i++) {
		h = height_of(&w[i]);
		if (line == NULL || !is_in_line(line, &w[i])) {
			if (n_lines == l->cap) {
				l->cap = l->cap * 2 + 256;
				l->lines = grow(l->lines, l->cap * sizeof(*l->lines));
			}
			line = &l->lines[n_lines++];
			*line = (struct line){ i, 0, w[i].y0, w[i].y0 + h, 0 };
		} else if (h > line->y1 - line->y0 && h < 1.6f * (line->y1 - line->y0)) {
			/* The line is as high as its letters: not as a superscript or a bracket. */
			line->y0 = w[i].y0;
			line->y1 = w[i].y0 + h;
		}
		line->n++;
	}
	for (i = 0; i < n_lines; i++) {
		line = &l->lines[i];
		qsort(w + line->first, line->n, sizeof(*w), by_x);
		line->x1 = 0;
		for (k = 0; k < line->n; k++)
			if (w[line->first + k].x1 > line->x1)
				line->x1 = w[line->first + k].x1;
	}
	return n_lines;
}

static bool
is_letter(const struct layout *l, const struct pdf_word *w)
{
	uint32_t c;

	return w->n_chars == 1 &&
	       utf8_get((const unsigned char *)l->text + w->at, w->n, &c) == w->n &&
	       uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L);
}

/* A run of words [from, end), and the gap within what is really one word; 0: there is none. */
struct spaced {
	size_t end;
	float gap;
};

/* Letters that are spaced for emphasis, beginning at the word i: five or more with like gaps. */
static struct spaced
spaced_run(const struct layout *l, const struct pdf_word *w, size_t i, size_t n)
{
	float g, most = 0.8f * height_of(&w[i]);
	struct spaced s = { i, most };
	size_t n_like = 0, k;

	for (; s.end < n && is_letter(l, &w[s.end]); s.end++) {
		if (s.end == i)
			continue;
		g = w[s.end].x0 - w[s.end - 1].x1;
		/* Twice as much may part two words. */
		if (g > 2 * most || g < WORD_GAP * height_of(&w[i]))
			break;
		if (g < s.gap)
			s.gap = g;
	}
	for (k = i + 1; k < s.end; k++)
		n_like += w[k].x0 - w[k - 1].x1 < 1.4f * s.gap;
	if (s.end - i < 5 || n_like * 2 < s.end - i)
		s.gap = 0;
	return s;
}

/* The same word drawn twice, a little aside, to look bold. */
static bool
is_double(const struct layout *l, const struct pdf_word *a, const struct pdf_word *b)
{
	return a->n == b->n && memcmp(l->text + a->at, l->text + b->at, a->n) == 0 &&
	       b->x0 - a->x0 < 0.5f * (a->x1 - a->x0) && fabsf(b->y0 - a->y0) < 0.3f * height_of(a);
}

/* Puts l->segment into logical order where it has right-to-left letters. */
static void
to_logical(struct layout *l)
{
	struct pdf_text *s = &l->segment;
	size_t n_rtl = 0, n_ltr = 0, i, used, n = 0;
	char b[4];
	bool rtl;

	if (!l->has_rtl)
		return;
	pdf_directions(s->p, s->len, &n_rtl, &n_ltr);
	if (n_rtl == 0)
		return;
	if (s->len > l->chars_cap) {
		l->chars_cap = s->len * 2;
		l->chars = grow(l->chars, l->chars_cap * sizeof(*l->chars));
	}
	for (i = 0; i < s->len; i += used)
		if ((used = utf8_get((const unsigned char *)s->p + i, s->len - i, &l->chars[n])) ==
		    0)
			used = 1;
		else
			n++;
	rtl = n_rtl > n_ltr || (l->rtl && (n_rtl == n_ltr || l->from_right));
	pdf_logical(l->chars, n, rtl);
	for (s->len = i = 0; i < n; i++)
		pdf_put(s, b, utf8_put(l->chars[i], b));
}

/* The mark of a note: a raised number directly behind a word, or before it. */
static bool
is_note_mark(const struct layout *l, const struct pdf_word *word, const struct pdf_word *w)
{
	float h = height_of(word);
	size_t i;

	for (i = 0; i < w->n; i++)
		if (l->text[w->at + i] < '0' || l->text[w->at + i] > '9')
			return false;
	return word->n_chars > 2 && (unsigned char)l->text[word->at + word->n - 1] > '9' &&
	       height_of(w) < 0.9f * h && w->y1 < word->y1 - 0.12f * h;
}

/* The text of n words of a line, into l->segment. */
static void
segment_read(struct layout *l, const struct pdf_word *w, size_t n)
{
	const struct pdf_word *last = NULL;
	struct spaced run = { 0, 0 };
	size_t i;
	float least;

	l->segment.len = 0;
	for (i = 0; i < n; i++) {
		if (last != NULL && is_double(l, last, &w[i]))
			continue;
		if (last != NULL) {
			least =
			    height_of(last) < height_of(&w[i]) ? height_of(last) : height_of(&w[i]);
			least = i < run.end && run.gap > 0 ? 1.5f * run.gap : WORD_GAP * least;
			if (w[i].x0 - last->x1 > least || is_note_mark(l, last, &w[i]) ||
			    is_note_mark(l, &w[i], last))
				pdf_put(&l->segment, " ", 1);
		}
		if (i >= run.end)
			run = spaced_run(l, w, i, n);
		pdf_put(&l->segment, l->text + w[i].at, w[i].n);
		last = &w[i];
	}
	to_logical(l);
}

/* The last character before `end` that is not a soft hyphen, and where it begins; 0: none. */
static uint32_t
last_char(const struct layout *l, size_t *end)
{
	const unsigned char *p = (const unsigned char *)l->to->p;
	size_t at = *end;
	uint32_t c = 0;

	while (at > l->start) {
		for (at--; at > l->start && (p[at] & 0xC0) == 0x80; at--)
			;
		if (utf8_get(p + at, *end - at, &c) == 0)
			c = 0xFFFD;
		*end = at;
		if (c != 0xAD)
			return c;
	}
	return 0;
}

static bool
is_alpha(uint32_t c)
{
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M);
}

static bool
is_digit(uint32_t c)
{
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_N);
}

static bool
is_small(uint32_t c)
{
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Ll);
}

static bool
is_capital(uint32_t c)
{
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Lu);
}

/* Han and kana, which are written without blanks. */
static bool
is_unspaced(uint32_t c)
{
	return (c >= 0x3041 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
	       (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

/*
 * Joins what is written with what comes, which begins with `next`, where a hyphen or a dash ends
 * the line. U+00AD and U+2010 are there for the line's end and go; U+002D stays beside a digit, and
 * between a small letter and a capital; between small letters, or capitals, pdf_hyphens() decides.
 * False: the line's end stays.
 */
static bool
join(struct layout *l, uint32_t next)
{
	size_t end = l->to->len, before;
	uint32_t c = last_char(l, &end), b;
	char bytes[4];
	bool soft = end + utf8_put(c, bytes) < l->to->len;

	before = end;
	b = last_char(l, &before);
	if (l->full && is_unspaced(c) && is_unspaced(next))
		return true;
	if (c == 0x2010 && is_alpha(b) && is_alpha(next)) {
		l->to->len = end;
		return true;
	}
	if (soft && is_alpha(c) && is_alpha(next))
		return true;
	if (!is_alpha(next) && !is_digit(next))
		return false;
	if (c == '-' && (b == ' ' || b == '\n' || b == 0))
		return b == ' ' && is_digit(next);
	if (c == '-' && ((is_small(b) && is_small(next)) || (is_capital(b) && is_capital(next))))
		l->to->p[end] = PDF_HYPHEN;
	return c == '-' || ((c == 0x2011 || c == 0x2013 || c == 0x2014) && b != ' ' && b != '\n');
}

/* Writes l->segment behind a gap. */
static void
segment_write(struct layout *l, enum gap gap)
{
	static const char *const gaps[] = { "\n", " ", "\n\n", "\t" };
	struct pdf_text *s = &l->segment;
	uint32_t next;

	if (s->len == 0)
		return;
	if (utf8_get((const unsigned char *)s->p, s->len, &next) == 0)
		next = 0xFFFD;
	if (l->to->len > l->start && (gap == GAP_BLANK || gap == GAP_CELL || !join(l, next)))
		pdf_put(l->to, gaps[gap], strlen(gaps[gap]));
	pdf_put(l->to, s->p, s->len);
}

/* The gap from the line that was written last to one with its top at y0. */
static enum gap
line_gap(const struct layout *l, float y0, float usual)
{
	float gap = y0 - l->last_y1, most = 0.5f * l->height;

	if (l->last_y1 < l->last_y0)
		return GAP_LINE;
	if (usual * 1.6f > most)
		most = usual * 1.6f;
	return gap > most ? GAP_BLANK : GAP_LINE;
}

static void
line_written(struct layout *l, float y0, float y1)
{
	l->last_y0 = y0;
	l->last_y1 = y1;
}

/* The mean of what is free between two lines, in points. */
static float
usual_gap(const struct line *lines, size_t n)
{
	float sum = 0;
	size_t i;

	for (i = 1; i < n; i++)
		if (lines[i].y0 > lines[i - 1].y1)
			sum += lines[i].y0 - lines[i - 1].y1;
	return n > 2 ? sum / (float)(n - 1) : 0;
}

/* Does a line reach the end of its column, and begin clearly behind the column's beginning? */
static bool
is_flush_right(const struct layout *l, const struct line *line, float begin, float end)
{
	return line->x1 > end - 0.5f * l->height && l->words[line->first].x0 > begin + l->height;
}

void
layout_read_lines(struct layout *l, size_t n)
{
	float usual = usual_gap(l->lines, n), begin = 1e6f, end = 0, x0;
	size_t i;

	for (i = 0; i < n; i++) {
		x0 = l->words[l->lines[i].first].x0;
		begin = x0 < begin ? x0 : begin;
		end = l->lines[i].x1 > end ? l->lines[i].x1 : end;
	}
	for (i = 0; i < n; i++) {
		const struct line *line = &l->lines[i];

		/* A full line of a paragraph is told by the next. */
		l->from_right = line->x1 > end - 0.5f * l->height &&
				(is_flush_right(l, line, begin, end) ||
				    (i + 1 < n && is_flush_right(l, line + 1, begin, end)));
		segment_read(l, l->words + line->first, line->n);
		segment_write(l, line_gap(l, line->y0, usual));
		line_written(l, line->y0, line->y1);
		l->full = line->x1 > end - 1.5f * l->height;
	}
}

/* The words of one line in one column of a table. */
struct cell {
	size_t first, n;
	size_t column; /* in the order of reading */
	float y0, y1;
	unsigned seq; /* of the word that was drawn first */
};

static int
cells_by_seq(const void *a, const void *b)
{
	const struct cell *v = a, *w = b;

	return v->seq < w->seq ? -1 : v->seq > w->seq;
}

static int
cells_by_row(const void *a, const void *b)
{
	const struct cell *v = a, *w = b;

	if (v->y0 < w->y0 || v->y0 > w->y0)
		return v->y0 < w->y0 ? -1 : 1;
	return v->column < w->column ? -1 : v->column > w->column;
}

/* Cuts a line into cells; returns how many. */
static size_t
line_cells(const struct layout *l, const struct line *line, struct cell *to)
{
	size_t i, column = 0, n = 0;

	for (i = line->first; i < line->first + line->n; i++) {
		while (column < l->n_borders && l->words[i].x0 >= l->borders[column] - 0.5f)
			column++;
		if (n == 0 || to[n - 1].column != column)
			to[n++] =
			    (struct cell){ i, 0, column, line->y0, line->y1, l->words[i].seq };
		to[n - 1].n++;
		if (l->words[i].seq < to[n - 1].seq)
			to[n - 1].seq = l->words[i].seq;
	}
	for (i = 0; l->rtl && i < n; i++)
		to[i].column = l->n_borders - to[i].column;
	return n;
}

/* What stands between a cell and what was written before: the cell `last` of a row down to y1. */
static enum gap
cell_gap(const struct layout *l, const struct cell *last, const struct cell *c, float y1)
{
	bool below = c->y0 > y1 - 0.3f * l->height;

	if (c->column > last->column && !below)
		return GAP_CELL;
	if (c->column == last->column && c->column > 0 && c->y0 - last->y1 < 0.5f * l->height &&
	    c->y0 > last->y0)
		return GAP_SPACE;
	return line_gap(l, c->y0, l->height);
}

void
layout_read_rows(struct layout *l, size_t start, size_t end, bool by_rows)
{
	struct cell *cells, *c;
	size_t i, n = 0;
	float y1 = 0;
	enum gap gap;

	l->from_right = false;
	cells = grow(NULL, (end - start + 1) * (l->n_borders + 1) * sizeof(*cells));
	for (i = start; i <= end; i++)
		n += line_cells(l, &l->lines[i], cells + n);
	qsort(cells, n, sizeof(*cells), by_rows ? cells_by_seq : cells_by_row);
	for (c = cells; c < cells + n; c++) {
		gap = c > cells ? cell_gap(l, c - 1, c, y1) : line_gap(l, c->y0, 0);
		if (!by_rows && gap == GAP_SPACE)
			gap = GAP_LINE;
		segment_read(l, l->words + c->first, c->n);
		segment_write(l, gap);
		if (gap == GAP_LINE || gap == GAP_BLANK || c->y1 > y1)
			y1 = c->y1;
		line_written(l, c->y0, y1);
		l->full = true;
	}
	free(cells);
}

static int
by_float(const void *a, const void *b)
{
	const float *v = a, *w = b;

	return *v < *w ? -1 : *v > *w;
}

/* Written upwards or downwards, by its box. */
static bool
is_turned(const struct pdf_word *w)
{
	return w->n_chars > 2 && w->y1 - w->y0 > 2.5f * (w->x1 - w->x0);
}

/* In the same strip: with a turned word, another of its line, which may be short. */
static bool
is_beside(const struct pdf_word *w, const struct pdf_word *next)
{
	return fabsf(w->x0 - next->x0) < 1 && fabsf(w->x1 - next->x1) < 1;
}

/* Big letters one by one on a slope, as a watermark is: the word i and one drawn beside it. */
static bool
is_aslant(const struct layout *l, const struct pdf_word *w, const struct pdf_word *next)
{
	float h = height_of(w), down = fabsf(w->y0 - next->y0);

	return h > 1.8f * l->height && fabsf(height_of(next) - h) < 0.1f * h && is_letter(l, w) &&
	       is_letter(l, next) && down > 0.2f * h && down < 2 * h &&
	       fabsf(w->x0 - next->x0) > 0.2f * h;
}

/* Puts turned words and watermarks behind the others; returns how many the others are. */
static size_t
put_aside(struct layout *l)
{
	bool *aside = grow(NULL, (l->n_words + 1) * sizeof(*aside));
	struct pdf_word *w = l->words, swapped;
	size_t i, n = l->n_words, n_kept = 0;

	for (i = 0; i < n; i++)
		aside[i] = is_turned(w + i) || (i > 0 && is_aslant(l, w + i, w + i - 1)) ||
			   (i + 1 < n && is_aslant(l, w + i, w + i + 1)) ||
			   (i > 0 && aside[i - 1] && is_beside(w + i, w + i - 1));
	for (i = n - 1; i > 0; i--)
		aside[i - 1] |= aside[i] && is_beside(w + i, w + i - 1);
	for (i = 0; i < n; i++) {
		if (aside[i])
			continue;
		swapped = w[n_kept];
		w[n_kept++] = w[i];
		w[i] = swapped;
	}
	free(aside);
	return n_kept;
}

size_t
layout_begin(struct layout *l, struct pdf_page *page, struct pdf_text *to)
{
	size_t i, n_rtl = 0, n_ltr = 0;
	float *heights = grow(NULL, (page->n + 1) * sizeof(*heights));

	l->to = to;
	l->start = to->len;
	l->text = page->text.p;
	l->words = page->words;
	l->n_words = page->n;
	l->last_y0 = 1;
	l->last_y1 = 0;
	l->full = false;
	for (i = 0; i < page->n; i++)
		heights[i] = height_of(&page->words[i]);
	qsort(heights, page->n, sizeof(*heights), by_float);
	l->height = page->n > 0 ? heights[page->n / 2] : 1;
	free(heights);
	pdf_directions(page->text.p, page->text.len, &n_rtl, &n_ltr);
	l->has_rtl = n_rtl > 0;
	l->rtl = n_rtl > n_ltr;
	return put_aside(l);
}

void
layout_end(struct layout *l, size_t n)
{
	const struct pdf_word *w, *last = NULL;
	bool slope; /* letters of a watermark */
	float gap;

	qsort(l->words + n, l->n_words - n, sizeof(*l->words), pdf_by_seq);
	for (w = l->words + n; w < l->words + l->n_words; last = w++) {
		l->segment.len = 0;
		pdf_put(&l->segment, l->text + w->at, w->n);
		slope = last != NULL && w->n_chars == 1 && last->n_chars == 1;
		gap = last == NULL ? 0 : last->y0 > w->y1 ? last->y0 - w->y1 : w->y0 - last->y1;
		if (!slope && (last == NULL || w->x0 > last->x1 || w->x1 < last->x0))
			segment_write(l, GAP_LINE);
		else if (!slope && gap > 2 * WORD_GAP * (w->x1 - w->x0))
			segment_write(l, GAP_SPACE);
		else
			pdf_put(l->to, l->segment.p, l->segment.len);
	}
	free(l->lines);
	free(l->segment.p);
	free(l->chars);
}
