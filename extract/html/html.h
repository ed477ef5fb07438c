/* HTML in UTF-8 to paragraphs: a page, or what Markdown has been turned into. */
#ifndef MILLRACE_EXTRACT_HTML_H
#define MILLRACE_EXTRACT_HTML_H

#include <gumbo.h>

#include "extract/out.h"

/*
 * Parses a page by HTML5's rules and appends what its reader sees to o. `literal`: an element that
 * HTML does not know is read as it is written, since in Markdown it is a word in angle brackets
 * ("a List<String>").
 */
void html_parse(struct bytes page, bool literal, struct out *o);

/*
 * What of a page of the web is not its main text: menus, sidebars, banners, footers. The elements
 * to leave out are in `left_out`, sorted by address; `root` is the element to read, behind `title`;
 * NULL for all.
 */
struct html_main {
	const GumboNode *title, *root;
	const GumboNode **left_out;
	size_t n_left_out;
};
struct html_main html_main_find(const GumboNode *document);
/* Is that element left out? */
bool html_main_lacks(const struct html_main *m, const GumboNode *node);

/* The encoding that the page declares, NUL-terminated, or NULL. */
const char *html_declared(struct bytes page);

/*
 * A copy of the page, without control characters, that gumbo parses in time that grows as the page
 * does: of elements that are nested deeper than any page's, and of attributes without number, the
 * tags are left out, or are paragraphs. It is also without <noscript> in its head: gumbo reads as a
 * browser without scripts does, where a paragraph in it would begin the body.
 */
struct bytes html_bounded(struct bytes page);

#endif
