/* The roles of HTML's elements. */
#include "extract/html/html_element.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES 2000 /* of text in a row that is read as one line */
#define LINE_NODES 400 /* and of nodes, which also bounds the look at each row */

static const enum html_role roles[GUMBO_TAG_LAST + 1] = {
	[GUMBO_TAG_ADDRESS] = HTML_BLOCK,
	[GUMBO_TAG_AREA] = HTML_PICTURE,
	[GUMBO_TAG_ARTICLE] = HTML_BLOCK,
	[GUMBO_TAG_ASIDE] = HTML_BLOCK,
	[GUMBO_TAG_AUDIO] = HTML_APART,
	[GUMBO_TAG_BLOCKQUOTE] = HTML_BLOCK,
	[GUMBO_TAG_BODY] = HTML_BLOCK,
	[GUMBO_TAG_BR] = HTML_BREAK,
	[GUMBO_TAG_BUTTON] = HTML_APART,
	[GUMBO_TAG_CANVAS] = HTML_APART,
	[GUMBO_TAG_CAPTION] = HTML_BLOCK,
	[GUMBO_TAG_CENTER] = HTML_BLOCK,
	[GUMBO_TAG_DATALIST] = HTML_SKIP,
	[GUMBO_TAG_DD] = HTML_BLOCK,
	[GUMBO_TAG_DETAILS] = HTML_BLOCK,
	[GUMBO_TAG_DIR] = HTML_BLOCK,
	[GUMBO_TAG_DIV] = HTML_BLOCK,
	[GUMBO_TAG_DL] = HTML_BLOCK,
	[GUMBO_TAG_DT] = HTML_BLOCK,
	[GUMBO_TAG_EMBED] = HTML_APART,
	[GUMBO_TAG_FIELDSET] = HTML_BLOCK,
	[GUMBO_TAG_FIGCAPTION] = HTML_BLOCK,
	[GUMBO_TAG_FIGURE] = HTML_BLOCK,
	[GUMBO_TAG_FOOTER] = HTML_BLOCK,
	[GUMBO_TAG_FORM] = HTML_BLOCK,
	[GUMBO_TAG_FRAME] = HTML_FRAME,
	[GUMBO_TAG_H1] = HTML_BLOCK,
	[GUMBO_TAG_H2] = HTML_BLOCK,
	[GUMBO_TAG_H3] = HTML_BLOCK,
	[GUMBO_TAG_H4] = HTML_BLOCK,
	[GUMBO_TAG_H5] = HTML_BLOCK,
	[GUMBO_TAG_H6] = HTML_BLOCK,
	[GUMBO_TAG_HEADER] = HTML_BLOCK,
	[GUMBO_TAG_HGROUP] = HTML_BLOCK,
	[GUMBO_TAG_HR] = HTML_BLOCK,
	[GUMBO_TAG_IFRAME] = HTML_FRAME,
	[GUMBO_TAG_IMG] = HTML_PICTURE,
	[GUMBO_TAG_INPUT] = HTML_INPUT,
	[GUMBO_TAG_LABEL] = HTML_APART,
	[GUMBO_TAG_LEGEND] = HTML_BLOCK,
	[GUMBO_TAG_LI] = HTML_ITEM,
	[GUMBO_TAG_LISTING] = HTML_PRE,
	[GUMBO_TAG_MAIN] = HTML_BLOCK,
	[GUMBO_TAG_METER] = HTML_APART,
	[GUMBO_TAG_MENU] = HTML_BLOCK,
	[GUMBO_TAG_NAV] = HTML_BLOCK,
	[GUMBO_TAG_NOEMBED] = HTML_SKIP,
	[GUMBO_TAG_NOFRAMES] = HTML_SKIP,
	[GUMBO_TAG_NOSCRIPT] = HTML_SKIP,
	[GUMBO_TAG_OBJECT] = HTML_APART,
	[GUMBO_TAG_OL] = HTML_BLOCK,
	[GUMBO_TAG_OPTGROUP] = HTML_BLOCK,
	[GUMBO_TAG_OPTION] = HTML_BLOCK,
	[GUMBO_TAG_OUTPUT] = HTML_APART,
	[GUMBO_TAG_P] = HTML_BLOCK,
	[GUMBO_TAG_PLAINTEXT] = HTML_PRE,
	[GUMBO_TAG_PRE] = HTML_PRE,
	[GUMBO_TAG_PROGRESS] = HTML_APART,
	[GUMBO_TAG_Q] = HTML_QUOTE,
	[GUMBO_TAG_RP] = HTML_SKIP,
	[GUMBO_TAG_RT] = HTML_SKIP,
	[GUMBO_TAG_RTC] = HTML_SKIP,
	[GUMBO_TAG_SCRIPT] = HTML_SKIP,
	[GUMBO_TAG_SECTION] = HTML_BLOCK,
	[GUMBO_TAG_SELECT] = HTML_APART,
	[GUMBO_TAG_STYLE] = HTML_SKIP,
	[GUMBO_TAG_SUMMARY] = HTML_BLOCK,
	[GUMBO_TAG_SUP] = HTML_RAISED,
	[GUMBO_TAG_TABLE] = HTML_BLOCK,
	[GUMBO_TAG_TD] = HTML_CELL,
	[GUMBO_TAG_TEXTAREA] = HTML_PRE,
	[GUMBO_TAG_TH] = HTML_CELL,
	[GUMBO_TAG_TITLE] = HTML_BLOCK,
	[GUMBO_TAG_TR] = HTML_ROW,
	[GUMBO_TAG_UL] = HTML_BLOCK,
	[GUMBO_TAG_VIDEO] = HTML_APART,
	[GUMBO_TAG_XMP] = HTML_PRE,
};

/* Elements that gumbo has no number for. */
struct named {
	const char *name;
	enum html_role role;
};

static const struct named newer[] = {
	{ "dialog", HTML_BLOCK },
	{ "search", HTML_BLOCK },
};

/* Of SVG and MathML; what is not here is part of the line. */
static const struct named foreign[] = {
	{ "annotation", HTML_SKIP },
	{ "annotation-xml", HTML_SKIP },
	{ "desc", HTML_APART },
	{ "metadata", HTML_SKIP },
	{ "script", HTML_SKIP },
	{ "style", HTML_SKIP },
	{ "svg", HTML_APART },
	{ "text", HTML_APART },
	{ "title", HTML_APART },
};

const char *
html_attribute(const GumboNode *node, const char *name)
{
	const GumboAttribute *a = gumbo_get_attribute(&node->v.element.attributes, name);

	return a != NULL ? a->value : NULL;
}

bool
html_is(const GumboNode *node, GumboTag tag)
{
	return node->type == GUMBO_NODE_ELEMENT && node->v.element.tag == tag &&
	       node->v.element.tag_namespace == GUMBO_NAMESPACE_HTML;
}

static bool
is_named(const GumboNode *node, const char *name)
{
	GumboStringPiece tag = node->v.element.original_tag;

	gumbo_tag_from_original_text(&tag);
	return tag.length == strlen(name) && strncasecmp(tag.data, name, tag.length) == 0;
}

/* The role in a table of n names, or that of all others. */
static enum html_role
role_by_name(const GumboNode *node, const struct named *table, size_t n, enum html_role others)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (is_named(node, table[i].name))
			return table[i].role;
	return others;
}

/* Whether a style's declaration (CSS Style Attributes) has that property and a value so begun. */
static bool
style_has(const char *style, const char *property, const char *value)
{
	static const char blank[] = " \t\r\n\f";
	size_t n = strlen(property);

	for (; style != NULL; style = strchr(style, ';')) {
		style += strspn(style, " \t\r\n\f;");
		if (strncasecmp(style, property, n) != 0)
			continue;
		style += n + strspn(style + n, blank);
		if (style[0] != ':')
			continue;
		style += 1 + strspn(style + 1, blank);
		if (strncasecmp(style, value, strlen(value)) == 0)
			return true;
	}
	return false;
}

/* Hidden by its own attributes; style sheets are not read. */
static bool
is_hidden(const GumboNode *node)
{
	const char *style = html_attribute(node, "style");
	const char *hidden = html_attribute(node, "hidden");
	const char *aria = html_attribute(node, "aria-hidden");

	if (hidden != NULL && strcasecmp(hidden, "until-found") != 0)
		return true;
	if (is_named(node, "dialog") && html_attribute(node, "open") == NULL)
		return true;
	if (style != NULL &&
	    (style_has(style, "display", "none") || style_has(style, "visibility", "hidden") ||
		style_has(style, "visibility", "collapse") || style_has(style, "mso-hide", "all")))
		return true;
	/* A picture whose text assistive programs do not read aloud is seen nevertheless. */
	return aria != NULL && strcasecmp(aria, "true") == 0 && !html_is(node, GUMBO_TAG_IMG);
}

/* An element of the page's own, most of which are blocks. Those of Word have a colon, no hyphen. */
static bool
is_custom(const GumboNode *node)
{
	GumboStringPiece tag = node->v.element.original_tag;

	gumbo_tag_from_original_text(&tag);
	return tag.data != NULL && memchr(tag.data, '-', tag.length) != NULL;
}

enum html_role
html_tag_role(GumboTag tag)
{
	return roles[tag];
}

enum html_role
html_role(const GumboNode *node)
{
	if (node->type == GUMBO_NODE_TEMPLATE || is_hidden(node))
		return HTML_SKIP;
	if (html_is(node, GUMBO_TAG_UNKNOWN))
		return role_by_name(node, newer, sizeof(newer) / sizeof(newer[0]),
		    is_custom(node) ? HTML_APART : HTML_INLINE);
	if (node->v.element.tag_namespace == GUMBO_NAMESPACE_HTML)
		return roles[node->v.element.tag];
	/* A diagram's label of several lines. */
	if (is_named(node, "tspan") &&
	    (html_attribute(node, "x") != NULL || html_attribute(node, "dy") != NULL))
		return HTML_APART;
	return role_by_name(node, foreign, sizeof(foreign) / sizeof(foreign[0]), HTML_INLINE);
}

/* What makes a row a part of the page rather than a line. */
static bool
is_layout(const GumboNode *node)
{
	return html_is(node, GUMBO_TAG_PRE) || html_is(node, GUMBO_TAG_HR) ||
	       html_is(node, GUMBO_TAG_BLOCKQUOTE) || html_is(node, GUMBO_TAG_H1) ||
	       html_is(node, GUMBO_TAG_H2) || html_is(node, GUMBO_TAG_H3) ||
	       html_is(node, GUMBO_TAG_H4) || html_is(node, GUMBO_TAG_H5) ||
	       html_is(node, GUMBO_TAG_H6) || html_is(node, GUMBO_TAG_FORM);
}

bool
html_is_line(const GumboNode *row)
{
	const GumboNode *queue[LINE_NODES];
	const void *cell_of[LINE_NODES], *last_cell = NULL;
	size_t n = 0, at, i, bytes = 0, n_cells = 0;
	const GumboVector *v = &row->v.element.children;

	for (i = 0; i < v->length && n < LINE_NODES; i++, n++)
		cell_of[n] = queue[n] = v->data[i];
	for (at = 0; at < n; at++) {
		const GumboNode *node = queue[at];

		if (node->type == GUMBO_NODE_TEXT) {
			bytes += strlen(node->v.text.text);
			/* The cells' texts come in order, one level after the other. */
			n_cells += cell_of[at] != last_cell;
			last_cell = cell_of[at];
		}
		if (bytes > LINE_BYTES)
			return false;
		if (node->type != GUMBO_NODE_ELEMENT)
			continue;
		if (is_layout(node) || n + node->v.element.children.length > LINE_NODES)
			return false;
		for (i = 0; i < node->v.element.children.length; i++, n++) {
			queue[n] = node->v.element.children.data[i];
			cell_of[n] = cell_of[at];
		}
	}
	return n_cells > 1;
}

/* Is it all that its parent has, but for space? */
static bool
is_alone(const GumboNode *node)
{
	const GumboVector *v = &node->parent->v.element.children;

	for (unsigned i = 0; i < v->length; i++) {
		const GumboNode *other = v->data[i];

		if (other != node && other->type != GUMBO_NODE_WHITESPACE &&
		    other->type != GUMBO_NODE_COMMENT)
			return false;
	}
	return true;
}

const char *
html_picture(const GumboNode *node)
{
	const char *alt = html_attribute(node, "alt");

	if (alt != NULL && strpbrk(alt, " \t\n") == NULL && node->parent != NULL &&
	    html_is(node->parent, GUMBO_TAG_A) && is_alone(node))
		return NULL;
	return alt;
}

const char *
html_input(const GumboNode *node)
{
	const char *type = html_attribute(node, "type"), *value = html_attribute(node, "value");

	if (type == NULL)
		type = "text";
	if (strcasecmp(type, "checkbox") == 0 || strcasecmp(type, "radio") == 0)
		return html_attribute(node, "checked") != NULL ? "☒" : "☐";
	if (strcasecmp(type, "image") == 0)
		return html_attribute(node, "alt");
	if (strcasecmp(type, "hidden") == 0 || strcasecmp(type, "password") == 0 ||
	    strcasecmp(type, "file") == 0 || strcasecmp(type, "range") == 0 ||
	    strcasecmp(type, "color") == 0)
		return NULL;
	return value != NULL && value[0] != '\0' ? value : html_attribute(node, "placeholder");
}

bool
html_is_numbered(const GumboNode *list)
{
	const char *style;

	if (!html_is(list, GUMBO_TAG_OL))
		return false;
	style = html_attribute(list, "style");
	return style == NULL || (!style_has(style, "list-style", "none") &&
				    !style_has(style, "list-style-type", "none"));
}

bool
html_has_choice(const GumboNode *list)
{
	const GumboVector *v = &list->v.element.children;
	size_t i;

	for (i = 0; i < v->length; i++) {
		const GumboNode *node = v->data[i];

		if (html_is(node, GUMBO_TAG_OPTION) && html_attribute(node, "selected") != NULL)
			return true;
		if (html_is(node, GUMBO_TAG_OPTGROUP) && html_has_choice(node))
			return true;
	}
	return false;
}

/* Letters as numbers: a to z, aa, ab (CSS Counter Styles 3, 3.1.5). */
static void
put_letters(struct buffer *b, unsigned long n, char first)
{
	char text[16];
	size_t at = sizeof(text);

	for (; n > 0; n = (n - 1) / 26)
		text[--at] = (char)(first + (int)((n - 1) % 26));
	buffer_put(b, text + at, sizeof(text) - at);
}

static void
put_roman(struct buffer *b, unsigned long n, bool upper)
{
	static const struct {
		unsigned value;
		const char *small, *great;
	} parts[] = {
		{ 1000, "m", "M" },
		{ 900, "cm", "CM" },
		{ 500, "d", "D" },
		{ 400, "cd", "CD" },
		{ 100, "c", "C" },
		{ 90, "xc", "XC" },
		{ 50, "l", "L" },
		{ 40, "xl", "XL" },
		{ 10, "x", "X" },
		{ 9, "ix", "IX" },
		{ 5, "v", "V" },
		{ 4, "iv", "IV" },
		{ 1, "i", "I" },
	};
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (; n >= parts[i].value; n -= parts[i].value)
			buffer_string(b, upper ? parts[i].great : parts[i].small);
}

void
html_number(struct buffer *b, const GumboNode *list, long n)
{
	const char *type = html_attribute(list, "type");
	char style = type != NULL && type[0] != '\0' && type[1] == '\0' ? type[0] : '1';
	char text[32];

	if ((style == 'a' || style == 'A') && n > 0)
		put_letters(b, (unsigned long)n, style);
	else if ((style == 'i' || style == 'I') && n > 0 && n < 4000)
		put_roman(b, (unsigned long)n, style == 'I');
	else
		buffer_put(b, text, (size_t)snprintf(text, sizeof(text), "%ld", n));
	buffer_put(b, ". ", 2);
}

bool
html_is_note(const GumboNode *sup, const struct buffer *before)
{
	const GumboVector *v = &sup->v.element.children;
	size_t i, n_letters = 0;

	for (i = 0; i < v->length; i++)
		if (html_is(v->data[i], GUMBO_TAG_A))
			return true;
	if (v->length != 1 || ((const GumboNode *)v->data[0])->type != GUMBO_NODE_TEXT ||
	    strspn(((const GumboNode *)v->data[0])->v.text.text, "0123456789,*") !=
		strlen(((const GumboNode *)v->data[0])->v.text.text))
		return false;
	/* A number after a unit or a variable (m, km, x) is an exponent, after a word a note. */
	for (i = before->len; i > 0 && n_letters < 3; i--, n_letters++) {
		unsigned char c = (unsigned char)before->p[i - 1];

		if (i == before->len && strchr(".,;:!?\"", c) != NULL && c != 0)
			return true;
		if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
			return false;
	}
	return n_letters == 3;
}
