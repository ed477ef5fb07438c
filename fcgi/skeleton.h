/*
 * A JSON document without its long texts, read as it comes: each string of more than
 * SKELETON_TEXT_MAX bytes becomes "(N bytes)". What is left of a request with images in it is small
 * enough to be bound and checked, while the whole goes elsewhere. It is JSON where the document is.
 * Nothing blocks.
 */
#ifndef FCGI_SKELETON_H
#define FCGI_SKELETON_H

#include <millrace/arena.h>
#include <millrace/err.h>

#define SKELETON_TEXT_MAX 65536 /* bytes, as they stand in the document */

struct skeleton {
	struct buf out; /* the caller sets out.a */
	size_t max; /* bytes of it, at most; the caller's */
	size_t text_at; /* where the string that is read begins in `out` */
	bool in_text, is_escaped;
	int64_t n_cut; /* bytes of that string that are left out; 0: it is kept so far */
};

/* False where what is left is longer than max. */
MUST_CHECK bool skeleton_feed(struct skeleton *s, struct str bytes);
/* The N of such a text, whoever wrote it; 0: it is another. */
int64_t skeleton_left_out(struct str text);

#endif
