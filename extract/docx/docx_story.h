/*
 * The text of a DOCX's stories: its body, a header, a note, a comment. Elements bring text and
 * marks into one buffer, where paragraphs, rows and text boxes are put together and go to the
 * output as they end. Of the DOCX reader alone.
 */
#ifndef MILLRACE_EXTRACT_DOCX_STORY_H
#define MILLRACE_EXTRACT_DOCX_STORY_H

#include "extract/buffer.h"
#include "extract/docx/docx.h"

#define STORY_DEPTH_MAX 256 /* of elements; no less than what the package allows */
#define STORY_COLUMNS_MAX 63 /* of a cell, as in Word */
#define STORY_FONT_MAX 32 /* bytes of a font's name that matter */

/* What separates, inside of a row: XML text cannot hold these (XML 1.0, 2.2). */
#define STORY_PARAGRAPH '\x01'
#define STORY_CELL '\x02' /* of a table in a table */
#define STORY_TAB '\x03' /* one that is text */

/* A paragraph that is being read. */
struct paragraph {
	size_t start; /* of its text */
	const struct docx_style *style; /* or NULL */
	int32_t list, level; /* its own w:numPr; -1: none */
	enum docx_switch hidden; /* its mark */
	bool deleted; /* its mark */
	bool joined; /* goes on from the one before it, whose mark is not seen */
	bool numbered; /* has been counted in its list, if it is in one */
	size_t label; /* bytes of its number, at the start */
};

struct run {
	enum docx_switch hidden;
	const struct docx_style *style; /* or NULL */
	char font[STORY_FONT_MAX]; /* "": not its own */
};

/* Where text goes: what a text box interrupts, and gets back at its end. */
struct place {
	struct paragraph paragraph;
	struct run run;
	int tables; /* open ones, one inside the other */
};

struct story;

/* What an element does. An element of which others ask has a rule without functions. */
struct rule {
	const char *name;
	void (*start)(struct story *s, const struct xml_element *e);
	void (*end)(struct story *s);
};

struct open_element {
	const struct rule *rule; /* NULL: of no meaning */
	size_t at; /* the buffer's length at its start */
	/* parts so far: a row's cells, a formula's arguments; a cell's further columns */
	unsigned n;
	bool deleted; /* a row or a cell that is not seen */
	/* of a formula: its operator, or what it begins, divides and ends with */
	uint32_t chars[3];
};

/* Fields (17.16): their instructions are no text, their results are. */
struct fields {
	unsigned n; /* open ones */
	uint64_t code; /* a bit for each, the innermost lowest: in its instructions */
	char choice[256]; /* what is chosen in a form's field, with its NUL */
	size_t choice_at; /* the buffer's length at the field's start */
	int32_t entry, chosen; /* of a list: the next one, and the one to take */
};

/* The headers and footers of a section: by kind, and for all pages, the first and even ones. */
struct section {
	const struct relation *parts[2][3];
	bool title; /* the first page has its own */
};

struct story {
	struct docx *docx;
	char *p; /* the buffer */
	size_t len, room;
	struct place place;
	struct place *boxes; /* what open text boxes interrupt */
	size_t n_boxes, boxes_room;
	struct buffer boxed; /* of text boxes; follows the paragraph or row that has them */
	struct buffer held; /* what would have gone to the output; each text with a NUL behind it */
	bool hold;
	struct open_element open[STORY_DEPTH_MAX + 1];
	int depth;
	int skip; /* the depth of an element that is left out; 0: none */
	bool text; /* in an element whose characters are text */
	bool gap; /* a formula's part has ended: a letter or digit is not to touch it */
	struct fields fields;
	struct section section;
	char *author; /* of a comment */
	char *alt; /* the last drawing's alternative text, or NULL */
	bool pictures; /* there are some */
};

/* The whole document. */
struct docx {
	struct package package;
	struct out *out;
	struct relations related; /* of the main part */
	struct docx_styles styles;
	struct docx_numbering numbering;
	bool even; /* even pages have their own headers and footers */
	const struct relation **shown[2]; /* headers, footers that are used, in their order */
	size_t n_shown[2];
	bool *is_shown[2]; /* by the place in `related` */
};

/* Appends n bytes of UTF-8 to the buffer; ends the worker where it becomes too large. */
void story_put(struct story *s, const char *p, size_t n);

/* The same of one character. */
void story_put_char(struct story *s, uint32_t c);

/* Drops what has been written since the buffer had `at` bytes. */
void story_cut(struct story *s, size_t at);

/* True when a run's text is seen at this place. */
bool story_visible(const struct story *s);

/* True when the element `up` levels above the one that starts or ends has this name. */
bool story_inside(const struct story *s, int up, const char *name);

/* A paragraph (w:p) begins where the buffer ends; it goes on from one whose mark is not seen. */
void story_paragraph_begin(struct story *s);

/* All of its properties (w:pPr) are there: its number, if it has one, goes before its text. */
void story_paragraph_properties(struct story *s);

/*
 * Its end: its text goes to the row, to the text box or to the output; where its mark is not seen,
 * it waits for the next paragraph's.
 */
void story_paragraph_end(struct story *s);

/* Ends a paragraph that waits for the next one, which does not come. */
void story_settle(struct story *s);

/*
 * A table's row goes to the output as one line, or, with one cell, as its paragraphs; in a table
 * within a table it stays in the cell.
 */
void story_row_end(struct story *s, struct open_element *row);

/* Ends a cell, and the further columns that it spans. */
void story_cell_end(struct story *s, struct open_element *cell);

/* A text of its own beside the paragraph. */
void story_box_text(struct story *s, const char *p, size_t n);

/* A text box: what it interrupts waits until it ends. */
void story_box_begin(struct story *s);

/* Its end; it began when the buffer had `at` bytes. Its text follows the paragraph or the row. */
void story_box_end(struct story *s, size_t at);

/* Ends what the damage of a part left open. */
void story_end(struct story *s);

/* Reads a part. False: it is damaged, and what comes after the damage is missing. */
bool story_read(struct story *s, const char *part);

/* The rules of formulas (22.1), by name; NULL: there is none. */
const struct rule *math_rule(const char *name);

/* The rules of what is drawn (21, and VML). */
const struct rule *drawing_rule(const struct xml_element *e);

/* Before a formula's characters: keeps them apart from what they do not belong to. */
void math_text(struct story *s, const char *p, size_t n);

#endif
