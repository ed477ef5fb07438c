/*
 * What HTML's elements mean for the text that a reader sees (WHATWG HTML, 15 Rendering), of a tree
 * that gumbo has made.
 */
#ifndef MILLRACE_EXTRACT_HTML_ELEMENT_H
#define MILLRACE_EXTRACT_HTML_ELEMENT_H

#include <gumbo.h>
#include <stdbool.h>

#include "extract/buffer.h"

enum html_role {
	HTML_INLINE, /* nothing: its text is part of the line */
	HTML_BLOCK, /* starts and ends a paragraph */
	HTML_APART, /* its text is not part of the words beside it */
	HTML_SKIP, /* its content is no text, or not seen */
	HTML_PRE, /* a block that keeps its white space */
	HTML_BREAK, /* a new line */
	HTML_ROW, /* of a table: a paragraph, its cells divided by tabs */
	HTML_CELL, /* ends with a tab */
	HTML_ITEM, /* of a list: a block, with a number where the list is ordered */
	HTML_PICTURE, /* its alternative text is read */
	HTML_INPUT, /* its value is read */
	HTML_RAISED, /* superscript */
	HTML_QUOTE, /* stands in quotation marks */
	HTML_FRAME, /* another page */
};

/* The role of elements with that tag. */
enum html_role html_tag_role(GumboTag tag);

/* The role of an element, which is HTML_SKIP for one that its attributes hide. */
enum html_role html_role(const GumboNode *node);

/* The value of an element's attribute, or NULL. */
const char *html_attribute(const GumboNode *node, const char *name);

/* True for an element of HTML (not of SVG) with that tag. */
bool html_is(const GumboNode *node, GumboTag tag);

/* Whether a row's cells are so short that it is one line to the reader, and not a page's layout. */
bool html_is_line(const GumboNode *row);

/* A picture's alternative text; NULL: it has none, or is a button ("Next") that leads elsewhere. */
const char *html_picture(const GumboNode *node);

/* What a form shows for an <input>; NULL: nothing. */
const char *html_input(const GumboNode *node);

/* Whether an option of a <select> is chosen: then the others are not shown. */
bool html_has_choice(const GumboNode *list);

/* Whether a list's items have numbers. */
bool html_is_numbered(const GumboNode *list);

/* Appends a list item's number in the list's style ("2. ", "b. ", "iv. "). */
void html_number(struct buffer *b, const GumboNode *list, long n);

/*
 * Whether superscript is a note's mark, to be kept apart from the word before it, and not an
 * exponent or an ending. `before` is the text before it.
 */
bool html_is_note(const GumboNode *sup, const struct buffer *before);

#endif
