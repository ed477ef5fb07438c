/* The points of a diagram, in their order. */
#include "extract/diagram.h"

#include <stdlib.h>
#include <string.h>

void
diagram_point(struct diagram *d, const struct xml_element *e, size_t at)
{
	if (d->n_points == d->points_room) {
		d->points_room = d->points_room * 2 + 16;
		d->points = grow(d->points, d->points_room * sizeof(*d->points));
	}
	d->points[d->n_points++] =
	    (struct diagram_point){ bytes_string(xml_attr(e, NS_NONE, "modelId")), at };
}

void
diagram_link(struct diagram *d, const struct xml_element *e)
{
	struct bytes type = xml_attr(e, NS_NONE, "type");

	if (type.p != NULL && !bytes_are(type, "parOf"))
		return;
	if (d->n_links == d->links_room) {
		d->links_room = d->links_room * 2 + 16;
		d->links = grow(d->links, d->links_room * sizeof(*d->links));
	}
	d->links[d->n_links++] = (struct diagram_link){ bytes_string(xml_attr(e, NS_NONE, "srcId")),
		bytes_string(xml_attr(e, NS_NONE, "destId")),
		strtoul(bytes_string(xml_attr(e, NS_NONE, "srcOrd")), NULL, 10) };
}

/* A point by its place in the file, and one below another. */
struct name {
	const char *id;
	size_t point;
};

struct edge {
	size_t from, to;
	unsigned long order;
};

static int
by_id(const void *a, const void *b)
{
	const struct name *v = a, *w = b;
	int c = strcmp(v->id, w->id);

	return c != 0 ? c : v->point < w->point ? -1 : v->point > w->point;
}

static int
is_id(const void *key, const void *name)
{
	return strcmp(key, ((const struct name *)name)->id);
}

static int
by_order(const void *a, const void *b)
{
	const struct edge *v = a, *w = b;

	if (v->from != w->from)
		return v->from < w->from ? -1 : 1;
	if (v->order != w->order)
		return v->order < w->order ? -1 : 1;
	return v->to < w->to ? -1 : v->to > w->to;
}

/* The connections between points that there are, by the upper one and their order there. */
static struct edge *
edges_of(const struct diagram *d, size_t *n)
{
	struct name *names = grow(NULL, d->n_points * sizeof(*names)), *from, *to;
	struct edge *edges = grow(NULL, (d->n_links + 1) * sizeof(*edges));
	const struct diagram_link *l;
	size_t i;

	for (i = 0; i < d->n_points; i++)
		names[i] = (struct name){ d->points[i].id, i };
	qsort(names, d->n_points, sizeof(*names), by_id);
	*n = 0;
	for (i = 0; i < d->n_links; i++) {
		l = &d->links[i];
		from = bsearch(l->from, names, d->n_points, sizeof(*names), is_id);
		to = bsearch(l->to, names, d->n_points, sizeof(*names), is_id);
		if (from != NULL && to != NULL)
			edges[(*n)++] = (struct edge){ from->point, to->point, l->order };
	}
	qsort(edges, *n, sizeof(*edges), by_order);
	return edges;
}

/* What a walk over the points has: each is written once. */
struct walk {
	const struct diagram *d;
	struct edge *edges; /* n_edges, and by point where its own begin; n_points + 1 of these */
	size_t n_edges;
	size_t *first;
	bool *seen;
	size_t *waiting; /* points, the next one last */
	struct buffer text; /* as it was */
	struct buffer *to;
};

/* Writes a point and all that is below it. */
static void
walk_from(struct walk *w, size_t point)
{
	size_t n = 0, i, end;

	w->waiting[n++] = point;
	while (n > 0) {
		point = w->waiting[--n];
		if (w->seen[point])
			continue;
		w->seen[point] = true;
		end = point + 1 < w->d->n_points ? w->d->points[point + 1].at
						 : w->d->points[0].at + w->text.len;
		i = w->d->points[point].at;
		buffer_put(w->to, w->text.p + (i - w->d->points[0].at), end - i);
		for (i = w->first[point + 1]; i > w->first[point]; i--)
			w->waiting[n++] = w->edges[i - 1].to;
	}
}

void
diagram_order(const struct diagram *d, struct buffer *to)
{
	struct walk w = { .d = d, .to = to };
	size_t i, e, n = d->n_points;
	bool *below;

	if (n == 0 || to->len == d->points[0].at)
		return;
	w.edges = edges_of(d, &w.n_edges);
	w.first = grow(NULL, (n + 1) * sizeof(*w.first));
	w.waiting = grow(NULL, (w.n_edges + 1) * sizeof(*w.waiting));
	w.seen = grow(NULL, n * sizeof(*w.seen));
	below = grow(NULL, n * sizeof(*below));
	memset(w.seen, 0, n * sizeof(*w.seen));
	memset(below, 0, n * sizeof(*below));
	for (i = e = 0; i <= n; i++) {
		w.first[i] = e;
		for (; e < w.n_edges && w.edges[e].from == i; e++)
			below[w.edges[e].to] = true;
	}
	buffer_put(&w.text, to->p + d->points[0].at, to->len - d->points[0].at);
	to->len = d->points[0].at;
	for (i = 0; i < n; i++)
		if (!below[i])
			walk_from(&w, i);
	/* What is left is in a circle. */
	for (i = 0; i < n; i++)
		walk_from(&w, i);
}
