/* Shapes of a slide in reading order. */
#include "extract/slides/slide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX (1000000.0 * EMU_PER_CM)

/* Shapes whose upper edges differ by less than this, 2.5 mm, stand in one row. */
#define ROW_EMU (EMU_PER_CM / 4)

long
slide_length(struct bytes b)
{
	static const struct {
		const char *name;
		double emu;
	} units[] = {
		{ "", 1 },
		{ "cm", EMU_PER_CM },
		{ "mm", EMU_PER_CM / 10.0 },
		{ "in", 914400 },
		{ "pt", 12700 },
		{ "pc", 152400 },
		{ "pi", 152400 },
		{ "px", 9525 },
	};
	char text[32], *unit;
	double v;
	size_t i;

	if (b.p == NULL || b.n >= sizeof(text))
		return 0;
	memcpy(text, b.p, b.n);
	text[b.n] = '\0';
	v = strtod(text, &unit);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0 && fabs(v * units[i].emu) < LENGTH_MAX)
			return (long)(v * units[i].emu);
	return 0;
}

void
slide_begin(struct slide *s)
{
	s->text.len = 0;
	s->n_open = s->n_groups = s->n_shapes = 0;
}

static void
push(struct slide *s, struct shape *shape)
{
	if (s->n_open == s->room) {
		s->room = s->room * 2 + 64;
		s->open = grow(s->open, s->room * sizeof(*s->open));
	}
	shape->order = s->n_shapes++;
	s->open[s->n_open++] = shape;
}

void
slide_shape(struct slide *s, struct place place, bool title, size_t from, const char *part)
{
	struct shape *shape;

	if (from == s->text.len && part == NULL)
		return;
	shape = grow(NULL, sizeof(*shape));
	*shape = (struct shape){ .place = place, .title = title, .from = from, .part = part };
	shape->to = s->text.len;
	shape->last = shape;
	push(s, shape);
}

static int
sign(long n)
{
	return (n > 0) - (n < 0);
}

/* The title first, then by the first of the differences that there is, then as in the file. */
static int
compare(const struct shape *a, const struct shape *b, long first, long second)
{
	if (a->title != b->title)
		return a->title ? -1 : 1;
	if (first != 0 || second != 0)
		return sign(first != 0 ? first : second);
	return a->order < b->order ? -1 : a->order > b->order;
}

static int
compare_heights(const void *a, const void *b)
{
	const struct shape *s = *(struct shape *const *)a, *t = *(struct shape *const *)b;

	return compare(s, t, s->place.y - t->place.y, s->place.x - t->place.x);
}

static int
compare_in_row(const void *a, const void *b)
{
	const struct shape *s = *(struct shape *const *)a, *t = *(struct shape *const *)b;

	return compare(s, t, s->place.x - t->place.x, s->place.y - t->place.y);
}

/* Sorts the shapes from `from` on, and links them; NULL: there are none. */
static struct shape *
link_shapes(struct slide *s, size_t from)
{
	size_t n = s->n_open - from, i, row;
	struct shape **v;

	s->n_open = from;
	if (n == 0)
		return NULL;
	v = s->open + from;
	qsort(v, n, sizeof(struct shape *), compare_heights);
	for (i = row = 0; i < n; i = row) {
		while (row < n && v[row]->title == v[i]->title &&
		       v[row]->place.y - v[i]->place.y < ROW_EMU)
			row++;
		qsort(v + i, row - i, sizeof(struct shape *), compare_in_row);
	}
	for (i = 1; i < n; i++) {
		v[0]->last->next = v[i];
		v[0]->last = v[i]->last;
	}
	return v[0];
}

void
slide_group(struct slide *s)
{
	if (s->n_groups == s->groups_room) {
		s->groups_room = s->groups_room * 2 + 16;
		s->groups = grow(s->groups, s->groups_room * sizeof(*s->groups));
	}
	s->groups[s->n_groups++] = s->n_open;
}

void
slide_group_end(struct slide *s, struct place place)
{
	struct shape *first = link_shapes(s, s->groups[--s->n_groups]);

	if (first == NULL)
		return;
	if (place.known)
		first->place = place;
	push(s, first);
}

const struct shape *
slide_shapes(struct slide *s)
{
	return link_shapes(s, 0);
}
