/*
 * A chart is its titles, and a table of what it shows, as kept in it: a line of categories and a
 * line for each series. A diagram is a line for each of its points.
 */
#include "extract/figure.h"

#include <stdlib.h>
#include <string.h>

#define GAP_MAX 1000 /* points of a series without a value, one after the other */

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
};

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

/* Points that only say how the diagram is laid out repeat the text of others. */
static bool
is_layout_point(const struct xml_element *e)
{
	struct bytes type = xml_attr(e, NS_NONE, "type");

	return e->ns == NS_DIAGRAM && strcmp(e->name, "pt") == 0 && type.p != NULL &&
	       !bytes_are(type, "node") && !bytes_are(type, "asst");
}

static void
on_start(void *arg, const struct xml_element *e)
{
	struct figure *f = arg;

	if (f->skip > 0)
		f->skip++;
	else if (is_layout_point(e))
		f->skip = 1;
	else if (e->ns == NS_CHART)
		chart_start(f, e);
	else if (e->ns == NS_DRAWING && strcmp(e->name, "t") == 0)
		f->run++;
	else if (e->ns == NS_DRAWING && strcmp(e->name, "br") == 0 && !f->series)
		buffer_string(f->to, " ");
}

static void
on_end(void *arg, const struct xml_element *e)
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
	} else if (e->ns == NS_DRAWING && strcmp(e->name, "t") == 0) {
		f->run -= f->run > 0;
	} else if (e->ns == NS_DRAWING && strcmp(e->name, "p") == 0 && !f->series) {
		if (f->to->len > f->line)
			buffer_string(f->to, "\n");
		f->line = f->to->len;
	}
}

static void
on_text(void *arg, const char *s, size_t n)
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
	static const struct xml_events events = { on_start, on_end, on_text };
	struct figure f = { .to = to };
	bool whole = package_xml_whole(p, part, &events, &f);

	free(f.heads.p);
	free(f.last_heads.p);
	free(f.values.p);
	free(f.label.p);
	return whole;
}
