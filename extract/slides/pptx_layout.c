/* Layouts and masters of slides: where their placeholders are. Their text is not the slides'. */
#include "extract/slides/pptx.h"

#include <stdlib.h>
#include <string.h>

struct layout {
	const char *part;
	struct holder *p;
	size_t n, room;
	const struct layout *master; /* NULL: this is one, or there is none */
	struct layout *next;
	/* while it is read */
	struct holder now;
	bool open; /* `now` is a placeholder */
};

void
holder_read(struct holder *h, const struct xml_element *ph)
{
	struct bytes type = xml_attr(ph, NS_NONE, "type"), index = xml_attr(ph, NS_NONE, "idx");
	char *s;

	memcpy(h->type, "obj", sizeof("obj"));
	if (type.p != NULL && type.n < HOLDER_TYPE_MAX) {
		memcpy(h->type, type.p, type.n);
		h->type[type.n] = '\0';
	}
	s = bytes_string(index);
	h->index = strtoul(s, NULL, 10);
	free(s);
}

static void
layout_start(void *arg, const struct xml_element *e)
{
	struct layout *l = arg;

	if (e->ns == NS_SLIDE && strcmp(e->name, "nvPr") == 0) {
		l->open = false;
		l->now.place.known = false;
	} else if (e->ns == NS_SLIDE && strcmp(e->name, "ph") == 0) {
		holder_read(&l->now, e);
		l->open = true;
	} else if (e->ns == NS_DRAWING && strcmp(e->name, "off") == 0 && !l->now.place.known) {
		l->now.place = (struct place){ true, slide_length(xml_attr(e, NS_NONE, "x")),
			slide_length(xml_attr(e, NS_NONE, "y")) };
	}
}

static void
layout_end(void *arg, const struct xml_element *e)
{
	struct layout *l = arg;

	if (e->ns != NS_SLIDE || !l->open ||
	    (strcmp(e->name, "sp") != 0 && strcmp(e->name, "pic") != 0 &&
		strcmp(e->name, "graphicFrame") != 0))
		return;
	l->open = false;
	if (l->n == l->room) {
		l->room = l->room * 2 + 16;
		l->p = grow(l->p, l->room * sizeof(*l->p));
	}
	l->p[l->n++] = l->now;
}

/* Reads a layout or a master, or finds it in the list. */
static struct layout *
layout_get(struct layout **all, struct package *p, const struct relation *of)
{
	static const struct xml_events events = { layout_start, layout_end, NULL };
	struct layout *l;

	if (of == NULL || of->external || !package_has(p, of->target))
		return NULL;
	for (l = *all; l != NULL; l = l->next)
		if (strcmp(l->part, of->target) == 0)
			return l;
	l = grow(NULL, sizeof(*l));
	*l = (struct layout){ .part = of->target, .next = *all };
	*all = l;
	/* Where it is damaged the order of shapes may be another one, and no text is lost. */
	(void)package_xml_whole(p, l->part, &events, l);
	return l;
}

const struct layout *
layout_of(struct layout **all, struct package *p, const struct relations *of_slide)
{
	struct layout *l = layout_get(all, p, relation_by_type(of_slide, "slideLayout"));
	struct relations of_layout;

	if (l == NULL || l->master != NULL)
		return l;
	of_layout = package_relations(p, l->part);
	l->master = layout_get(all, p, relation_by_type(&of_layout, "slideMaster"));
	return l;
}

static bool
is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* The type of a master's placeholder that others take after. */
static const char *
type_in_master(const char *type)
{
	if (is(type, "title") || is(type, "ctrTitle"))
		return "title";
	return is(type, "dt") || is(type, "ftr") || is(type, "sldNum") ? type : "body";
}

/* The placeholder of a layout or master that one of this type and index takes after. */
static const struct holder *
holder_find(const struct layout *l, const char *type, unsigned long index)
{
	const struct holder *found = NULL;
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (!is(type_in_master(l->p[i].type), type_in_master(type)))
			continue;
		if (l->p[i].index == index)
			return &l->p[i];
		if (found == NULL)
			found = &l->p[i];
	}
	return found;
}

struct place
layout_place(const struct layout *l, const char *type, unsigned long index)
{
	const struct holder *found = l != NULL ? holder_find(l, type, index) : NULL;

	if (l != NULL && l->master != NULL && (found == NULL || !found->place.known))
		found = holder_find(l->master, type, index);
	return found != NULL ? found->place : (struct place){ 0 };
}
