/*
 * The points of a diagram (SmartArt, ECMA-376 part 1, 21.4.3) in the order in which they are read:
 * a file has them in the order in which they were made, and says by connections which stands below
 * which. What this allocates lives as long as the worker.
 */
#ifndef MILLRACE_EXTRACT_DIAGRAM_H
#define MILLRACE_EXTRACT_DIAGRAM_H

#include "extract/buffer.h"
#include "extract/package/package.h"

struct diagram_point {
	const char *id;
	size_t at; /* where its text begins in the buffer; it ends where the next point's begins */
};

struct diagram_link {
	const char *from, *to; /* ids of points: the second is below the first */
	unsigned long order; /* among those below the first */
};

/* Zeroed at first. */
struct diagram {
	struct diagram_point *points;
	size_t n_points, points_room;
	struct diagram_link *links;
	size_t n_links, links_room;
};

/* A point (dgm:pt) begins, whose text will be appended to a buffer that has `at` bytes. */
void diagram_point(struct diagram *d, const struct xml_element *e, size_t at);

/* A connection (dgm:cxn); those that are about the layout are of no meaning here. */
void diagram_link(struct diagram *d, const struct xml_element *e);

/*
 * Puts the points' texts, with which `to` ends, into their order: each before those below it.
 * Points that no connection leads to, from one of these, come where the file has them.
 */
void diagram_order(const struct diagram *d, struct buffer *to);

#endif
