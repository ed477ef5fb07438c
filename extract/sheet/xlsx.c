/* Excel workbooks: their sheets in the workbook's order, whatever their parts are called. */
#include "extract/sheet/xlsx.h"

#include <stdio.h>
#include <string.h>

#include "extract/sheet/sheet_notice.h"

/* Its parts are streams, of which only the shared strings are kept. */
#define UNPACK_MAX (512 * MIB)

struct entry {
	const char *name;
	struct bytes id;
	bool hidden;
};

struct book {
	bool epoch_1904;
	struct entry *sheets;
	size_t n, room;
};

static void
on_workbook(void *arg, const struct xml_element *e)
{
	struct book *b = arg;

	if (e->ns != NS_SHEET)
		return;
	if (strcmp(e->name, "workbookPr") == 0) {
		struct bytes epoch = xml_attr(e, NS_NONE, "date1904");

		b->epoch_1904 = bytes_are(epoch, "1") || bytes_are(epoch, "true");
	}
	if (strcmp(e->name, "sheet") != 0)
		return;
	if (b->n == b->room) {
		b->room = b->room * 2 + 16;
		b->sheets = grow(b->sheets, b->room * sizeof(*b->sheets));
	}
	b->sheets[b->n++] = (struct entry){
		.name = bytes_string(xml_attr(e, NS_NONE, "name")),
		.id = { (unsigned char *)bytes_string(xml_attr(e, NS_RELATION, "id")),
		    xml_attr(e, NS_RELATION, "id").n },
		.hidden = xml_attr_is(e, NS_NONE, "state", "hidden") ||
			  xml_attr_is(e, NS_NONE, "state", "veryHidden"),
	};
}

static void
read_sheet(struct xlsx *x, const struct relations *related, const struct entry *entry)
{
	const struct relation *to = relation_by_id(related, entry->id);
	struct sheet sheet = { .name = entry->name, .hidden = entry->hidden };

	/* A sheet of its own may also be a chart, a dialog or macros. */
	if (to != NULL && strcmp(to->type, "worksheet") != 0)
		return;
	if (to == NULL || !package_has(&x->package, to->target)) {
		out_notice(x->rows->out, "The sheet \"%s\" is missing from the file.", entry->name);
		return;
	}
	if (!x->rows->sheet(x->rows, &sheet))
		return;
	x->sheet = entry->name;
	xlsx_sheet(x, to->target);
}

static void
notice(const struct xlsx *x)
{
	struct out *o = x->rows->out;

	uncalculated_notice(x->n_uncalculated, o);
	if (x->n_missing > 0)
		out_notice(o, "The file lacks the text of %lu of its cells; %s empty.",
		    x->n_missing, x->n_missing > 1 ? "they are" : "it is");
}

/* The part of the workbook of this type; NULL: none, or it is not in the file. */
static const char *
part_of(struct xlsx *x, const struct relations *related, const char *type)
{
	const struct relation *to = relation_by_type(related, type);

	return to != NULL && package_has(&x->package, to->target) ? to->target : NULL;
}

void
xlsx_rows(struct bytes file, struct rows *r)
{
	static const struct xml_events events = { .start = on_workbook };
	struct hidden hidden = { 0 };
	struct relations related;
	struct book book = { 0 };
	static struct xlsx x;
	const char *main;
	size_t i;

	x = (struct xlsx){ .rows = r };
	package_open(&x.package, file, kind_name(KIND_XLSX));
	x.package.most = UNPACK_MAX;
	main = package_main(&x.package);
	package_xml(&x.package, main, &events, &book);
	related = package_relations(&x.package, main);
	x.epoch_1904 = book.epoch_1904;
	xlsx_styles(&x, part_of(&x, &related, "styles"));
	xlsx_strings(&x, part_of(&x, &related, "sharedStrings"));
	row_begin(&x.maker, r);
	for (i = 0; i < book.n; i++) {
		if (book.sheets[i].hidden)
			hidden_add(&hidden, book.sheets[i].name);
		read_sheet(&x, &related, &book.sheets[i]);
	}
	hidden_notice(&hidden, r->out);
	notice(&x);
	r->end(r);
}

void
xlsx_read(struct bytes file, struct out *o)
{
	rows_text(file, xlsx_rows, o);
}
