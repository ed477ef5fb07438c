/* Styles of OpenDocument, and the numbers of its lists. */
#include <libxml/hash.h>
#include <stdlib.h>
#include <string.h>

#include "extract/odf/odf.h"

#define PARENTS_MAX 32 /* of a style; more are a circle */

struct odf_style {
	const char *parent; /* "": none */
	enum { DISPLAY_AS_PARENT, DISPLAY_SHOWN, DISPLAY_HIDDEN } display;
};

static const xmlChar *
key(const char *s)
{
	return (const xmlChar *)s;
}

/* A definition takes the place of an earlier one: parts have automatic styles of the same names. */
static void
style_start(struct odf_styles *s, const struct xml_element *e)
{
	char *name = bytes_string(xml_attr(e, NS_ODF_STYLE, "name"));
	char *family = bytes_string(xml_attr(e, NS_ODF_STYLE, "family"));

	if (s->styles == NULL)
		s->styles = xmlHashCreate(64);
	s->style = grow(NULL, sizeof(*s->style));
	*s->style = (struct odf_style){
		.parent = bytes_string(xml_attr(e, NS_ODF_STYLE, "parent-style-name")),
	};
	(void)xmlHashUpdateEntry2(s->styles, key(name), key(family), s->style, NULL);
	free(name);
	free(family);
}

/* Of levels that a style does not define, lists have usual numbers, as LibreOffice shows them. */
static void
list_style_start(struct odf_styles *s, const struct xml_element *e, bool outline)
{
	static const struct odf_level usual = { NUMBER_DECIMAL, "", ".", 1, 1 };
	static const struct odf_level none = { NUMBER_NONE, "", "", 1, 1 };
	size_t i;
	char *name = bytes_string(xml_attr(e, NS_ODF_STYLE, "name"));

	if (s->list_styles == NULL)
		s->list_styles = xmlHashCreate(16);
	s->list_style = grow(NULL, sizeof(*s->list_style));
	memset(s->list_style, 0, sizeof(*s->list_style));
	for (i = 0; i < ODF_LEVELS; i++)
		s->list_style->level[i] = outline ? none : usual;
	if (outline)
		s->outline.style = s->list_style;
	(void)xmlHashUpdateEntry(s->list_styles, key(name), s->list_style, NULL);
	free(name);
}

unsigned long
odf_number(struct bytes b, unsigned long otherwise)
{
	char *s = bytes_string(b), *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s)
		n = otherwise;
	free(s);
	return n;
}

static void
level_start(struct odf_styles *s, const struct xml_element *e)
{
	static const struct {
		const char *name;
		enum number_format format;
	} formats[] = {
		{ "a", NUMBER_LOWER_LETTER },
		{ "A", NUMBER_UPPER_LETTER },
		{ "i", NUMBER_LOWER_ROMAN },
		{ "I", NUMBER_UPPER_ROMAN },
	};
	size_t i;
	struct bytes format = xml_attr(e, NS_ODF_STYLE, "num-format");
	unsigned long n = odf_number(xml_attr(e, NS_ODF_TEXT, "level"), 0);
	struct odf_level *to;

	if (s->list_style == NULL || n < 1 || n > ODF_LEVELS)
		return;
	to = &s->list_style->level[n - 1];
	to->format = format.n > 0 ? NUMBER_DECIMAL : NUMBER_NONE;
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (bytes_are(format, formats[i].name))
			to->format = formats[i].format;
	to->prefix = bytes_string(xml_attr(e, NS_ODF_STYLE, "num-prefix"));
	to->suffix = bytes_string(xml_attr(e, NS_ODF_STYLE, "num-suffix"));
	to->start = odf_number(xml_attr(e, NS_ODF_TEXT, "start-value"), 1);
	n = odf_number(xml_attr(e, NS_ODF_TEXT, "display-levels"), 1);
	to->shown = n > ODF_LEVELS ? ODF_LEVELS : (unsigned)n;
}

static void
properties_start(struct odf_styles *s, const struct xml_element *e)
{
	struct bytes display = xml_attr(e, NS_ODF_TEXT, "display");

	if (s->style == NULL)
		return;
	if (strcmp(e->name, "drawing-page-properties") == 0)
		display = xml_attr(e, NS_ODF_PRESENTATION, "visibility");
	else if (strcmp(e->name, "text-properties") != 0)
		return;
	if (display.p != NULL)
		s->style->display = bytes_are(display, "none") || bytes_are(display, "hidden")
					? DISPLAY_HIDDEN
					: DISPLAY_SHOWN;
}

void
odf_styles_start(struct odf_styles *s, const struct xml_element *e)
{
	if (e->ns == NS_ODF_STYLE) {
		if (strcmp(e->name, "style") == 0)
			style_start(s, e);
		else
			properties_start(s, e);
	} else if (e->ns == NS_ODF_TEXT) {
		if (strcmp(e->name, "list-style") == 0)
			list_style_start(s, e, false);
		else if (strcmp(e->name, "outline-style") == 0)
			list_style_start(s, e, true);
		else if (strncmp(e->name, "list-level-style-", 17) == 0 ||
			 strcmp(e->name, "outline-level-style") == 0)
			level_start(s, e);
	}
}

bool
odf_styles_hidden(const struct odf_styles *s, const char *family, struct bytes name)
{
	char *first = bytes_string(name);
	const char *at = first;
	const struct odf_style *style = NULL;
	int i;

	for (i = 0; i < PARENTS_MAX && *at != '\0'; i++) {
		style = xmlHashLookup2(s->styles, key(at), key(family));
		if (style == NULL || style->display != DISPLAY_AS_PARENT)
			break;
		at = style->parent;
	}
	free(first);
	return style != NULL && style->display == DISPLAY_HIDDEN;
}

struct odf_list_style *
odf_list_style(const struct odf_styles *s, struct bytes name)
{
	char *text = bytes_string(name);
	struct odf_list_style *found = xmlHashLookup(s->list_styles, key(text));

	free(text);
	return found;
}

void
odf_list_number(struct odf_list *l, unsigned level, const unsigned long *start, struct buffer *to)
{
	const struct odf_level *own;
	char number[NUMBER_MAX];
	bool some = false;
	unsigned i;

	if (l->style == NULL)
		return;
	own = &l->style->level[level];
	if (start != NULL)
		l->next[level] = *start;
	else if (l->next[level] == 0)
		l->next[level] = own->start;
	l->next[level]++;
	memset(l->next + level + 1, 0, (ODF_LEVELS - level - 1) * sizeof(l->next[0]));
	if (own->format == NUMBER_NONE)
		return;
	buffer_string(to, own->prefix);
	for (i = own->shown > level ? 0 : level + 1 - own->shown; i <= level; i++) {
		if (l->style->level[i].format == NUMBER_NONE)
			continue;
		if (l->next[i] == 0)
			l->next[i] = l->style->level[i].start + 1;
		buffer_string(to, some ? "." : "");
		buffer_put(to, number,
		    number_put(l->style->level[i].format, (uint32_t)(l->next[i] - 1), 0, number));
		some = true;
	}
	buffer_string(to, own->suffix);
	buffer_string(to, " ");
}
