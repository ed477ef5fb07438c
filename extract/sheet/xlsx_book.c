/* A workbook's styles and shared strings. */
#include <stdlib.h>
#include <string.h>

#include "extract/sheet/xlsx.h"

#define STRINGS_MAX ((size_t)UINT32_MAX) /* bytes of all */

/* A number format that the workbook defines (18.8.30). */
struct own_format {
	unsigned long id;
	struct format *format; /* stays where it is: cells' styles point to it */
};

struct styles_read {
	struct xlsx *x;
	struct own_format *own; /* by id, once the cells' styles begin */
	size_t n_own, own_room;
	size_t room; /* of x->styles */
	bool formats, cells; /* in numFmts; in cellXfs */
};

static unsigned long
number(struct bytes b)
{
	unsigned long v = 0;
	size_t i;

	for (i = 0; i < b.n && b.p[i] >= '0' && b.p[i] <= '9' && v < 1000000000ul; i++)
		v = v * 10 + (b.p[i] - (unsigned)'0');
	return v;
}

static int
by_id(const void *a, const void *b)
{
	unsigned long x = ((const struct own_format *)a)->id;
	unsigned long y = ((const struct own_format *)b)->id;

	return x < y ? -1 : x > y;
}

static struct format
parse_code(const char *code)
{
	return format_parse((struct bytes){ (const unsigned char *)code, strlen(code) });
}

/* The format of a number: the workbook's own, or one that all know. */
static const struct format *
find_format(const struct styles_read *s, unsigned long id)
{
	static struct format builtin[165];
	struct own_format key = { .id = id }, *own = NULL;

	if (s->n_own > 0)
		own = bsearch(&key, s->own, s->n_own, sizeof(*s->own), by_id);
	if (own != NULL)
		return own->format;
	if (id >= sizeof(builtin) / sizeof(builtin[0]))
		id = 0;
	if (builtin[id].n == 0)
		builtin[id] = parse_code(format_builtin(id));
	return &builtin[id];
}

static void
add_format(struct styles_read *s, const struct xml_element *e)
{
	char *code = bytes_string(xml_attr(e, NS_NONE, "formatCode"));
	struct own_format *own;

	if (s->n_own == s->own_room) {
		s->own_room = s->own_room * 2 + 64;
		s->own = grow(s->own, s->own_room * sizeof(*s->own));
	}
	own = &s->own[s->n_own++];
	own->id = number(xml_attr(e, NS_NONE, "numFmtId"));
	own->format = grow(NULL, sizeof(*own->format));
	*own->format = parse_code(code);
}

static bool
is_true(struct bytes b)
{
	return bytes_are(b, "1") || bytes_are(b, "true") || bytes_are(b, "on");
}

static void
add_style(struct styles_read *s, const struct xml_element *e)
{
	struct xlsx *x = s->x;

	if (x->n_styles == s->room) {
		s->room = s->room * 2 + 64;
		x->styles = grow(x->styles, s->room * sizeof(*x->styles));
	}
	x->styles[x->n_styles++] = (struct style){
		find_format(s, number(xml_attr(e, NS_NONE, "numFmtId"))),
		is_true(xml_attr(e, NS_NONE, "quotePrefix")),
	};
}

static void
on_style(void *arg, const struct xml_element *e)
{
	struct styles_read *s = arg;

	if (e->ns != NS_SHEET)
		return;
	if (strcmp(e->name, "numFmts") == 0) {
		s->formats = true;
	} else if (strcmp(e->name, "cellXfs") == 0) {
		s->cells = true;
		if (s->n_own > 0)
			qsort(s->own, s->n_own, sizeof(*s->own), by_id);
	} else if (s->formats && strcmp(e->name, "numFmt") == 0) {
		add_format(s, e);
	} else if (s->cells && strcmp(e->name, "xf") == 0) {
		add_style(s, e);
	}
}

static void
on_style_end(void *arg, const struct xml_element *e)
{
	struct styles_read *s = arg;

	if (e->ns == NS_SHEET && strcmp(e->name, "numFmts") == 0)
		s->formats = false;
	else if (e->ns == NS_SHEET && strcmp(e->name, "cellXfs") == 0)
		s->cells = false;
}

void
xlsx_styles(struct xlsx *x, const char *part)
{
	static const struct xml_events events = { on_style, on_style_end, NULL };
	struct styles_read s = { .x = x };

	if (part != NULL)
		package_xml(&x->package, part, &events, &s);
	/* A style that is not there is the first one, and without that a number as it is. */
	if (x->n_styles == 0) {
		x->styles = grow(NULL, sizeof(*x->styles));
		x->styles[x->n_styles++] = (struct style){ find_format(&s, 0), false };
	}
}

static unsigned
hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - (unsigned)'0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

/* The character of an escape of seven bytes; 0: it is none. */
static uint32_t
escaped(const char *p)
{
	uint32_t c = 0, i;

	if (p[0] != '_' || p[1] != 'x' || p[6] != '_')
		return 0;
	for (i = 2; i < 6; i++) {
		if (hex((unsigned char)p[i]) > 15)
			return 0;
		c = c << 4 | hex((unsigned char)p[i]);
	}
	return c >= 0xD800 && c < 0xE000 ? 0 : c;
}

size_t
xlsx_unescape(char *p, size_t n)
{
	size_t i, len = 0;
	uint32_t c;

	if (memmem(p, n, "_x", 2) == NULL)
		return n;
	for (i = 0; i < n; i++) {
		if (n - i >= 7 && (c = escaped(p + i)) != 0) {
			i += 6;
			/* A line ends with \n alone. */
			if (c == '\r' && i + 1 < n && p[i + 1] == '\n')
				continue;
			len += utf8_put(c == '\r' ? '\n' : c, p + len);
		} else {
			p[len++] = p[i];
		}
	}
	return len;
}

struct strings_read {
	struct strings *to;
	size_t start; /* of the string that is read */
	bool text; /* in t */
	int reading; /* depth of rPh, which is how a word is pronounced */
};

static bool
is_reading(const struct xml_element *e)
{
	return e->ns == NS_SHEET && strcmp(e->name, "rPh") == 0;
}

static void
on_string(void *arg, const struct xml_element *e)
{
	struct strings_read *s = arg;

	if (is_reading(e))
		s->reading++;
	else if (e->ns == NS_SHEET && strcmp(e->name, "si") == 0)
		s->start = s->to->len;
	else if (e->ns == NS_SHEET && strcmp(e->name, "t") == 0)
		s->text = s->reading == 0;
}

static void
on_string_end(void *arg, const struct xml_element *e)
{
	struct strings_read *s = arg;
	struct strings *to = s->to;

	if (is_reading(e) && s->reading > 0)
		s->reading--;
	if (e->ns != NS_SHEET)
		return;
	if (strcmp(e->name, "t") == 0)
		s->text = false;
	if (strcmp(e->name, "si") != 0)
		return;
	if (to->len > s->start)
		to->len = s->start + xlsx_unescape(to->text + s->start, to->len - s->start);
	if (to->n == to->room) {
		to->room = to->room * 2 + 1024;
		to->ends = grow(to->ends, to->room * sizeof(*to->ends));
	}
	to->ends[to->n++] = (uint32_t)to->len;
}

static void
on_string_text(void *arg, const char *p, size_t n)
{
	struct strings_read *s = arg;
	struct strings *to = s->to;

	if (!s->text)
		return;
	if (to->len + n > to->cap) {
		if (to->len + n > STRINGS_MAX / 2)
			fail("The file holds too much text, which is refused.");
		to->cap = (to->len + n) * 2 + 65536;
		to->text = grow(to->text, to->cap);
	}
	memcpy(to->text + to->len, p, n);
	to->len += n;
}

void
xlsx_strings(struct xlsx *x, const char *part)
{
	static const struct xml_events events = { on_string, on_string_end, on_string_text };
	struct strings_read s = { .to = &x->strings };

	if (part != NULL)
		package_xml(&x->package, part, &events, &s);
}
