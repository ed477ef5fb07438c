/* The lists of a DOCX and their counters (ECMA-376 part 1, 17.9). */
#include "extract/docx/docx.h"

#include <stdlib.h>
#include <string.h>

#include "extract/symbol.h"

#define BULLET 0x2022

/* w:numFmt; what is not here is written in decimal digits. */
static const struct {
	const char *name;
	enum number_format format;
} formats[] = {
	{ "none", NUMBER_NONE },
	{ "upperRoman", NUMBER_UPPER_ROMAN },
	{ "lowerRoman", NUMBER_LOWER_ROMAN },
	{ "upperLetter", NUMBER_UPPER_LETTER },
	{ "lowerLetter", NUMBER_LOWER_LETTER },
	{ "russianUpper", NUMBER_UPPER_RUSSIAN },
	{ "russianLower", NUMBER_LOWER_RUSSIAN },
	{ "ordinal", NUMBER_ORDINAL },
	{ "numberInDash", NUMBER_DASHES },
	{ "decimalEnclosedCircle", NUMBER_CIRCLE },
	{ "decimalEnclosedCircleChinese", NUMBER_CIRCLE },
	{ "decimalFullWidth", NUMBER_FULL_WIDTH },
	{ "decimalFullWidth2", NUMBER_FULL_WIDTH },
	{ "chineseCounting", NUMBER_CHINESE },
	{ "chineseCountingThousand", NUMBER_CHINESE },
	{ "taiwaneseCounting", NUMBER_CHINESE },
	{ "taiwaneseCountingThousand", NUMBER_CHINESE },
	{ "japaneseCounting", NUMBER_JAPANESE },
	{ "ideographDigital", NUMBER_IDEOGRAPHS },
	{ "japaneseDigitalTenThousand", NUMBER_IDEOGRAPHS },
	{ "taiwaneseDigital", NUMBER_IDEOGRAPHS },
};

static void
set_format(struct docx_level *l, const struct xml_element *e)
{
	struct bytes v = docx_text(e, "val"), custom = docx_text(e, "format");
	size_t i;

	l->bullet = bytes_are(v, "bullet");
	l->format = NUMBER_DECIMAL;
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (bytes_are(v, formats[i].name))
			l->format = formats[i].format;
	l->width = bytes_are(v, "decimalZero") ? 2 : 0;
	/* "001, 002, 003, ..." */
	if (bytes_are(v, "custom"))
		while (l->width < custom.n && custom.p[l->width] != ',')
			l->width++;
}

static void
level_begin(struct docx_level *l)
{
	*l = (struct docx_level){ .format = NUMBER_DECIMAL, .restart = -1 };
}

/* The level that an element names, or -1. */
static int32_t
level_of(const struct xml_element *e)
{
	int32_t level = docx_number(e, "ilvl", -1);

	return level >= 0 && level < DOCX_LEVELS ? level : -1;
}

static void
open_list(struct docx_numbering *n, const struct xml_element *e)
{
	struct docx_list *l;
	int i;

	if (n->n_lists == n->lists_room) {
		n->lists_room = n->lists_room * 2 + 16;
		n->lists = grow(n->lists, n->lists_room * sizeof(*n->lists));
	}
	l = &n->lists[n->n_lists++];
	*l = (struct docx_list){ .id = docx_number(e, "abstractNumId", -1) };
	for (i = 0; i < DOCX_LEVELS; i++)
		level_begin(&l->levels[i]);
	n->in_num = false;
	n->open = NULL; /* it may have been in the lists before they moved */
}

static void
open_num(struct docx_numbering *n, const struct xml_element *e)
{
	struct docx_num *m;
	int i;

	if (n->n_nums == n->nums_room) {
		n->nums_room = n->nums_room * 2 + 16;
		n->nums = grow(n->nums, n->nums_room * sizeof(*n->nums));
	}
	m = &n->nums[n->n_nums++];
	*m = (struct docx_num){ .id = docx_number(e, "numId", -1), .list = -1 };
	for (i = 0; i < DOCX_LEVELS; i++)
		m->start[i] = -1;
	n->in_num = true;
	n->open = NULL;
	n->changing = -1;
}

static void
open_level(struct docx_numbering *n, const struct xml_element *e)
{
	int32_t level = level_of(e);
	struct docx_level **change;

	n->open = NULL;
	if (level < 0)
		return;
	if (!n->in_num) {
		n->open = n->n_lists > 0 ? &n->lists[n->n_lists - 1].levels[level] : NULL;
		return;
	}
	change = &n->nums[n->n_nums - 1].levels[level];
	if (*change == NULL)
		*change = grow(NULL, sizeof(**change));
	level_begin(*change);
	n->open = *change;
}

/* A property of the level that is open. */
static void
set_level(struct docx_level *l, const struct xml_element *e)
{
	const char *s = e->name;

	if (strcmp(s, "start") == 0)
		l->start = docx_number(e, "val", 0);
	else if (strcmp(s, "numFmt") == 0)
		set_format(l, e);
	else if (strcmp(s, "lvlRestart") == 0)
		l->restart = docx_number(e, "val", -1);
	else if (strcmp(s, "isLgl") == 0)
		l->legal = docx_switch(e) == DOCX_ON;
	else if (strcmp(s, "lvlText") == 0)
		l->text = bytes_string(docx_text(e, "val"));
	else if (strcmp(s, "pStyle") == 0)
		l->style = bytes_string(docx_text(e, "val"));
	else if (strcmp(s, "rFonts") == 0)
		l->font = bytes_string(docx_text(e, "ascii"));
}

static void
numbering_on_start(void *arg, const struct xml_element *e)
{
	struct docx_numbering *n = arg;
	const char *s = e->name;

	if (e->ns != NS_WORD)
		return;
	if (strcmp(s, "abstractNum") == 0)
		open_list(n, e);
	else if (strcmp(s, "num") == 0)
		open_num(n, e);
	else if (strcmp(s, "lvl") == 0)
		open_level(n, e);
	else if (n->open != NULL)
		set_level(n->open, e);
	else if (strcmp(s, "numStyleLink") == 0 && !n->in_num && n->n_lists > 0)
		n->lists[n->n_lists - 1].link = bytes_string(docx_text(e, "val"));
	else if (!n->in_num)
		return;
	else if (strcmp(s, "abstractNumId") == 0)
		n->nums[n->n_nums - 1].list = docx_number(e, "val", -1);
	else if (strcmp(s, "lvlOverride") == 0)
		n->changing = level_of(e);
	else if (strcmp(s, "startOverride") == 0 && n->changing >= 0)
		n->nums[n->n_nums - 1].start[n->changing] = docx_number(e, "val", -1);
}

static void
numbering_on_end(void *arg, const struct xml_element *e)
{
	struct docx_numbering *n = arg;

	if (e->ns == NS_WORD && strcmp(e->name, "lvl") == 0)
		n->open = NULL;
}

static int
compare_lists(const void *a, const void *b)
{
	const struct docx_list *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int
compare_nums(const void *a, const void *b)
{
	const struct docx_num *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

bool
docx_numbering_read(struct docx_numbering *n, struct package *p, const char *part)
{
	static const struct xml_events events = { .start = numbering_on_start,
		.end = numbering_on_end };
	bool whole = package_xml_whole(p, part, &events, n);

	if (n->n_lists > 0)
		qsort(n->lists, n->n_lists, sizeof(*n->lists), compare_lists);
	if (n->n_nums > 0)
		qsort(n->nums, n->n_nums, sizeof(*n->nums), compare_nums);
	return whole;
}

static struct docx_num *
find_num(const struct docx_numbering *n, int32_t id)
{
	struct docx_num key = { .id = id };

	return n->n_nums > 0 ? bsearch(&key, n->nums, n->n_nums, sizeof(key), compare_nums) : NULL;
}

static struct docx_list *
find_list(const struct docx_numbering *n, int32_t id)
{
	struct docx_list key = { .id = id };

	return n->n_lists > 0 ? bsearch(&key, n->lists, n->n_lists, sizeof(key), compare_lists)
			      : NULL;
}

/* The list that a num uses, where need be by way of a numbering style. */
static struct docx_list *
list_of(const struct docx_numbering *n, const struct docx_num *m)
{
	struct docx_list *l = find_list(n, m->list);
	const struct docx_style *style;

	if (l == NULL || l->link == NULL)
		return l;
	style = docx_style_find(
	    n->styles, (struct bytes){ (const unsigned char *)l->link, strlen(l->link) });
	m = style != NULL ? find_num(n, style->list) : NULL;
	return m != NULL ? find_list(n, m->list) : NULL;
}

static const struct docx_level *
level_at(const struct docx_list *l, const struct docx_num *m, int32_t level)
{
	return m->levels[level] != NULL ? m->levels[level] : &l->levels[level];
}

/* The first number of a level, or the one that the num gives it. */
static void
begin(struct docx_list *l, struct docx_num *m, int32_t level)
{
	l->begun[level] = true;
	l->count[level] = level_at(l, m, level)->start;
	if (m->start[level] >= 0)
		l->count[level] = m->start[level];
	m->used[level] = true;
}

/*
 * Counts a paragraph. Levels above it that have none yet are counted as if they had, as Word does:
 * "1.1", and then "2". Levels below it begin anew where it says so.
 */
static void
count(struct docx_list *l, struct docx_num *m, int32_t level)
{
	int32_t i;

	for (i = 0; i < level; i++)
		if (!l->begun[i])
			begin(l, m, i);
	if (!l->begun[level] || (m->start[level] >= 0 && !m->used[level]))
		begin(l, m, level);
	else if (l->count[level] < INT32_MAX)
		l->count[level]++;
	for (i = level + 1; i < DOCX_LEVELS; i++) {
		int32_t restart = level_at(l, m, i)->restart;

		if (level < (restart < 0 ? i : restart))
			l->begun[i] = false;
	}
}

struct label {
	char *p; /* DOCX_LABEL_MAX bytes, n of them used */
	size_t n;
};

/* A piece that does not fit is left out. */
static void
add(struct label *to, const char *s, size_t n)
{
	if (to->n + n > DOCX_LABEL_MAX)
		return;
	memcpy(to->p + to->n, s, n);
	to->n += n;
}

/* The number of a level as it is in a label of level `of`. */
static void
add_number(struct label *to, const struct docx_list *l, const struct docx_num *m, int32_t level,
    int32_t of)
{
	const struct docx_level *f = level_at(l, m, level);
	int32_t n = l->count[level];
	char number[NUMBER_MAX];

	if (level > of || n < 0)
		return;
	add(to, number,
	    number_put(
		level_at(l, m, of)->legal && f->format != NUMBER_NONE ? NUMBER_DECIMAL : f->format,
		(uint32_t)n, f->width, number));
}

/* A bullet as text: what is a letter only in its font, or nothing without it, is a plain one. */
static void
add_bullet(struct label *to, const struct docx_level *l)
{
	struct bytes font = { (const unsigned char *)l->font, 0 };
	uint32_t c = 0, known;
	char b[4];

	if (utf8_get((const unsigned char *)l->text, strlen(l->text), &c) == 0)
		return;
	font.n = l->font != NULL ? strlen(l->font) : 0;
	known = symbol_unicode(font, c);
	if (known != 0)
		c = known;
	else if ((c >= 0xE000 && c <= 0xF8FF) || (c < 0x80 && strchr("-*+>", (int)c) == NULL))
		c = BULLET;
	add(to, b, utf8_put(c, b));
}

static void
add_text(struct label *to, const struct docx_list *l, const struct docx_num *m, int32_t level)
{
	const char *s = level_at(l, m, level)->text;
	size_t used;
	uint32_t c;

	for (; *s != '\0'; s += used) {
		used = 2;
		if (s[0] == '%' && s[1] >= '1' && s[1] <= '9')
			add_number(to, l, m, s[1] - '1', level);
		else if ((used = utf8_get((const unsigned char *)s, strlen(s), &c)) > 0)
			add(to, s, used);
		else
			used = 1;
	}
}

size_t
docx_label(struct docx_numbering *n, int32_t num, int32_t level, const char *style,
    char to[DOCX_LABEL_MAX])
{
	struct label label = { .p = to };
	struct docx_num *m = find_num(n, num);
	struct docx_list *l = m != NULL ? list_of(n, m) : NULL;
	const struct docx_level *at;
	int32_t i;

	if (l == NULL)
		return 0;
	level = level < 0 ? 0 : level >= DOCX_LEVELS ? DOCX_LEVELS - 1 : level;
	for (i = 0; style != NULL && i < DOCX_LEVELS; i++)
		if (level_at(l, m, i)->style != NULL &&
		    strcmp(level_at(l, m, i)->style, style) == 0)
			level = i;
	count(l, m, level);
	at = level_at(l, m, level);
	if (at->text == NULL || at->text[0] == '\0')
		return 0;
	if (at->bullet)
		add_bullet(&label, at);
	else
		add_text(&label, l, m, level);
	if (label.n > 0 && to[label.n - 1] != ' ')
		add(&label, " ", 1);
	return label.n;
}
