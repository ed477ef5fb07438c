/*
 * A page's words in reading order. A region of the page is cut where a strip without words runs
 * down between the words of at least two lines (a gutter): into columns, which are regions read one
 * after the other, or into the cells of a table, which is read by rows. What stands above and below
 * is a region of its own. All bounds are of the page's geometry, not of anything that the file
 * says.
 */
#include <stdlib.h>
#include <string.h>

#include "extract/pdf/pdf_lines.h"

#define LINES_MAX 1000 /* of a region; one with more (a drawing) is not cut */
#define DEPTH_MAX 8 /* columns in columns */
#define GUTTERS_MAX 64 /* that are looked at in one region */

/* A strip without words beside the lines start to end, from a to b points. */
struct gutter {
	float a, b;
	size_t start, end; /* the lines, `end` included */
	size_t n_left, n_right; /* lines with words on the left and on the right */
};

/* A region that waits to be read: words [from, from + n). */
struct task {
	size_t from, n;
	unsigned depth;
};

struct region {
	struct layout *l;
	struct gutter active[GUTTERS_MAX]; /* those that the last line has left */
	struct gutter done[GUTTERS_MAX]; /* those that have words on both sides */
	size_t n_active, n_done;
	float least; /* a gutter's width in points */
};

static void
gutter_done(struct region *r, const struct gutter *g, size_t end)
{
	struct gutter *to = &r->done[r->n_done];

	if (g->n_left < 2 || g->n_right < 2 || r->n_done == GUTTERS_MAX)
		return;
	*to = *g;
	to->end = end;
	if ((to->n_left > 2 && to->n_right > 2) || to->b - to->a >= 1.6f * r->least)
		r->n_done++;
}

/* Adds a strip unless it is part of one that is there, which is older. */
static void
gutter_add(struct gutter *to, size_t *n, struct gutter g, float least)
{
	size_t i;

	if (g.b - g.a < least || *n == GUTTERS_MAX)
		return;
	for (i = 0; i < *n; i++)
		if (to[i].a <= g.a + 0.5f && to[i].b >= g.b - 0.5f)
			return;
	to[(*n)++] = g;
}

/* The strips of a line alone: those between its words, and on both sides of it. */
static size_t
line_gaps(const struct region *r, const struct line *line, struct gutter *gaps)
{
	const struct pdf_word *w = r->l->words + line->first;
	struct gutter g = { .a = -1e6f };
	size_t n = 0, i;

	for (i = 0; i < line->n; i++) {
		g.b = w[i].x0;
		if (g.b - g.a >= r->least && n < GUTTERS_MAX)
			gaps[n++] = g;
		if (w[i].x1 > g.a)
			g.a = w[i].x1;
	}
	g.b = 1e6f;
	if (n < GUTTERS_MAX)
		gaps[n++] = g;
	return n;
}

/* Takes the line i into account: what it leaves of each strip, and strips that it begins. */
static void
gutters_pass(struct region *r, size_t i)
{
	const struct line *line = &r->l->lines[i];
	struct gutter gaps[GUTTERS_MAX], next[GUTTERS_MAX], g;
	size_t n_gaps = line_gaps(r, line, gaps), n_next = 0, k, j;

	for (k = 0; k <= r->n_active; k++) {
		/* The last turn is for the line's own strips. */
		struct gutter all = { .a = -1e6f, .b = 1e6f, .start = i };
		const struct gutter *old = k < r->n_active ? &r->active[k] : &all;
		bool whole = false;

		for (j = 0; j < n_gaps; j++) {
			g = *old;
			g.a = gaps[j].a > old->a ? gaps[j].a : old->a;
			g.b = gaps[j].b < old->b ? gaps[j].b : old->b;
			g.n_left += r->l->words[line->first].x0 < g.a;
			g.n_right += line->x1 > g.b;
			whole |= gaps[j].a <= old->a && gaps[j].b >= old->b;
			gutter_add(next, &n_next, g, r->least);
		}
		if (k < r->n_active && !whole)
			gutter_done(r, old, i - 1);
	}
	memcpy(r->active, next, n_next * sizeof(next[0]));
	r->n_active = n_next;
}

static size_t
least_side(const struct gutter *g)
{
	return g->n_left < g->n_right ? g->n_left : g->n_right;
}

/* The strip between the most lines; NULL: the region has none. */
static const struct gutter *
best_gutter(struct region *r, size_t n_lines)
{
	const struct gutter *best = NULL, *g;
	size_t i;

	r->n_active = r->n_done = 0;
	if (n_lines < 2 || n_lines > LINES_MAX)
		return NULL;
	for (i = 0; i < n_lines; i++)
		gutters_pass(r, i);
	for (i = 0; i < r->n_active; i++)
		gutter_done(r, &r->active[i], n_lines - 1);
	for (g = r->done; g < r->done + r->n_done; g++)
		if (best == NULL || least_side(g) > least_side(best) ||
		    (least_side(g) == least_side(best) &&
			g->end - g->start > best->end - best->start))
			best = g;
	return best;
}

/* Has the line words on one side of the strip only? */
static bool
is_one_sided(const struct layout *l, const struct gutter *g, size_t line)
{
	const struct line *a = &l->lines[line];

	return a->x1 <= g->a || l->words[a->first].x0 >= g->b;
}

/* A line alone at the edge of the strip, with a wide gap to the next: a header or a footer. */
static bool
stands_apart(const struct layout *l, const struct gutter *g, size_t line, size_t next)
{
	const struct line *a = &l->lines[line], *b = &l->lines[next];
	float gap = line < next ? b->y0 - a->y1 : a->y0 - b->y1;

	return is_one_sided(l, g, line) && gap > 1.2f * l->height;
}

/* What tells columns of prose from cells. */
struct side_facts {
	size_t n_lines;
	size_t n_units; /* words, and what stands for them where words have no blanks */
	size_t n_words, n_numbers;
	size_t n_full; /* lines that reach the column's end */
};

static bool
is_number(const struct layout *l, const struct pdf_word *w)
{
	bool digit = false;
	size_t i;

	for (i = 0; i < w->n; i++) {
		unsigned char c = (unsigned char)l->text[w->at + i];

		if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
			return false;
		digit |= c >= '0' && c <= '9';
	}
	return digit;
}

static void
side_add(
    const struct layout *l, struct side_facts *s, const struct pdf_word *w, size_t n, float end)
{
	size_t i;

	if (n == 0)
		return;
	s->n_lines++;
	s->n_words += n;
	s->n_full += w[n - 1].x1 > end - 0.25f * (end - w[0].x0);
	for (i = 0; i < n; i++) {
		s->n_units += 1 + (w[i].n_chars - 1) / 8 + (w[i].n - w[i].n_chars) / 4;
		s->n_numbers += is_number(l, &w[i]);
	}
}

static bool
is_prose(const struct side_facts *s)
{
	return s->n_lines >= 5 && s->n_units * 2 >= s->n_lines * 7 &&
	       s->n_full * 10 >= s->n_lines * 6;
}

/* A word or a number in each line. */
static bool
is_cells(const struct side_facts *s)
{
	return s->n_units * 2 <= s->n_lines * 3 || s->n_numbers * 10 >= s->n_words * 6;
}

/* How often the drawing goes from one side of the gutter to the other. */
static size_t
switches(struct layout *l, const struct gutter *g)
{
	size_t from = l->lines[g->start].first, n, i, count = 0;
	struct pdf_word *copy;

	n = l->lines[g->end].first + l->lines[g->end].n - from;
	copy = grow(NULL, n * sizeof(*copy));
	memcpy(copy, l->words + from, n * sizeof(*copy));
	qsort(copy, n, sizeof(*copy), pdf_by_seq);
	for (i = 1; i < n; i++)
		count += (copy[i].x0 >= g->b) != (copy[i - 1].x0 >= g->b);
	free(copy);
	return count;
}

/* Are nearly all lines drawn across the gutter? */
static bool
is_in_turns(const struct gutter *g, size_t n_switches)
{
	return n_switches * 2 >= least_side(g) * 3;
}

/*
 * Is it a table? The order of drawing tells in most cases: columns are drawn one after the other,
 * and cells row by row. A table that is drawn by columns has short cells, of which each has another
 * in its line; and lines that are drawn in turns but are prose on both sides are columns.
 */
static bool
is_table(struct layout *l, const struct gutter *g, size_t n_switches)
{
	struct side_facts left = { 0 }, right = { 0 };
	size_t i, k, n_both = 0, n_rows = least_side(g);
	float left_end = 0, right_end = 0;

	for (i = g->start; i <= g->end; i++) {
		const struct pdf_word *w = l->words + l->lines[i].first;

		for (k = 0; k < l->lines[i].n; k++) {
			if (w[k].x0 < g->b && w[k].x1 > left_end)
				left_end = w[k].x1;
			if (w[k].x0 >= g->b && w[k].x1 > right_end)
				right_end = w[k].x1;
		}
	}
	for (i = g->start; i <= g->end; i++) {
		const struct pdf_word *w = l->words + l->lines[i].first;

		for (k = 0; k < l->lines[i].n && w[k].x0 < g->b; k++)
			;
		side_add(l, &left, w, k, left_end);
		side_add(l, &right, w + k, l->lines[i].n - k, right_end);
		n_both += k > 0 && k < l->lines[i].n;
	}
	if (n_switches > 2 && n_switches * 2 >= n_rows)
		return !is_in_turns(g, n_switches) || !is_prose(&left) || !is_prose(&right);
	if (n_both * 10 < n_rows * 8)
		return false;
	return is_cells(&left) || is_cells(&right);
}

/* The first and the last of a line's words in the order of drawing. */
static void
line_drawn(const struct layout *l, size_t line, unsigned *first, unsigned *last)
{
	const struct pdf_word *w = l->words + l->lines[line].first;
	size_t i;

	*first = *last = w[0].seq;
	for (i = 1; i < l->lines[line].n; i++) {
		if (w[i].seq < *first)
			*first = w[i].seq;
		if (w[i].seq > *last)
			*last = w[i].seq;
	}
}

/*
 * Where columns end: before a line that was drawn, as all below it, when both columns above it were
 * complete. Returns the last line of the columns.
 */
static size_t
columns_end(const struct layout *l, const struct gutter *g)
{
	size_t n = g->end - g->start + 1, i, end = g->end;
	unsigned *below = grow(NULL, n * sizeof(*below)); /* first drawn from a line on */
	unsigned first, last, above = 0;
	bool left = false, right = false;

	for (i = n; i-- > 0;) {
		line_drawn(l, g->start + i, &first, &last);
		below[i] = i + 1 < n && below[i + 1] < first ? below[i + 1] : first;
	}
	for (i = 0; i + 1 < n && end == g->end; i++) {
		line_drawn(l, g->start + i, &first, &last);
		if (last > above)
			above = last;
		left |= l->words[l->lines[g->start + i].first].x0 < g->b;
		right |= l->lines[g->start + i].x1 > g->b;
		if (left && right && above < below[i + 1])
			end = g->start + i;
	}
	free(below);
	return end;
}

/* Words on the left of x first; both sides keep their order. Returns how many are there. */
static size_t
divide(struct pdf_word *w, size_t n, float x)
{
	struct pdf_word *rest = grow(NULL, (n + 1) * sizeof(*rest));
	size_t i, n_left = 0, n_rest = 0;

	for (i = 0; i < n; i++)
		if (w[i].x0 < x)
			w[n_left++] = w[i];
		else
			rest[n_rest++] = w[i];
	memcpy(w + n_left, rest, n_rest * sizeof(*rest));
	free(rest);
	return n_left;
}

/* The tasks that wait, the next one last. */
struct tasks {
	struct task *p; /* cap, n used */
	size_t n;
	size_t cap;
};

static void
task_push(struct tasks *t, size_t from, size_t n, unsigned depth)
{
	if (n == 0)
		return;
	if (t->n == t->cap) {
		t->cap = t->cap * 2 + 64;
		t->p = grow(t->p, t->cap * sizeof(*t->p));
	}
	t->p[t->n++] = (struct task){ from, n, depth };
}

/*
 * The gutters that run along all lines of g which have words on both sides, from left to right: the
 * borders of a table's cells.
 */
static void
cell_borders(struct layout *l, const struct region *r, const struct gutter *g)
{
	size_t i, k, end = g->end;
	float x;

	while (end > g->start && is_one_sided(l, g, end))
		end--;
	l->n_borders = 0;
	for (i = 0; i < r->n_done && l->n_borders < BORDERS_MAX; i++) {
		if (r->done[i].start > g->start || r->done[i].end < end)
			continue;
		x = r->done[i].b;
		for (k = l->n_borders; k > 0 && l->borders[k - 1] > x; k--)
			l->borders[k] = l->borders[k - 1];
		l->borders[k] = x;
		l->n_borders++;
	}
}

/* Cuts a region in up to four, or reads it. */
static void
region_read(struct region *r, struct tasks *tasks, struct task t)
{
	struct layout *l = r->l;
	size_t n_lines = layout_lines(l, t.from, t.n), start, end, n_left, n_switches;
	const struct gutter *found;
	struct gutter g;
	bool table;

	r->least = 0.6f * l->height;
	found = t.depth < DEPTH_MAX ? best_gutter(r, n_lines) : NULL;
	if (found == NULL) {
		layout_read_lines(l, n_lines);
		return;
	}
	g = *found;
	if (stands_apart(l, &g, g.start, g.start + 1))
		g.start++;
	if (g.end > g.start + 1 && stands_apart(l, &g, g.end, g.end - 1))
		g.end--;
	n_switches = switches(l, &g);
	table = is_table(l, &g, n_switches);
	if (!table && !is_in_turns(&g, n_switches))
		g.end = columns_end(l, &g);
	while (table && g.start < g.end && is_one_sided(l, &g, g.start))
		g.start++;
	start = l->lines[g.start].first;
	end = l->lines[g.end].first + l->lines[g.end].n;
	task_push(tasks, end, t.from + t.n - end, t.depth);
	if (table) {
		cell_borders(l, r, &g);
		if (start == t.from) {
			layout_read_rows(l, g.start, g.end, n_switches > 2);
			return;
		}
		task_push(tasks, start, end - start, t.depth);
	} else {
		n_left = divide(l->words + start, end - start, g.b);
		task_push(tasks, l->rtl ? start : start + n_left,
		    l->rtl ? n_left : end - start - n_left, t.depth + 1);
		task_push(tasks, l->rtl ? start + n_left : start,
		    l->rtl ? end - start - n_left : n_left, t.depth + 1);
	}
	task_push(tasks, t.from, start - t.from, t.depth);
}

void
pdf_layout(struct pdf_page *page, struct pdf_text *to)
{
	struct layout l = { 0 };
	struct region r = { .l = &l };
	struct tasks tasks = { 0 };
	size_t n;

	if (page->n == 0)
		return;
	n = layout_begin(&l, page, to);
	task_push(&tasks, 0, n, 0);
	while (tasks.n > 0) {
		tasks.n--;
		region_read(&r, &tasks, tasks.p[tasks.n]);
	}
	free(tasks.p);
	layout_end(&l, n);
}
