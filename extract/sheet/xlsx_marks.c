/*
 * Merged ranges, links and tables. A worksheet names the first two behind its rows, so it is read
 * once for them alone, but only where it has any.
 */
#include <stdlib.h>
#include <string.h>

#include "extract/sheet/sheet_ref.h"
#include "extract/sheet/xlsx.h"

#define PAINTED_MAX 50000000ul /* columns of all merged ranges of a sheet */

struct link {
	struct ref at;
	struct bytes address;
};

struct marks {
	struct relations related;
	struct range *merges; /* by their first row */
	size_t n_merges, merges_room, next_merge;
	struct link *links; /* by row and column */
	size_t n_links, links_room, next_link;
	struct range *totals; /* the last rows of tables */
	size_t n_totals, totals_room;
	unsigned long row;
	unsigned long painted;
	unsigned long covered[ROWS_COLUMNS_MAX]; /* until which row, from `origin` on */
	unsigned long origin[ROWS_COLUMNS_MAX]; /* the row whose cell has the range's value */
};

static void
add_merge(struct marks *m, const struct xml_element *e)
{
	struct range r;

	if (!range_parse(xml_attr(e, NS_NONE, "ref"), &r))
		return;
	if (m->n_merges == m->merges_room) {
		m->merges_room = m->merges_room * 2 + 64;
		m->merges = grow(m->merges, m->merges_room * sizeof(*m->merges));
	}
	m->merges[m->n_merges++] = r;
}

/* A range's link stands at its first cell. Places inside of the file are no addresses. */
static void
add_link(struct marks *m, const struct xml_element *e)
{
	const struct relation *to = relation_by_id(&m->related, xml_attr(e, NS_RELATION, "id"));
	struct range r;

	if (to == NULL || !to->external || !range_parse(xml_attr(e, NS_NONE, "ref"), &r))
		return;
	if (m->n_links == m->links_room) {
		m->links_room = m->links_room * 2 + 64;
		m->links = grow(m->links, m->links_room * sizeof(*m->links));
	}
	m->links[m->n_links++] = (struct link){
		r.from,
		{ (const unsigned char *)to->target, strlen(to->target) },
	};
}

static void
marks_on_sheet(void *arg, const struct xml_element *e)
{
	if (e->ns != NS_SHEET)
		return;
	if (strcmp(e->name, "mergeCell") == 0)
		add_merge(arg, e);
	else if (strcmp(e->name, "hyperlink") == 0)
		add_link(arg, e);
}

/* 18.5.1.2: the last rows of a table's range are its totals. */
static void
on_table(void *arg, const struct xml_element *e)
{
	struct marks *m = arg;
	struct bytes n = xml_attr(e, NS_NONE, "totalsRowCount");
	struct range r;

	if (e->ns != NS_SHEET || strcmp(e->name, "table") != 0 || !bytes_are(n, "1") ||
	    !range_parse(xml_attr(e, NS_NONE, "ref"), &r))
		return;
	if (m->n_totals == m->totals_room) {
		m->totals_room = m->totals_room * 2 + 16;
		m->totals = grow(m->totals, m->totals_room * sizeof(*m->totals));
	}
	m->totals[m->n_totals++] = r;
}

static int
by_ref(const struct ref *a, const struct ref *b)
{
	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

static int
by_merge(const void *a, const void *b)
{
	return by_ref(&((const struct range *)a)->from, &((const struct range *)b)->from);
}

static int
by_link(const void *a, const void *b)
{
	return by_ref(&((const struct link *)a)->at, &((const struct link *)b)->at);
}

static int
by_totals(const void *a, const void *b)
{
	unsigned long x = ((const struct range *)a)->to.row, y = ((const struct range *)b)->to.row;

	return x < y ? -1 : x > y;
}

/* Empties the marks but for their room. */
static struct marks *
reset(struct marks *old)
{
	struct marks *m = old != NULL ? old : grow(NULL, sizeof(*m)), kept = { 0 };

	if (old != NULL) {
		kept.merges = old->merges;
		kept.merges_room = old->merges_room;
		kept.links = old->links;
		kept.links_room = old->links_room;
		kept.totals = old->totals;
		kept.totals_room = old->totals_room;
	}
	*m = kept;
	return m;
}

void
xlsx_marks(struct xlsx *x, const char *part)
{
	static const struct xml_events sheet_events = { .start = marks_on_sheet };
	static const struct xml_events table_events = { .start = on_table };
	struct marks *m = x->marks = reset(x->marks);
	size_t i;

	m->related = package_relations(&x->package, part);
	for (i = 0; i < m->related.n; i++)
		if (strcmp(m->related.p[i].type, "table") == 0 &&
		    package_has(&x->package, m->related.p[i].target))
			package_xml(&x->package, m->related.p[i].target, &table_events, m);
	if (package_holds(&x->package, part, "mergeCell") ||
	    (m->related.n > 0 && package_holds(&x->package, part, "hyperlink")))
		/* The rows' reader tells of damage. */
		(void)package_xml_whole(&x->package, part, &sheet_events, m);
	if (m->n_merges > 0)
		qsort(m->merges, m->n_merges, sizeof(*m->merges), by_merge);
	if (m->n_links > 0)
		qsort(m->links, m->n_links, sizeof(*m->links), by_link);
	if (m->n_totals > 0)
		qsort(m->totals, m->n_totals, sizeof(*m->totals), by_totals);
}

/* A range that begins in this row, or in one that the sheet leaves out. */
static void
paint(struct marks *m, const struct range *r)
{
	size_t c;

	m->painted += r->to.column - r->from.column + 1;
	if (m->painted > PAINTED_MAX)
		fail("The file has too many merged cells, which is refused.");
	for (c = r->from.column; c <= r->to.column; c++) {
		if (m->covered[c] < r->to.row)
			m->covered[c] = r->to.row;
		m->origin[c] = 0;
	}
	m->origin[r->from.column] = r->from.row;
}

static int
total_at(const void *key, const void *of)
{
	unsigned long row = *(const unsigned long *)key, at = ((const struct range *)of)->to.row;

	return row < at ? -1 : row > at;
}

bool
marks_row(struct marks *m, unsigned long row)
{
	m->row = row;
	for (; m->next_merge < m->n_merges && m->merges[m->next_merge].from.row <= row;
	     m->next_merge++)
		paint(m, &m->merges[m->next_merge]);
	return m->n_totals > 0 &&
	       bsearch(&row, m->totals, m->n_totals, sizeof(*m->totals), total_at) != NULL;
}

bool
marks_covers(const struct marks *m, size_t column)
{
	return m->covered[column] >= m->row && m->origin[column] != m->row;
}

struct bytes
marks_link(const struct marks *m, size_t column)
{
	struct link key = { { m->row, column }, { 0 } }, *at = NULL;

	if (m->n_links > 0)
		at = bsearch(&key, m->links, m->n_links, sizeof(*m->links), by_link);
	return at != NULL ? at->address : (struct bytes){ 0 };
}
