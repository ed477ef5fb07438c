/*
 * HTML, by gumbo, which builds the tree that browsers build (WHATWG HTML, 13.2), also of a page
 * whose elements are not closed or closed in the wrong order. The tree is walked without recursion.
 * What a reader sees is read: not what is hidden, but the words that stand for pictures, and what
 * forms hold. For text only: nothing here makes markup safe.
 *
 * gumbo's memory is some 12 to 28 times the page: grow() ends what is too much. html_bounded() says
 * what its time would be without bounds.
 */
#include "extract/html/html.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "extract/text/charset.h"
#include "extract/html/html_element.h"

/* An element that has been entered. */
struct level {
	const GumboNode *node;
	size_t next; /* the child to enter */
	enum html_role role;
	long number; /* of the next item, in an ordered list */
	bool counted; /* in h->pre, or a row in h->line */
};

struct html {
	struct out *out;
	struct html_main main; /* of a page of the web */
	struct buffer text; /* the paragraph that is being read */
	struct buffer number; /* of a list's item, due before its first word */
	bool literal; /* see html.h */
	bool choice; /* only the chosen options are shown */
	bool inside; /* a page within the page */
	bool space; /* white space is due before the next character */
	bool wrap; /* it is the end of a line of the source, and no more */
	int pre; /* depth of elements that keep their white space */
	int line; /* depth of rows that are one line */
	int frames; /* depth of framesets */
	struct level *levels; /* cap of them, depth in use */
	size_t depth;
	size_t cap;
};

static void parse_inside(struct html *h, const char *page);

/* Of scripts that are written without spaces: Han, kana, their punctuation and full-width forms. */
static bool
is_unspaced(const char *s)
{
	unsigned char c = (unsigned char)s[0], next = (unsigned char)s[1];

	return (c >= 0xE3 && c <= 0xE9) || (c == 0xEF && next >= 0xBC) ||
	       (c == 0xF0 && next >= 0xA0);
}

/* Whether a line's end before s is no white space: it stands between two such characters. */
static bool
is_wrapped(const struct buffer *text, const char *s)
{
	size_t i = text->len;

	while (i > 0 && ((unsigned char)text->p[i - 1] & 0xC0) == 0x80)
		i--;
	return i > 0 && i < text->len && is_unspaced(text->p + i - 1) && is_unspaced(s);
}

/* White space that no line's end of the source makes. */
static void
set_space(struct html *h, bool space)
{
	h->space = space;
	h->wrap = false;
}

static void
put(struct html *h, const char *s, size_t n)
{
	struct buffer *t = &h->text;

	buffer_put(t, h->number.p, h->number.len);
	h->number.len = 0;
	if (h->space && t->len > 0 && strchr("\n\t ", t->p[t->len - 1]) == NULL &&
	    !(h->wrap && is_wrapped(t, s)))
		buffer_put(t, " ", 1);
	set_space(h, false);
	buffer_put(t, s, n);
}

/* A run of white space becomes one space, and none at the beginning of a line. */
static void
put_text(struct html *h, const char *s)
{
	static const char blank[] = " \t\r\n\f\v";
	size_t n;

	if (h->pre > 0) {
		put(h, s, strlen(s));
		return;
	}
	for (; *s != '\0'; s += n) {
		if ((n = strspn(s, blank)) > 0) {
			h->wrap = h->space ? h->wrap : memchr(s, '\n', n) != NULL;
			h->space = true;
		}
		s += n;
		if ((n = strcspn(s, blank)) > 0)
			put(h, s, n);
	}
}

/* Text that is no part of the words beside it. */
static void
put_apart(struct html *h, const char *s)
{
	set_space(h, true);
	if (s != NULL)
		put_text(h, s);
	set_space(h, true);
}

/* The end of a paragraph; in a row that is one line, of a word. */
static void
end_block(struct html *h)
{
	set_space(h, h->line > 0);
	if (h->line > 0)
		return;
	if (h->text.len > 0)
		out_rows(h->out, h->text.p, h->text.len);
	h->text.len = 0;
}

/* A raised number that is no note's mark: 10⁶, m². */
static bool
put_exponent(struct html *h, const GumboNode *sup)
{
	static const char *const raised[] = { "⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹" };
	const GumboVector *v = &sup->v.element.children;
	const char *s;
	size_t n;

	if (v->length != 1 || ((const GumboNode *)v->data[0])->type != GUMBO_NODE_TEXT)
		return false;
	s = ((const GumboNode *)v->data[0])->v.text.text;
	n = strncmp(s, "−", strlen("−")) == 0 ? strlen("−") : s[0] == '-';
	if (s[n] == '\0' || strspn(s + n, "0123456789") != strlen(s + n))
		return false;
	if (n > 0)
		put(h, "⁻", strlen("⁻"));
	for (s += n; *s != '\0'; s++)
		put(h, raised[*s - '0'], strlen(raised[*s - '0']));
	return true;
}

/* An item gets its number when its list is ordered: the `value` that it has, or the next. */
static void
start_item(struct html *h, const GumboNode *item)
{
	struct level *list = h->depth > 0 ? &h->levels[h->depth - 1] : NULL;
	const char *value = html_attribute(item, "value");

	end_block(h);
	h->number.len = 0;
	if (list == NULL || !html_is_numbered(list->node))
		return;
	if (value != NULL)
		list->number = strtol(value, NULL, 10) % 1000000000;
	html_number(&h->number, list->node, list->number);
	list->number += html_attribute(list->node, "reversed") != NULL ? -1 : 1;
}

/* The number of a list's first item. */
static long
first_number(const GumboNode *list)
{
	const char *start = html_attribute(list, "start");
	const GumboVector *v = &list->v.element.children;
	long n = 0;
	size_t i;

	if (start != NULL)
		return strtol(start, NULL, 10) % 1000000000;
	if (html_attribute(list, "reversed") == NULL)
		return 1;
	for (i = 0; i < v->length; i++)
		n += html_is(v->data[i], GUMBO_TAG_LI);
	return n;
}

/* Another page: told, unless it is in the file itself. */
static void
read_frame(struct html *h, const GumboNode *frame)
{
	const char *page = html_attribute(frame, "srcdoc"), *src = html_attribute(frame, "src");

	if (page != NULL && !h->inside) {
		end_block(h);
		parse_inside(h, page);
		return;
	}
	if (src == NULL || src[0] == '\0' || strncasecmp(src, "about:", 6) == 0 ||
	    strncasecmp(src, "javascript:", 11) == 0)
		return;
	out_notice(h->out, "The page shows another page in a frame, which is not read: %.*s.",
	    (int)strcspn(src, "\t\r\n"), src);
}

/* What a page of frames says to a reader without them; gumbo leaves it unparsed. */
static void
read_noframes(struct html *h, const GumboNode *node)
{
	const GumboVector *v = &node->v.element.children;
	size_t i;

	for (i = 0; i < v->length && !h->inside; i++) {
		const GumboNode *text = v->data[i];

		if (text->type == GUMBO_NODE_TEXT)
			parse_inside(h, text->v.text.text);
	}
}

/* An element that is read as a whole, or not at all: false where its children are to be read. */
static bool
read_whole(struct html *h, const GumboNode *node, enum html_role role)
{
	switch (role) {
	case HTML_PICTURE:
		put_apart(h, html_picture(node));
		return true;
	case HTML_INPUT:
		put_apart(h, html_input(node));
		return true;
	case HTML_FRAME:
		read_frame(h, node);
		return true;
	case HTML_BREAK:
		if (h->line == 0)
			buffer_put(&h->text, "\n", 1);
		set_space(h, h->line > 0);
		return true;
	case HTML_RAISED:
		if (!html_is_note(node, &h->text))
			return put_exponent(h, node);
		set_space(h, true);
		return false;
	case HTML_INLINE:
	case HTML_BLOCK:
	case HTML_APART:
	case HTML_SKIP:
	case HTML_PRE:
	case HTML_ROW:
	case HTML_CELL:
	case HTML_ITEM:
	case HTML_QUOTE:
		break;
	}
	return role == HTML_SKIP;
}

/* Begins an element whose children are read. */
static void
start(struct html *h, struct level *l)
{
	switch (l->role) {
	case HTML_BLOCK:
		end_block(h);
		break;
	case HTML_PRE:
		end_block(h);
		l->counted = h->line == 0;
		h->pre += l->counted;
		break;
	case HTML_APART:
		set_space(h, true);
		break;
	case HTML_ROW:
		end_block(h);
		l->counted = h->line > 0 || html_is_line(l->node);
		h->line += l->counted;
		break;
	case HTML_ITEM:
		start_item(h, l->node);
		break;
	case HTML_QUOTE:
		put(h, "“", strlen("“"));
		break;
	case HTML_INLINE:
	case HTML_SKIP:
	case HTML_BREAK:
	case HTML_CELL:
	case HTML_PICTURE:
	case HTML_INPUT:
	case HTML_RAISED:
	case HTML_FRAME:
		break;
	}
	if (html_is(l->node, GUMBO_TAG_OL))
		l->number = first_number(l->node);
	if (html_is(l->node, GUMBO_TAG_SELECT))
		h->choice = html_has_choice(l->node);
	h->frames += html_is(l->node, GUMBO_TAG_FRAMESET);
}

static void
end(struct html *h, const struct level *l)
{
	switch (l->role) {
	case HTML_BLOCK:
	case HTML_ITEM:
		end_block(h);
		h->number.len = 0;
		break;
	case HTML_PRE:
		h->pre -= l->counted;
		end_block(h);
		break;
	case HTML_APART:
		set_space(h, true);
		break;
	case HTML_ROW:
		h->line -= l->counted;
		end_block(h);
		break;
	case HTML_CELL:
		if (h->line < 2)
			buffer_put(&h->text, "\t", 1);
		set_space(h, h->line > 1);
		break;
	case HTML_QUOTE:
		put(h, "”", strlen("”"));
		break;
	case HTML_INLINE:
	case HTML_SKIP:
	case HTML_BREAK:
	case HTML_PICTURE:
	case HTML_INPUT:
	case HTML_RAISED:
	case HTML_FRAME:
		break;
	}
	h->frames -= html_is(l->node, GUMBO_TAG_FRAMESET);
}

static void
push(struct html *h, const GumboNode *node, enum html_role role)
{
	struct level *l;

	if (h->depth == h->cap) {
		h->cap = h->cap * 2 + 64;
		h->levels = grow(h->levels, h->cap * sizeof(*h->levels));
	}
	l = &h->levels[h->depth];
	*l = (struct level){ .node = node, .role = role };
	if (node->type != GUMBO_NODE_DOCUMENT)
		start(h, l);
	h->depth++;
}

/* Enters an element: reads it as a whole, or puts it on the stack. */
static void
enter(struct html *h, const GumboNode *node)
{
	enum html_role role = html_role(node);

	if (html_main_lacks(&h->main, node))
		return;
	if (html_is(node, GUMBO_TAG_OPTION) && h->choice &&
	    html_attribute(node, "selected") == NULL)
		return;
	if (html_is(node, GUMBO_TAG_NOFRAMES) && h->frames > 0)
		read_noframes(h, node);
	if (h->literal && html_is(node, GUMBO_TAG_UNKNOWN) && role != HTML_SKIP &&
	    role != HTML_BLOCK) {
		put(h, node->v.element.original_tag.data, node->v.element.original_tag.length);
		role = HTML_INLINE;
	}
	if (!read_whole(h, node, role))
		push(h, node, role);
}

/* Reads a child, or enters it. */
static void
visit(struct html *h, const GumboNode *node)
{
	switch (node->type) {
	case GUMBO_NODE_TEXT:
	case GUMBO_NODE_CDATA:
	case GUMBO_NODE_WHITESPACE:
		put_text(h, node->v.text.text);
		break;
	case GUMBO_NODE_ELEMENT:
	case GUMBO_NODE_TEMPLATE:
		enter(h, node);
		break;
	case GUMBO_NODE_DOCUMENT:
	case GUMBO_NODE_COMMENT:
		break;
	}
}

static void
walk(struct html *h, const GumboNode *from)
{
	size_t base = h->depth;

	if (from->type == GUMBO_NODE_DOCUMENT)
		push(h, from, HTML_INLINE);
	else
		enter(h, from);
	while (h->depth > base) {
		struct level *l = &h->levels[h->depth - 1];
		const GumboVector *v = l->node->type == GUMBO_NODE_DOCUMENT
					   ? &l->node->v.document.children
					   : &l->node->v.element.children;

		if (l->next < v->length) {
			visit(h, v->data[l->next++]);
			continue;
		}
		h->depth--;
		if (l->node->type != GUMBO_NODE_DOCUMENT)
			end(h, l);
	}
	end_block(h);
}

static void *
allocate(void *arg, size_t n)
{
	(void)arg;
	return grow(NULL, n);
}

static void
release(void *arg, void *p)
{
	(void)arg;
	free(p);
}

/* The tree is not freed before the worker ends: pages are few, and freeing it recurses. */
static void
parse(struct html *h, struct bytes page)
{
	GumboOptions options = kGumboDefaultOptions;
	const GumboNode *document;

	options.allocator = allocate;
	options.deallocator = release;
	options.max_errors = 0;
	page = html_bounded(page);
	document = gumbo_parse_with_options(&options, (const char *)page.p, page.n)->document;
	if (h->out->page && !h->inside)
		h->main = html_main_find(document);
	if (h->main.title != NULL && !h->inside)
		walk(h, h->main.title);
	walk(h, h->main.root != NULL && !h->inside ? h->main.root : document);
}

/* A page within the page; one within that is not read. */
static void
parse_inside(struct html *h, const char *page)
{
	h->inside = true;
	parse(h, (struct bytes){ (const unsigned char *)page, strlen(page) });
	h->inside = false;
}

void
html_parse(struct bytes page, bool literal, struct out *o)
{
	struct html h = { .out = o, .literal = literal };

	parse(&h, page);
}

void
html_read(struct bytes file, struct out *o)
{
	const char *label = o->charset != NULL ? o->charset : html_declared(file);

	html_parse(charset_text(file, label, o), false, o);
}
