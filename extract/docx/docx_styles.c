/* The styles of a DOCX, as far as they number or hide text (ECMA-376 part 1, 17.7). */
#include "extract/docx/docx.h"

#include <stdlib.h>
#include <string.h>

#define BASED_MAX 32 /* styles that one is based on, one on the other */

struct bytes
docx_text(const struct xml_element *e, const char *attribute)
{
	return xml_attr(e, NS_WORD, attribute);
}

enum docx_switch
docx_switch(const struct xml_element *e)
{
	struct bytes v = docx_text(e, "val");

	return bytes_are(v, "0") || bytes_are(v, "false") || bytes_are(v, "off") ? DOCX_OFF
										 : DOCX_ON;
}

int32_t
docx_number(const struct xml_element *e, const char *attribute, int32_t otherwise)
{
	struct bytes v = docx_text(e, attribute);
	int64_t n = 0;
	size_t i, sign = v.n > 0 && v.p[0] == '-';

	if (v.n == sign || v.n > 11)
		return otherwise;
	for (i = sign; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return otherwise;
		n = n * 10 + (v.p[i] - '0');
	}
	n = sign ? -n : n;
	return n >= INT32_MIN && n <= INT32_MAX ? (int32_t)n : otherwise;
}

static void
open_style(struct docx_styles *s, const struct xml_element *e)
{
	if (s->n == s->room) {
		s->room = s->room * 2 + 64;
		s->p = grow(s->p, s->room * sizeof(*s->p));
	}
	s->open = &s->p[s->n++];
	*s->open = (struct docx_style){ .list = -1, .level = -1 };
	s->open->id = bytes_string(docx_text(e, "styleId"));
	if (bytes_are(docx_text(e, "type"), "paragraph") &&
	    (bytes_are(docx_text(e, "default"), "1") || bytes_are(docx_text(e, "default"), "true")))
		s->normal = s->open->id;
}

static void
styles_on_start(void *arg, const struct xml_element *e)
{
	struct docx_styles *s = arg;

	if (e->ns != NS_WORD)
		return;
	if (strcmp(e->name, "style") == 0)
		open_style(s, e);
	else if (s->open == NULL)
		return;
	else if (strcmp(e->name, "basedOn") == 0)
		s->open->based = bytes_string(docx_text(e, "val"));
	else if (strcmp(e->name, "numId") == 0)
		s->open->list = docx_number(e, "val", -1);
	else if (strcmp(e->name, "ilvl") == 0)
		s->open->level = docx_number(e, "val", -1);
	else if (strcmp(e->name, "vanish") == 0)
		s->open->hidden = docx_switch(e);
}

static void
styles_on_end(void *arg, const struct xml_element *e)
{
	struct docx_styles *s = arg;

	if (e->ns == NS_WORD && strcmp(e->name, "style") == 0)
		s->open = NULL;
}

static int
compare(const void *a, const void *b)
{
	const struct docx_style *x = a, *y = b;

	return strcmp(x->id, y->id);
}

bool
docx_styles_read(struct docx_styles *s, struct package *p, const char *part)
{
	static const struct xml_events events = { .start = styles_on_start, .end = styles_on_end };
	bool whole = package_xml_whole(p, part, &events, s);

	if (s->n > 0)
		qsort(s->p, s->n, sizeof(*s->p), compare);
	return whole;
}

static struct docx_style *
find(const struct docx_styles *s, const char *id)
{
	struct docx_style key = { .id = id };

	return s->n > 0 ? bsearch(&key, s->p, s->n, sizeof(key), compare) : NULL;
}

const struct docx_style *
docx_style_find(struct docx_styles *s, struct bytes id)
{
	char *name = bytes_string(id);
	struct docx_style *found = find(s, name), *base = found;
	int i;

	free(name);
	for (i = 0; found != NULL && !found->whole && i < BASED_MAX; i++) {
		if (base->based == NULL || (base = find(s, base->based)) == NULL)
			break;
		if (found->list < 0)
			found->list = base->list;
		if (found->level < 0)
			found->level = base->level;
		if (found->hidden == DOCX_UNSET)
			found->hidden = base->hidden;
	}
	if (found != NULL)
		found->whole = true;
	return found;
}
