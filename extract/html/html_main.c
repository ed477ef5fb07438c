/*
 * The main text of a page of the web: what its author has marked as such, or what holds most of the
 * words that are no links; without menus, sidebars and banners. A page that has little else is read
 * whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "extract/html/html.h"
#include "extract/html/html_element.h"

#define TEXT_LEAST 200 /* characters: with fewer than that it is no main text */
#define MENU_LINKS 4 /* links that make a menu where there is hardly anything else */
#define MENU_LINK_MAX 40 /* characters of a menu's link, on average */

/* An element, in the order of the page: those in it come behind it. */
struct part {
	const GumboNode *node;
	size_t parent; /* the first is its own */
	size_t text; /* characters in it, without white space */
	size_t links; /* those of them that are links' */
	size_t n_links;
	bool in_link;
	bool in_section; /* of an article, or the main element */
	bool apart; /* left out, or in what is */
	bool has_heading; /* <h1> */
};

struct parts {
	struct part *p;
	size_t n, cap;
	const GumboNode *title;
};

/* Where the walk is: an element and the child to look at. */
struct place {
	size_t part, next;
};

static bool
is_one_of(const char *word, size_t n, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == n && strncasecmp(word, *words, n) == 0)
			return true;
	return false;
}

/* Is one of the words in the attribute's value, between characters that are no letters? */
static bool
has_word(const GumboNode *node, const char *attribute, const char *const *words)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *s = html_attribute(node, attribute);
	size_t n;

	for (; s != NULL && *s != '\0'; s += n) {
		s += strcspn(s, letters);
		n = strspn(s, letters);
		if (is_one_of(s, n, words))
			return true;
	}
	return false;
}

static bool
is_tag(const GumboNode *node, const GumboTag *tags)
{
	for (; *tags != GUMBO_TAG_LAST; tags++)
		if (html_is(node, *tags))
			return true;
	return false;
}

/* ARIA's landmarks (WAI-ARIA 1.2, 5.3.4), by their elements' names or by `role`. */
static bool
is_landmark(const GumboNode *node, bool in_section)
{
	static const char *const roles[] = { "navigation", "banner", "contentinfo", "complementary",
		"search", "menu", "menubar", "toolbar", "dialog", "alertdialog", NULL };
	static const GumboTag always[] = { GUMBO_TAG_NAV, GUMBO_TAG_ASIDE, GUMBO_TAG_LAST };
	static const GumboTag of_the_page[] = { GUMBO_TAG_HEADER, GUMBO_TAG_FOOTER,
		GUMBO_TAG_LAST };
	const char *role = html_attribute(node, "role");

	if (role != NULL && is_one_of(role, strlen(role), roles))
		return true;
	return is_tag(node, always) || (!in_section && is_tag(node, of_the_page));
}

/* By the words that authors give such elements, which may mean anything. */
static bool
is_named_so(const GumboNode *node)
{
	static const char *const words[] = { "nav", "navbar", "navigation", "menu", "sidebar",
		"breadcrumb", "breadcrumbs", "cookie", "cookies", "consent", "advert", "ads",
		"sponsor", "share", "social", "newsletter", "related", "footer", "masthead",
		"pagination", "pager", NULL };
	static const GumboTag never[] = { GUMBO_TAG_HTML, GUMBO_TAG_BODY, GUMBO_TAG_MAIN,
		GUMBO_TAG_ARTICLE, GUMBO_TAG_LAST };

	return !is_tag(node, never) &&
	       (has_word(node, "class", words) || has_word(node, "id", words));
}

static void
add_part(struct parts *all, const GumboNode *node, size_t parent)
{
	static const GumboTag sections[] = { GUMBO_TAG_ARTICLE, GUMBO_TAG_MAIN, GUMBO_TAG_LAST };
	struct part *above, *mine;

	if (all->n == all->cap) {
		all->cap = all->cap * 2 + 256;
		all->p = grow(all->p, all->cap * sizeof(*all->p));
	}
	mine = &all->p[all->n++];
	*mine = (struct part){ .node = node, .parent = parent };
	if (node->type == GUMBO_NODE_DOCUMENT)
		return;
	above = &all->p[parent];
	mine->in_link = above->in_link || html_is(node, GUMBO_TAG_A);
	mine->n_links = html_is(node, GUMBO_TAG_A);
	mine->in_section = above->in_section || is_tag(node, sections);
	mine->apart = above->apart || is_landmark(node, above->in_section);
	mine->has_heading = html_is(node, GUMBO_TAG_H1);
	if (all->title == NULL && html_is(node, GUMBO_TAG_TITLE))
		all->title = node;
}

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += (unsigned char)*s > ' ' && ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

static const GumboVector *
children(const GumboNode *node)
{
	return node->type == GUMBO_NODE_DOCUMENT ? &node->v.document.children
						 : &node->v.element.children;
}

/* A child of the last place: its text is counted, or it becomes a part and the last place. */
static void
look_at(struct parts *all, struct place **places, size_t *depth, size_t *cap, const GumboNode *node)
{
	size_t part = (*places)[*depth - 1].part, n;

	if (node->type == GUMBO_NODE_TEXT) {
		n = characters(node->v.text.text);
		all->p[part].text += n;
		all->p[part].links += all->p[part].in_link ? n : 0;
	}
	if (node->type != GUMBO_NODE_ELEMENT || html_role(node) == HTML_SKIP)
		return;
	add_part(all, node, part);
	if (*depth == *cap) {
		*cap *= 2;
		*places = grow(*places, *cap * sizeof(**places));
	}
	(*places)[(*depth)++] = (struct place){ .part = all->n - 1 };
}

/* All elements that are seen, each with what is in it. */
static struct parts
collect(const GumboNode *document)
{
	struct parts all = { 0 };
	size_t depth = 1, cap = 64, i;
	struct place *places = grow(NULL, cap * sizeof(*places));

	add_part(&all, document, 0);
	places[0] = (struct place){ 0 };
	while (depth > 0) {
		struct place *at = &places[depth - 1];
		const GumboVector *v = children(all.p[at->part].node);

		if (at->next < v->length)
			look_at(&all, &places, &depth, &cap, v->data[at->next++]);
		else
			depth--;
	}
	free(places);
	for (i = all.n - 1; i > 0; i--) {
		struct part *above = &all.p[all.p[i].parent];

		above->text += all.p[i].text;
		above->links += all.p[i].links;
		above->n_links += all.p[i].n_links;
		above->has_heading |= all.p[i].has_heading;
	}
	return all;
}

/* Characters that are no links'. */
static size_t
words_of(const struct part *p)
{
	return p->text - p->links;
}

static bool
is_menu(const struct part *p)
{
	static const GumboTag lists[] = { GUMBO_TAG_UL, GUMBO_TAG_OL, GUMBO_TAG_DL, GUMBO_TAG_DIV,
		GUMBO_TAG_SECTION, GUMBO_TAG_TABLE, GUMBO_TAG_LAST };

	return is_tag(p->node, lists) && p->n_links >= MENU_LINKS &&
	       p->links >= p->text - p->text / 5 && p->links < MENU_LINK_MAX * p->n_links;
}

/* Takes what is apart out of the counts of what it is in; whether a part is, its parents know. */
static void
part_off(struct parts *all)
{
	size_t all_words = words_of(&all->p[0]), i, up;

	for (i = 1; i < all->n; i++) {
		struct part *p = &all->p[i];
		bool above = all->p[p->parent].apart;

		p->apart = above || p->apart || is_menu(p) ||
			   (is_named_so(p->node) && words_of(p) < all_words / 3);
		if (!p->apart || above)
			continue;
		for (up = p->parent;; up = all->p[up].parent) {
			all->p[up].text -= p->text;
			all->p[up].links -= p->links;
			if (up == 0)
				break;
		}
	}
}

/* What its author has called the main part, where it holds something. */
static size_t
marked(const struct parts *all)
{
	size_t i, least = words_of(&all->p[0]) / 5;

	for (i = 1; i < all->n; i++) {
		const char *role = html_attribute(all->p[i].node, "role");

		if (!all->p[i].apart &&
		    (html_is(all->p[i].node, GUMBO_TAG_MAIN) ||
			(role != NULL && strcasecmp(role, "main") == 0)) &&
		    words_of(&all->p[i]) >= TEXT_LEAST && words_of(&all->p[i]) >= least)
			return i;
	}
	return 0;
}

/* The smallest element with nearly all words; with the heading, where one further up has that. */
static size_t
fullest(const struct parts *all)
{
	size_t i, best = 0, most = words_of(&all->p[0]) - words_of(&all->p[0]) / 6, up;

	for (i = 1; i < all->n; i++)
		if (!all->p[i].apart && all->p[i].parent == best && words_of(&all->p[i]) >= most)
			best = i;
	for (up = best; up > 0 && !html_is(all->p[up].node, GUMBO_TAG_BODY); up = all->p[up].parent)
		if (all->p[up].has_heading)
			return up;
	return best;
}

static int
by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (const GumboNode *const *)a,
		  y = (uintptr_t) * (const GumboNode *const *)b;

	return (x > y) - (x < y);
}

struct html_main
html_main_find(const GumboNode *document)
{
	struct parts all = collect(document);
	struct html_main m = { 0 };
	size_t root, whole = all.p[0].text, i;

	part_off(&all);
	if ((root = marked(&all)) == 0)
		root = fullest(&all);
	if (all.p[root].text >= TEXT_LEAST || all.p[root].text >= whole / 2) {
		m.root = root > 0 ? all.p[root].node : NULL;
		m.title = root > 0 ? all.title : NULL;
		m.left_out = grow(NULL, all.n * sizeof(const GumboNode *));
		for (i = 1; i < all.n; i++)
			if (all.p[i].apart && !all.p[all.p[i].parent].apart)
				m.left_out[m.n_left_out++] = all.p[i].node;
		qsort(m.left_out, m.n_left_out, sizeof(const GumboNode *), by_address);
	}
	free(all.p);
	return m;
}

bool
html_main_lacks(const struct html_main *m, const GumboNode *node)
{
	return m->n_left_out > 0 && bsearch(&node, m->left_out, m->n_left_out,
					sizeof(const GumboNode *), by_address) != NULL;
}
