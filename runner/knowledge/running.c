#include <stdlib.h>

#include "runner/knowledge/running.h"

#define PAGES 4 /* with the same line, at least */
#define EDGE 2 /* lines at the top, and at the bottom, that are looked at */
#define LINE_MAX 120 /* bytes of one */

/* One of the lines at a page's edge. */
struct edge {
	uint64_t hash; /* of its text without the page's number, and of which edge it is */
	size_t block, place; /* place: from the top, or EDGE and from the bottom */
	bool number; /* it is nothing else */
};

static bool
is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (unsigned char)c >= 0x80;
}

/* A page's numbers, of the mark "page 12 (iv)"; false where it is no page's. */
static bool
numbers_of(struct str mark, struct str number[2])
{
	struct str rest;

	if (!str_starts(mark, S("page ")))
		return false;
	rest = str_cut((struct str){ mark.p + 5, mark.n - 5 }, '(', &number[0]);
	number[0] = str_trim(number[0]);
	(void)str_cut(rest, ')', &number[1]);
	return number[0].n > 0;
}

/* How long the page's number is that stands at i; 0: none does. */
static size_t
number_at(struct str line, size_t i, const struct str number[2])
{
	if (i > 0 && is_word(line.p[i - 1]))
		return 0;
	for (size_t k = 0; k < 2; k++) {
		size_t n = number[k].n;

		if (n > 0 && i + n <= line.n && memcmp(line.p + i, number[k].p, n) == 0 &&
		    (i + n == line.n || !is_word(line.p[i + n])))
			return n;
	}
	return 0;
}

static struct edge
edge_of(struct str line, const struct str number[2], size_t block, size_t place)
{
	struct edge e = { .hash = 14695981039346656037U, .block = block, .place = place };
	bool words = false;

	for (size_t i = 0, n; i<line.n; i += n> 0 ? n : 1) {
		n = number_at(line, i, number);
		e.number = e.number || n > 0;
		words = words || (n == 0 && is_word(line.p[i]));
		e.hash = (e.hash ^ (n > 0 ? 1U : (unsigned char)line.p[i])) * 1099511628211U;
	}
	e.hash = (e.hash ^ (place < EDGE ? 2U : 3U)) * 1099511628211U;
	e.number = e.number && !words;
	return e;
}

/* The next line that is not empty, from the top or from the bottom; what is left in *text. */
static struct str
line_next(struct str *text, bool bottom)
{
	struct str line = { NULL, 0 };

	while (text->n > 0 && line.n == 0) {
		if (!bottom) {
			*text = str_cut(*text, '\n', &line);
		} else {
			const char *end = memrchr(text->p, '\n', text->n);
			size_t from = end ? (size_t)(end - text->p) + 1 : 0;

			line = (struct str){ text->p + from, text->n - from };
			text->n = from > 0 ? from - 1 : 0;
		}
		line = str_trim(line);
	}
	return line;
}

static size_t
edges_of(const struct block *b, size_t block, struct edge *out)
{
	struct str number[2], line;
	size_t n = 0;

	if (!numbers_of(b->mark, number))
		return 0;
	for (size_t place = 0; place < 2 * (size_t)EDGE; place++) {
		struct str rest = b->text;

		for (size_t i = 0; i <= place % EDGE; i++)
			line = line_next(&rest, place >= EDGE);
		if (line.n > 0 && line.n <= LINE_MAX && memchr(line.p, '\t', line.n) == NULL)
			out[n++] = edge_of(line, number, block, place);
	}
	return n;
}

static int
in_order(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->block > y->block) - (x->block < y->block);
}

/* Off a page goes what is marked, from its edges on: bits by place. A page of nothing else stays.
 */
static void
cut_page(struct block *b, unsigned marked)
{
	struct str text = b->text, rest = text;

	for (size_t i = 0; i < EDGE && (marked >> i & 1) != 0; i++) {
		(void)line_next(&rest, false);
		text = rest;
	}
	for (size_t i = EDGE; i < 2 * (size_t)EDGE && (marked >> i & 1) != 0; i++)
		(void)line_next(&text, true);
	rest = text;
	if (line_next(&rest, false).n > 0)
		b->text = text;
}

void
running_cut(struct arena *a, struct block *blocks, size_t n)
{
	struct edge *e = arena_alloc(a, (n + 1) * 2 * EDGE * sizeof(*e));
	unsigned char *marked = arena_alloc(a, n + 1);
	size_t n_edges = 0;

	memset(marked, 0, n + 1);
	for (size_t i = 0; i < n; i++)
		n_edges += edges_of(&blocks[i], i, e + n_edges);
	qsort(e, n_edges, sizeof(*e), in_order);
	for (size_t from = 0, to; from < n_edges; from = to) {
		size_t pages = 1;

		for (to = from + 1; to < n_edges && e[to].hash == e[from].hash; to++)
			pages += e[to].block != e[to - 1].block;
		for (size_t i = from; i < to && pages >= PAGES; i++)
			if (e[i].number || e[i].block != e[from].block)
				marked[e[i].block] |= (unsigned char)(1U << e[i].place);
	}
	for (size_t i = 0; i < n; i++)
		cut_page(&blocks[i], marked[i]);
}
