/*
 * A chart is its titles, and a table of what it shows, as kept in it: a line of categories and a
 * line for each series. A diagram is a line for each of its points, in their order.
 */
#include "extract/figure.h"

#include "extract/diagram.h"

#include <stdlib.h>
#include <string.h>

#define GAP_MAX 1000 /* points of a series without a value, one after the other */

/* What a waterfall chart and the like shows, beside the series that show it. */
struct chart_data {
	char *id;
	struct buffer heads, values;
};

struct figure {
	struct buffer *to;
	int skip; /* elements deep in what is left out */
	int run; /* inside a:t or c:v */
	bool series, name; /* inside a series, its name */
	struct buffer heads, last_heads; /* the categories of this series and of the one before */
	struct buffer values;
	struct buffer label; /* the series' name */
	struct buffer *into; /* what the points belong to: heads or values */
	unsigned long next; /* the next point's number */
	size_t line; /* where the line begins */
	struct diagram diagram;
	struct chart_data *data; /* n_data of them */
	size_t n_data, data_room;
};

/* The end of a title, or of a diagram's paragraph. */
static void
line_end(struct figure *f)
{
	if (f->to->len > f->line)
		buffer_string(f->to, "\n");
	f->line = f->to->len;
}

static void
series_end(struct figure *f)
{
	struct buffer swap = f->last_heads;

	f->series = false;
	if (f->heads.len > 0 && (f->heads.len != f->last_heads.len ||
				    memcmp(f->heads.p, f->last_heads.p, f->heads.len) != 0)) {
		buffer_put(f->to, f->heads.p, f->heads.len);
		buffer_string(f->to, "\n");
		f->last_heads = f->heads;
		f->heads = swap;
	}
	buffer_put(f->to, f->label.p, f->label.len);
	buffer_put(f->to, f->values.p, f->values.len);
	buffer_string(f->to, "\n");
	f->line = f->to->len;
}

/* A point of the categories or the values; those between that have none are empty. */
static void
point_start(struct figure *f, const struct xml_element *e)
{
	char *s = bytes_string(xml_attr(e, NS_NONE, "idx"));
	unsigned long index = strtoul(s, NULL, 10);

	free(s);
	if (f->into == NULL)
		return;
	for (; f->next < index && index - f->next < GAP_MAX; f->next++)
		buffer_string(f->into, "\t");
	f->next = index + 1;
	buffer_string(f->into, "\t");
}

static void
chart_start(struct figure *f, const struct xml_element *e)
{
	const char *s = e->name;

	if (strcmp(s, "v") == 0) {
		f->run++;
	} else if (strcmp(s, "ser") == 0) {
		f->series = true;
		f->into = NULL;
		f->heads.len = f->values.len = f->label.len = 0;
	} else if (f->series && strcmp(s, "tx") == 0) {
		f->name = true;
	} else if (f->series && (strcmp(s, "cat") == 0 || strcmp(s, "xVal") == 0)) {
		f->into = &f->heads;
		f->next = 0;
	} else if (f->series && (strcmp(s, "val") == 0 || strcmp(s, "yVal") == 0)) {
		f->into = &f->values;
		f->next = 0;
	} else if (f->series && strcmp(s, "bubbleSize") == 0) {
		f->into = NULL;
	} else if (strcmp(s, "pt") == 0 && !f->name) {
		point_start(f, e);
	} else if (strcmp(s, "f") == 0 || strcmp(s, "formatCode") == 0) {
		f->skip = 1;
	}
}

/* cx:data begins: its points are kept for the series. */
static void
data_start(struct figure *f, const struct xml_element *e)
{
	if (f->n_data == f->data_room) {
		f->data_room = f->data_room * 2 + 4;
		f->data = grow(f->data, f->data_room * sizeof(*f->data));
	}
	f->data[f->n_data++] =
	    (struct chart_data){ .id = bytes_string(xml_attr(e, NS_NONE, "id")) };
	f->series = true;
	f->into = NULL;
}

/* cx:dataId of a series. */
static void
data_add(struct figure *f, const struct xml_element *e)
{
	struct bytes id = xml_attr(e, NS_NONE, "val");
	size_t i;

	for (i = 0; i < f->n_data && !bytes_are(id, f->data[i].id); i++)
		;
	if (i == f->n_data)
		return;
	f->heads.len = f->values.len = 0;
	buffer_put(&f->heads, f->data[i].heads.p, f->data[i].heads.len);
	buffer_put(&f->values, f->data[i].values.p, f->data[i].values.len);
}

/* A chart of Office 2016: its data, then its titles, and series that name their data. */
static void
chart_more_start(struct figure *f, const struct xml_element *e)
{
	struct chart_data *d = f->n_data > 0 ? &f->data[f->n_data - 1] : NULL;
	const char *s = e->name;

	if (strcmp(s, "data") == 0) {
		data_start(f, e);
	} else if (d != NULL && (strcmp(s, "strDim") == 0 || strcmp(s, "numDim") == 0)) {
		f->into = strcmp(s, "strDim") == 0 ? &d->heads : &d->values;
	} else if (strcmp(s, "lvl") == 0) {
		/* Categories may have levels, the lowest first. */
		if (f->into != NULL && f->into->len > 0)
			buffer_string(f->into, "\n");
		f->next = 0;
	} else if (strcmp(s, "pt") == 0) {
		point_start(f, e);
		f->run++;
	} else if (strcmp(s, "v") == 0) {
		f->run++;
	} else if (strcmp(s, "series") == 0) {
		f->series = true;
		f->into = NULL;
		f->heads.len = f->values.len = f->label.len = 0;
	} else if (strcmp(s, "tx") == 0) {
		f->name = f->series;
	} else if (strcmp(s, "dataId") == 0) {
		data_add(f, e);
	} else if (strcmp(s, "f") == 0) {
		f->skip = 1;
	}
}

static void
chart_more_end(struct figure *f, const char *s)
{
	if (strcmp(s, "pt") == 0 || strcmp(s, "v") == 0)
		f->run -= f->run > 0;
	if (strcmp(s, "v") == 0 && !f->series)
		line_end(f);
	else if (strcmp(s, "tx") == 0)
		f->name = false;
	else if (strcmp(s, "series") == 0)
		series_end(f);
	else if (strcmp(s, "data") == 0)
		f->series = false;
}

/*
 * Points that only say how the diagram is laid out repeat the text of others; that of the document
 * has none, and the first ones are below it.
 */
static void
diagram_start(struct figure *f, const struct xml_element *e)
{
	struct bytes type = xml_attr(e, NS_NONE, "type");
	bool shown = type.p == NULL || bytes_are(type, "node") || bytes_are(type, "asst");

	if (strcmp(e->name, "cxn") == 0)
		diagram_link(&f->diagram, e);
	if (strcmp(e->name, "pt") != 0)
		return;
	if (shown || bytes_are(type, "doc"))
		diagram_point(&f->diagram, e, f->to->len);
	f->skip = !shown;
}

static void
figure_on_start(void *arg, const struct xml_element *e)
{
	struct figure *f = arg;

	if (f->skip > 0)
		f->skip++;
	else if (e->ns == NS_DIAGRAM)
		diagram_start(f, e);
	else if (e->ns == NS_CHART)
		chart_start(f, e);
	else if (e->ns == NS_CHART_MORE)
		chart_more_start(f, e);
	else if (e->ns == NS_DRAWING && strcmp(e->name, "t") == 0)
		f->run++;
	else if (e->ns == NS_DRAWING && strcmp(e->name, "br") == 0 && !f->series)
		buffer_string(f->to, " ");
}

static void
figure_on_end(void *arg, const struct xml_element *e)
{
	struct figure *f = arg;

	if (f->skip > 0) {
		f->skip--;
	} else if (e->ns == NS_CHART) {
		if (strcmp(e->name, "v") == 0)
			f->run -= f->run > 0;
		else if (strcmp(e->name, "ser") == 0)
			series_end(f);
		else if (strcmp(e->name, "tx") == 0)
			f->name = false;
	} else if (e->ns == NS_CHART_MORE) {
		chart_more_end(f, e->name);
	} else if (e->ns == NS_DRAWING && strcmp(e->name, "t") == 0) {
		f->run -= f->run > 0;
	} else if (e->ns == NS_DRAWING && strcmp(e->name, "p") == 0 && !f->series) {
		line_end(f);
	}
}

static void
figure_on_text(void *arg, const char *s, size_t n)
{
	struct figure *f = arg;

	if (f->run == 0 || f->skip > 0)
		return;
	if (!f->series)
		buffer_put(f->to, s, n);
	else if (f->name)
		buffer_put(&f->label, s, n);
	else if (f->into != NULL)
		buffer_put(f->into, s, n);
}

bool
figure_read(struct package *p, const char *part, struct buffer *to)
{
	static const struct xml_events events = { figure_on_start, figure_on_end, figure_on_text };
	struct figure f = { .to = to };
	bool whole = package_xml_whole(p, part, &events, &f);

	diagram_order(&f.diagram, to);
	free(f.heads.p);
	free(f.last_heads.p);
	free(f.values.p);
	free(f.label.p);
	return whole;
}
