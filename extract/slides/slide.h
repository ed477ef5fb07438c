/*
 * One slide while it is read: its text, and the order in which a reader takes its shapes, which
 * files keep in the order of painting. The title comes first, then the shapes from the top to the
 * bottom, and from the left to the right where they begin at about the same height. A group stays
 * together, and its shapes are ordered among themselves.
 */
#ifndef MILLRACE_EXTRACT_SLIDE_H
#define MILLRACE_EXTRACT_SLIDE_H

#include "extract/buffer.h"

#define EMU_PER_CM 360000L /* lengths are in English Metric Units, ECMA-376 part 1, 20.1.2.1 */

struct place {
	bool known;
	long x, y; /* of its upper left corner, in EMU */
};

/* A shape with text; groups are only in the making. */
struct shape {
	struct place place;
	bool title;
	size_t from, to; /* its text in the slide's buffer: lines */
	const char *part; /* a part with more of its text; NULL: none */
	struct shape *next; /* in reading order */
	struct shape *last; /* of the list that begins here */
	size_t order; /* in the file */
};

struct slide {
	struct buffer text;
	struct shape **open; /* shapes and groups of the groups that are open; room for them */
	size_t n_open, room;
	size_t *groups; /* where each open group begins in `open` */
	size_t n_groups, groups_room;
	size_t n_shapes; /* so far */
};

/*
 * A length: a number and its unit (ODF 1.3, 18.3.18; ECMA-376 part 1, 22.9.2.15), or EMU without
 * one; what is none or absent is 0.
 */
long slide_length(struct bytes b);

/* Empties it for the next slide; its buffers are kept. A new one is all zero. */
void slide_begin(struct slide *s);

/* Adds a shape that has text or a part: the text from `from` to the buffer's end is its own. */
void slide_shape(struct slide *s, struct place place, bool title, size_t from, const char *part);

/* A group of shapes, which begins and ends. Where it is, if not known, its first shape is. */
void slide_group(struct slide *s);
void slide_group_end(struct slide *s, struct place place);

/* The first of its shapes in reading order, after the last one was added; NULL: it has none. */
const struct shape *slide_shapes(struct slide *s);

#endif
