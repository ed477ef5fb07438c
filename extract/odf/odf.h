/*
 * The text of OpenDocument (ODF 1.3 part 3), of texts and of presentations: paragraphs with their
 * numbers, rows of tables, what is anchored in them, comments. What is hidden, deleted or only
 * instructs the program is left out.
 */
#ifndef MILLRACE_EXTRACT_ODF_H
#define MILLRACE_EXTRACT_ODF_H

#include "extract/buffer.h"
#include "extract/number.h"
#include "extract/package/package.h"

#define ODF_LEVELS 10 /* of lists */

/* The numbers of a list's level. */
struct odf_level {
	enum number_format format; /* NUMBER_NONE: bullets, or nothing */
	const char *prefix, *suffix;
	unsigned long start;
	unsigned shown; /* levels that the number shows: 2 is "1.a" */
};

struct odf_list_style {
	struct odf_level level[ODF_LEVELS];
	struct odf_list *last; /* of this style */
};

/* A list while it goes on, perhaps in several places. */
struct odf_list {
	struct odf_list_style *style; /* NULL: without numbers */
	unsigned long next[ODF_LEVELS]; /* one more than the last number; 0: none yet */
};

/* Styles by name, as far as text depends on them. */
struct odf_styles {
	struct _xmlHashTable *styles, *list_styles; /* struct odf_style, struct odf_list_style */
	struct odf_list outline; /* of headings */
	/* the definition that is being read */
	struct odf_style *style;
	struct odf_list_style *list_style;
};

/* An element's beginning that may be a part of a style's definition. */
void odf_styles_start(struct odf_styles *s, const struct xml_element *e);

/* Whether what has the style of this family ("text", "paragraph", "drawing-page") is not shown. */
bool odf_styles_hidden(const struct odf_styles *s, const char *family, struct bytes name);

/* A number in an attribute, or `otherwise`. */
unsigned long odf_number(struct bytes b, unsigned long otherwise);

/* A list style by name; NULL: there is none. */
struct odf_list_style *odf_list_style(const struct odf_styles *s, struct bytes name);

/*
 * Counts a list's paragraph at a level from 0 on, which begins at `start` where that is not NULL,
 * and appends its number as shown, and a space. A level without numbers appends nothing.
 */
void odf_list_number(
    struct odf_list *l, unsigned level, const unsigned long *start, struct buffer *to);

/* A piece of the text of a flow, in the arena, and the one after it. */
struct odf_piece {
	size_t at, n;
	size_t next;
};

struct odf_pieces {
	size_t first, last; /* ODF_NONE: empty */
};
#define ODF_NONE SIZE_MAX

enum odf_flow_kind { ODF_PARAGRAPH, ODF_ROW, ODF_COMMENT };

/*
 * What text goes to. A flow inside another is no part of its text, but for the cells of a row:
 * what is anchored in a paragraph (a text box, a note) comes after it.
 */
struct odf_flow {
	enum odf_flow_kind kind;
	struct odf_pieces text;
	/* paragraphs, each ended by a piece at ODF_NONE, whose n is 1 where that was a row */
	struct odf_pieces after;
	bool blank; /* a space is not kept here: at the beginning, and behind another one */
	bool filled; /* a row: the cell has text */
	unsigned long cells; /* a row: what the cell is repeated for */
	bool hidden;
	bool description; /* of a picture */
	/* the paragraph's number in the arena, which goes before other text only; n is 0: none */
	struct odf_piece number;
};

#define ODF_DEPTH_MAX 512 /* of elements: a document's, and those of an object in it */

struct odf_open_list {
	struct odf_list *list;
	bool number; /* the next paragraph gets one */
	bool starts; /* from `start` on */
	unsigned long start;
};

/* Takes a paragraph, or a row of a table with tabs between its cells. */
typedef void odf_paragraph(void *arg, const char *p, size_t n, bool row);

struct odf {
	struct package *package;
	struct odf_styles styles;
	odf_paragraph *paragraph;
	void *arg;
	struct buffer comments; /* each ended by a NUL */
	unsigned long pictures;
	bool damaged; /* an object is */
	bool everywhere; /* what is read is shown on every page, so that no number is the page's */
	int skip; /* elements deep in one that is left out */

	/* private */
	struct buffer arena; /* the text of all open flows, as it comes */
	struct buffer line;
	struct odf_piece *pieces;
	size_t n_pieces, room;
	struct odf_flow flows[ODF_DEPTH_MAX];
	int n_flows, n_rows;
	bool in_line[ODF_DEPTH_MAX]; /* text of the open element belongs to its paragraph */
	int depth;
	struct odf_open_list lists[ODF_DEPTH_MAX];
	int n_lists;
	struct _xmlHashTable *lists_by_id;
	bool object; /* inside one: a chart, a formula */
};

/* Opens a package. One without the part that holds the content ends the worker. */
void odf_open(struct package *p, struct bytes file, const char *name);

/* Prepares to read; paragraphs go to `paragraph`, with `arg`. */
void odf_begin(struct odf *o, struct package *p, odf_paragraph *paragraph, void *arg);

/*
 * The events of a part, styles or text; `odf` is the struct odf. An element is left out whose
 * beginning is answered by setting `skip` to 1 instead of calling odf_start().
 */
void odf_start(void *odf, const struct xml_element *e);
void odf_end(void *odf, const struct xml_element *e);
void odf_text(void *odf, const char *s, size_t n);

/* Ends what a damaged part has left open. */
void odf_close(struct odf *o);

#endif
