/*
 * What the files of the PPTX reader share. PPTX is PresentationML (ECMA-376 part 1, 19) with texts,
 * tables, charts and diagrams of DrawingML (21).
 */
#ifndef MILLRACE_EXTRACT_PPTX_H
#define MILLRACE_EXTRACT_PPTX_H

#include "extract/package/package.h"
#include "extract/slides/slide.h"

/* Where the placeholders of a layout are, and of the master behind it. */
struct layout;

/*
 * The layout that the relationships of a slide name, or NULL. Each is read once, and kept in the
 * list that begins at *all.
 */
const struct layout *layout_of(
    struct layout **all, struct package *p, const struct relations *of_slide);

/* Where a placeholder of this type ("title", "body") and index stands that does not say so. */
struct place layout_place(const struct layout *l, const char *type, unsigned long index);

/* What a placeholder (p:ph) is; the type is "obj" where it says none. */
#define HOLDER_TYPE_MAX 16
struct holder {
	char type[HOLDER_TYPE_MAX];
	unsigned long index;
	struct place place;
};
void holder_read(struct holder *h, const struct xml_element *ph);

/* What of a slide's part, or of its notes', is read. */
struct shapes {
	struct package *package;
	const struct relations *relations; /* of the part */
	const struct layout *layout; /* may be NULL */
	bool notes; /* only the placeholder of the notes themselves */
	struct slide *slide; /* where the shapes go */
	bool hidden; /* the slide is */
	unsigned long pictures;
};

/*
 * Reads a part's shapes. The members before `hidden` are the caller's. False: the part is damaged;
 * what comes before the damage is read.
 */
bool shapes_read(struct shapes *s, const char *part);

#endif
