/* What the elements of a DOCX's story mean (ECMA-376 part 1, 17.3, 17.13, 17.16). */
#include <stdlib.h>
#include <string.h>

#include "extract/docx/docx_story.h"
#include "extract/symbol.h"

static const char box_empty[] = "☐", box_ticked[] = "☒";

static struct open_element *
above(struct story *s, int up)
{
	static struct open_element none;

	return s->depth > up ? &s->open[s->depth - up] : &none;
}

bool
story_inside(const struct story *s, int up, const char *name)
{
	const struct rule *rule = s->depth > up ? s->open[s->depth - up].rule : NULL;

	return rule != NULL && strcmp(rule->name, name) == 0;
}

static void
start_skip(struct story *s, const struct xml_element *e)
{
	(void)e;
	s->skip = s->depth;
}

static void
start_paragraph(struct story *s, const struct xml_element *e)
{
	(void)e;
	story_paragraph_begin(s);
}

static void
start_paragraph_style(struct story *s, const struct xml_element *e)
{
	if (story_inside(s, 1, "pPr"))
		s->place.paragraph.style = docx_style_find(&s->docx->styles, docx_text(e, "val"));
}

static void
start_list(struct story *s, const struct xml_element *e)
{
	s->place.paragraph.list = docx_number(e, "val", -1);
}

static void
start_level(struct story *s, const struct xml_element *e)
{
	s->place.paragraph.level = docx_number(e, "val", -1);
}

static void
start_run(struct story *s, const struct xml_element *e)
{
	(void)e;
	s->place.run = (struct run){ 0 };
}

static void
start_run_style(struct story *s, const struct xml_element *e)
{
	if (story_inside(s, 2, "r"))
		s->place.run.style = docx_style_find(&s->docx->styles, docx_text(e, "val"));
}

static void
start_fonts(struct story *s, const struct xml_element *e)
{
	struct bytes font = docx_text(e, "hAnsi");

	if (font.p == NULL)
		font = docx_text(e, "ascii");
	if (!story_inside(s, 2, "r") || font.p == NULL || font.n >= STORY_FONT_MAX)
		return;
	memcpy(s->place.run.font, font.p, font.n);
	s->place.run.font[font.n] = '\0';
}

/* w:vanish, and w:specVanish, which is for paragraph marks alone. */
static void
start_hidden(struct story *s, const struct xml_element *e)
{
	if (story_inside(s, 2, "r"))
		s->place.run.hidden = docx_switch(e);
	else if (story_inside(s, 2, "pPr"))
		s->place.paragraph.hidden = docx_switch(e);
}

/* w:del and w:moveFrom: of a paragraph's mark, of a row, or around what is gone. */
static void
start_deleted(struct story *s, const struct xml_element *e)
{
	if (story_inside(s, 1, "rPr"))
		s->place.paragraph.deleted |= story_inside(s, 2, "pPr");
	else if (story_inside(s, 1, "trPr"))
		above(s, 2)->deleted = true;
	else
		start_skip(s, e);
}

/* w:cellDel of a cell, w:hidden of a row. */
static void
start_deleted_part(struct story *s, const struct xml_element *e)
{
	if (docx_switch(e) == DOCX_ON && (story_inside(s, 1, "tcPr") || story_inside(s, 1, "trPr")))
		above(s, 2)->deleted = true;
}

/* The columns that a cell covers; those after the first are empty. */
static void
start_span(struct story *s, const struct xml_element *e)
{
	int32_t n = docx_number(e, "val", 1);

	if (story_inside(s, 1, "tcPr") && n > 1 && n <= STORY_COLUMNS_MAX)
		above(s, 2)->n = (unsigned)n - 1;
}

static void
start_text(struct story *s, const struct xml_element *e)
{
	(void)e;
	s->text = story_visible(s);
}

static void
end_text(struct story *s)
{
	s->text = false;
}

/* In a run; in a list of tab stops it is none. */
static void
start_tab(struct story *s, const struct xml_element *e)
{
	(void)e;
	if (story_inside(s, 1, "r") && story_visible(s))
		story_put(s, &(char){ s->place.tables > 0 ? STORY_TAB : '\t' }, 1);
}

static void
start_break(struct story *s, const struct xml_element *e)
{
	(void)e;
	if (story_visible(s))
		story_put(s, "\n", 1);
}

static void
start_hyphen(struct story *s, const struct xml_element *e)
{
	(void)e;
	if (story_visible(s))
		story_put(s, "-", 1);
}

/* A character of a symbol font, as what it looks like. */
static void
put_symbol(struct story *s, struct bytes font, uint32_t c)
{
	uint32_t known = symbol_unicode(font, c);

	if (known == 0 && c > ' ' && c < 0x110000 && (c < 0xD800 || c > 0xF8FF))
		known = c;
	if (known != 0)
		story_put_char(s, known);
	else
		out_notice(s->docx->out,
		    "Symbols of the font “%.*s” that stand for no character are left out.",
		    (int)(font.n < 60 ? font.n : 60), font.p != NULL ? (const char *)font.p : "");
}

static void
start_symbol(struct story *s, const struct xml_element *e)
{
	struct bytes digits = docx_text(e, "char");
	char hex[9] = { 0 };

	if (!story_visible(s) || digits.n == 0 || digits.n >= sizeof(hex))
		return;
	memcpy(hex, digits.p, digits.n);
	put_symbol(s, docx_text(e, "font"), (uint32_t)strtoul(hex, NULL, 16));
}

static void
start_table(struct story *s, const struct xml_element *e)
{
	(void)e;
	story_settle(s);
	s->place.tables++;
}

static void
end_table(struct story *s)
{
	if (s->place.tables > 0)
		s->place.tables--;
}

static void
end_row(struct story *s)
{
	story_row_end(s, above(s, 0));
}

static void
end_cell(struct story *s)
{
	if (story_inside(s, 1, "tr") && !above(s, 0)->deleted)
		above(s, 1)->n++;
	story_cell_end(s, above(s, 0));
}

/* A text box of a hidden run is hidden with it. */
static void
start_box(struct story *s, const struct xml_element *e)
{
	if (story_visible(s))
		story_box_begin(s);
	else
		start_skip(s, e);
}

static void
end_box(struct story *s)
{
	story_box_end(s, above(s, 0)->at);
}

/* A form's field without a result of its own shows what is chosen in it. */
static void
end_field(struct fields *f, struct story *s)
{
	if (f->n == 0)
		return;
	f->n--;
	f->code >>= 1;
	if (f->choice[0] != '\0' && s->len == f->choice_at && story_visible(s))
		story_put(s, f->choice, strlen(f->choice));
	f->choice[0] = '\0';
}

static void
start_field(struct story *s, const struct xml_element *e)
{
	struct fields *f = &s->fields;
	struct bytes type = docx_text(e, "fldCharType");

	if (bytes_are(type, "begin")) {
		f->n++;
		f->code = f->code << 1 | 1;
		f->choice[0] = '\0';
		f->choice_at = s->len;
	} else if (bytes_are(type, "separate")) {
		f->code &= ~(uint64_t)1;
	} else if (bytes_are(type, "end")) {
		end_field(f, s);
	}
}

static void
start_check_box(struct story *s, const struct xml_element *e)
{
	(void)e;
	memcpy(s->fields.choice, box_empty, sizeof(box_empty));
}

static void
start_entries(struct story *s, const struct xml_element *e)
{
	(void)e;
	s->fields.entry = 0;
	s->fields.chosen = -1;
}

/* Of a box: what it is without, and with, a user's choice. */
static void
start_checked(struct story *s, const struct xml_element *e)
{
	if (story_inside(s, 1, "checkBox"))
		memcpy(s->fields.choice, docx_switch(e) == DOCX_ON ? box_ticked : box_empty,
		    sizeof(box_empty));
	else if (story_inside(s, 1, "ddList") && s->fields.chosen < 0)
		s->fields.chosen = docx_number(e, "val", -1);
}

static void
start_entry(struct story *s, const struct xml_element *e)
{
	struct fields *f = &s->fields;
	struct bytes v = docx_text(e, "val");

	if (f->entry++ != (f->chosen < 0 ? 0 : f->chosen) || v.n >= sizeof(f->choice))
		return;
	if (v.n > 0)
		memcpy(f->choice, v.p, v.n);
	f->choice[v.n] = '\0';
}

static void
start_section(struct story *s, const struct xml_element *e)
{
	(void)e;
	s->section.title = false;
}

/* w:headerReference, w:footerReference. A section without one has that of the section before. */
static void
start_reference(struct story *s, const struct xml_element *e)
{
	struct bytes type = docx_text(e, "type");
	int page = bytes_are(type, "first") ? 1 : bytes_are(type, "even") ? 2 : 0;
	int kind = strcmp(e->name, "footerReference") == 0;

	s->section.parts[kind][page] =
	    relation_by_id(&s->docx->related, xml_attr(e, NS_RELATION, "id"));
}

static void
start_title(struct story *s, const struct xml_element *e)
{
	s->section.title = docx_switch(e) == DOCX_ON;
}

static void
end_section(struct story *s)
{
	struct docx *d = s->docx;
	int kind, page;

	for (kind = 0; kind < 2; kind++) {
		for (page = 0; page < 3; page++) {
			const struct relation *r = s->section.parts[kind][page];

			if (r == NULL || r->external || (page == 1 && !s->section.title) ||
			    (page == 2 && !d->even) || d->is_shown[kind][r - d->related.p])
				continue;
			d->is_shown[kind][r - d->related.p] = true;
			d->shown[kind][d->n_shown[kind]++] = r;
		}
	}
}

/* w:altChunk: a document of another format that is to be read in its place. */
static void
start_chunk(struct story *s, const struct xml_element *e)
{
	struct docx *d = s->docx;
	const struct relation *r = relation_by_id(&d->related, xml_attr(e, NS_RELATION, "id"));
	const char *dot = r != NULL ? strrchr(r->target, '.') : NULL;
	enum kind k = dot != NULL ? kind_claimed(dot) : KIND_UNKNOWN;
	struct bytes part;

	story_settle(s);
	if (r == NULL || r->external || (k != KIND_HTML && k != KIND_TXT)) {
		out_notice(d->out, "A part of the document is stored in another format "
				   "and is not read.");
		return;
	}
	part = package_part(&d->package, r->target, EXTRACT_OUTPUT_MAX);
	if (part.n > 0 && k == KIND_HTML)
		html_read(part, d->out);
	else if (part.n > 0)
		text_read(part, d->out);
}

static void
start_comment(struct story *s, const struct xml_element *e)
{
	s->author = bytes_string(docx_text(e, "author"));
	s->hold = true;
}

/* Each comment stands for itself, its author before it. */
static void
end_comment(struct story *s)
{
	struct out *o = s->docx->out;
	size_t at, n, start = s->len;

	story_settle(s);
	s->hold = false;
	out_section(o, "comment");
	for (at = 0; at < s->held.len; at += n + 1) {
		n = strlen(s->held.p + at);
		if (at == 0 && s->author[0] != '\0') {
			story_put(s, s->author, strlen(s->author));
			story_put(s, ": ", 2);
		}
		story_put(s, s->held.p + at, n);
		out_paragraph(o, s->p + start, s->len - start);
		story_cut(s, start);
	}
	s->held.len = 0;
	free(s->author);
	s->author = NULL;
}

static const struct rule rules[] = {
	{ "altChunk", start_chunk, NULL },
	{ "br", start_break, NULL },
	{ "cellDel", start_deleted_part, NULL },
	{ "checkBox", start_check_box, NULL },
	{ "checked", start_checked, NULL },
	{ "comment", start_comment, end_comment },
	{ "cr", start_break, NULL },
	{ "ddList", start_entries, NULL },
	{ "default", start_checked, NULL },
	{ "del", start_deleted, NULL },
	{ "fldChar", start_field, NULL },
	{ "footerReference", start_reference, NULL },
	{ "gridSpan", start_span, NULL },
	{ "headerReference", start_reference, NULL },
	{ "hidden", start_deleted_part, NULL },
	{ "ilvl", start_level, NULL },
	{ "listEntry", start_entry, NULL },
	{ "moveFrom", start_deleted, NULL },
	{ "noBreakHyphen", start_hyphen, NULL },
	{ "numId", start_list, NULL },
	{ "numberingChange", start_skip, NULL },
	{ "p", start_paragraph, story_paragraph_end },
	{ "pPr", NULL, story_paragraph_properties },
	{ "pPrChange", start_skip, NULL },
	{ "pStyle", start_paragraph_style, NULL },
	{ "ptab", start_tab, NULL },
	{ "r", start_run, NULL },
	{ "rFonts", start_fonts, NULL },
	{ "rPr", NULL, NULL },
	{ "rPrChange", start_skip, NULL },
	{ "rStyle", start_run_style, NULL },
	{ "result", start_checked, NULL },
	{ "rt", start_skip, NULL },
	{ "sectPr", start_section, end_section },
	{ "sectPrChange", start_skip, NULL },
	{ "specVanish", start_hidden, NULL },
	{ "sym", start_symbol, NULL },
	{ "t", start_text, end_text },
	{ "tab", start_tab, NULL },
	{ "tbl", start_table, end_table },
	{ "tblPrChange", start_skip, NULL },
	{ "tc", NULL, end_cell },
	{ "tcPr", NULL, NULL },
	{ "tcPrChange", start_skip, NULL },
	{ "titlePg", start_title, NULL },
	{ "tr", NULL, end_row },
	{ "trPr", NULL, NULL },
	{ "trPrChange", start_skip, NULL },
	{ "txbxContent", start_box, end_box },
	{ "vanish", start_hidden, NULL },
};

static int
compare_name(const void *name, const void *rule)
{
	return strcmp(name, ((const struct rule *)rule)->name);
}

static const struct rule *
rule_of(const struct xml_element *e)
{
	if (e->ns == NS_WORD)
		return bsearch(e->name, rules, sizeof(rules) / sizeof(rules[0]), sizeof(rules[0]),
		    compare_name);
	return e->ns == NS_MATH ? math_rule(e->name) : drawing_rule(e);
}

static void
docx_on_start(void *arg, const struct xml_element *e)
{
	struct story *s = arg;
	struct open_element *o = &s->open[++s->depth];

	*o = (struct open_element){ .at = s->len };
	if (s->skip > 0)
		return;
	o->rule = rule_of(e);
	if (o->rule != NULL && o->rule->start != NULL)
		o->rule->start(s, e);
}

static void
docx_on_end(void *arg, const struct xml_element *e)
{
	struct story *s = arg;
	const struct rule *rule = s->open[s->depth].rule;

	(void)e;
	if (s->skip == 0 && rule != NULL && rule->end != NULL)
		rule->end(s);
	if (s->skip == s->depth)
		s->skip = 0;
	s->depth--;
}

/*
 * A line's end within a text is a space. Characters of a symbol font are U+F000 to U+F0FF, which
 * begin with the byte EF.
 */
static void
put_text(struct story *s, const char *p, size_t n)
{
	struct bytes font = { (const unsigned char *)s->place.run.font, strlen(s->place.run.font) };
	size_t i, used;
	uint32_t c;

	if (font.n == 0)
		font = (struct bytes){ (const unsigned char *)"Symbol", 6 };
	for (i = 0; i < n; i += used) {
		if ((used = utf8_get((const unsigned char *)p + i, n - i, &c)) == 0)
			used = 1;
		if (used == 3 && c >= 0xF000 && c <= 0xF0FF)
			put_symbol(s, font, c);
		else if (p[i] == '\n' || p[i] == '\r')
			story_put(s, " ", 1);
		else
			story_put(s, p + i, used);
	}
}

static void
docx_on_text(void *arg, const char *p, size_t n)
{
	struct story *s = arg;

	if (!s->text || s->skip > 0)
		return;
	if (s->gap)
		math_text(s, p, n);
	if (memchr(p, '\n', n) == NULL && memchr(p, '\r', n) == NULL && memchr(p, 0xEF, n) == NULL)
		story_put(s, p, n);
	else
		put_text(s, p, n);
}

bool
story_read(struct story *s, const char *part)
{
	static const struct xml_events events = { docx_on_start, docx_on_end, docx_on_text };
	bool whole;

	s->depth = s->skip = 0;
	s->text = s->gap = false;
	s->fields = (struct fields){ 0 };
	s->place = (struct place){ 0 };
	whole = package_xml_whole(&s->docx->package, part, &events, s);
	story_end(s);
	if (s->author != NULL)
		end_comment(s);
	return whole;
}
