/*
 * A JSON document without its long texts, read as it comes: each string of more than
 * SKELETON_TEXT_MAX bytes becomes an empty one. What is left of a request with images in it is
 * small enough to be bound and checked, while the whole goes elsewhere. It is JSON where the
 * document is. Nothing blocks.
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
	bool in_text, is_escaped, is_cut, is_prose;
	/* What was left out: texts in base64, and the bytes of the others */
	int64_t n_files, n_prose;
};

/* False where what is left is longer than max. */
MUST_CHECK bool skeleton_feed(struct skeleton *s, struct str bytes);

#endif
