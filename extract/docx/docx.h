/*
 * Inside of the DOCX reader (ECMA-376 part 1, 17): what its files share. The entry is docx_read()
 * of extract.h. Everything lives as long as the worker.
 */
#ifndef MILLRACE_EXTRACT_DOCX_H
#define MILLRACE_EXTRACT_DOCX_H

#include "extract/number.h"
#include "extract/out.h"
#include "extract/package/package.h"

#define DOCX_LEVELS 9 /* of a list */
#define DOCX_LABEL_MAX 256 /* bytes of a paragraph's number with all around it */

/* Yes, no, or as inherited. */
enum docx_switch { DOCX_UNSET, DOCX_OFF, DOCX_ON };

/* An element's w:val as a switch (17.17.4); DOCX_ON where it has none. */
enum docx_switch docx_switch(const struct xml_element *e);

/* An attribute of w: as a number; `otherwise` where it is missing, or no number within int32_t. */
int32_t docx_number(const struct xml_element *e, const char *attribute, int32_t otherwise);

/* An attribute of w: as text, valid during the event; {NULL, 0} where it is missing. */
struct bytes docx_text(const struct xml_element *e, const char *attribute);

/* A style, with what it inherits. */
struct docx_style {
	const char *id;
	const char *based; /* the id of the style that it is based on, or NULL */
	int32_t list; /* w:numId; -1: none is named, 0: none */
	int32_t level; /* -1: none is named */
	enum docx_switch hidden; /* w:vanish */
	bool whole; /* what it inherits has been filled in */
};

struct docx_styles {
	struct docx_style *p; /* sorted by id */
	size_t n, room;
	const char *normal; /* the id of the default paragraph style, or NULL */
	struct docx_style *open; /* being read */
};

/* Reads the styles of a part (w:styles, 17.7.4.18). False: as of docx_numbering_read(). */
bool docx_styles_read(struct docx_styles *s, struct package *p, const char *part);

/* NULL: there is none of this id. */
const struct docx_style *docx_style_find(struct docx_styles *s, struct bytes id);

/* How a level of a list is numbered. */
struct docx_level {
	enum number_format format;
	bool bullet;
	unsigned width; /* of decimal numbers, at least */
	int32_t start;
	int32_t restart; /* after a paragraph of a level less than this; -1: than its own */
	bool legal; /* all numbers of the label in decimal */
	char *text; /* "%1.%2", or NULL */
	char *style; /* the paragraph style that is on this level, or NULL */
	char *font; /* of a bullet, or NULL */
};

/* An abstractNum: the levels, and how far the counting is. */
struct docx_list {
	int32_t id;
	char *link; /* the numbering style that has the levels, or NULL */
	struct docx_level levels[DOCX_LEVELS];
	int32_t count[DOCX_LEVELS];
	bool begun[DOCX_LEVELS];
};

/* A num: a use of a list, with its own changes. */
struct docx_num {
	int32_t id;
	int32_t list;
	int32_t start[DOCX_LEVELS]; /* -1: the list's */
	struct docx_level *levels[DOCX_LEVELS]; /* NULL: the list's */
	bool used[DOCX_LEVELS]; /* its own start has been taken */
};

struct docx_numbering {
	struct docx_list *lists; /* sorted by id, as nums is */
	size_t n_lists, lists_room;
	struct docx_num *nums;
	size_t n_nums, nums_room;
	struct docx_styles *styles;
	struct docx_level *open; /* being read */
	int32_t changing; /* the level that the open num changes, or -1 */
	bool in_num;
};

/*
 * Reads the lists of a part (w:numbering, 17.9.16) into *n, whose `styles` are set. False: the part
 * is damaged, and what comes after the damage is missing.
 */
bool docx_numbering_read(struct docx_numbering *n, struct package *p, const char *part);

/*
 * Counts one paragraph of the list `num` at a level, or, where `style` is not NULL, at the level
 * that this style has there, and writes its label; returns its length. A space is behind it also
 * where the document has none (w:suff), since "1.Word" would be one word.
 */
size_t docx_label(struct docx_numbering *n, int32_t num, int32_t level, const char *style,
    char to[DOCX_LABEL_MAX]);

#endif
