/* What pdftotext -bbox writes of a page: lines of <word xMin="" yMin="" xMax="" yMax="">, escaped.
 */
#include <string.h>

#include "extract/out.h"
#include "extract/pdf/pdf.h"

void
pdf_put(struct pdf_text *t, const char *p, size_t n)
{
	if (n > t->cap - t->len) {
		t->cap = (t->len + n) * 2 + 4096;
		t->p = grow(t->p, t->cap);
	}
	memcpy(t->p + t->len, p, n);
	t->len += n;
}

int
pdf_by_seq(const void *a, const void *b)
{
	const struct pdf_word *v = a, *w = b;

	return v->seq < w->seq ? -1 : v->seq > w->seq;
}

/* One character of XML text; returns its bytes in *used. */
static uint32_t
character(const char *p, size_t n, size_t *used)
{
	static const struct {
		const char *name;
		char c;
	} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' },
		{ "&apos;", '\'' } };
	uint32_t c;
	size_t i, len;

	for (i = 0; *p == '&' && i < sizeof(entities) / sizeof(entities[0]); i++) {
		len = strlen(entities[i].name);
		if (n >= len && memcmp(p, entities[i].name, len) == 0) {
			*used = len;
			return (unsigned char)entities[i].c;
		}
	}
	*used = utf8_get((const unsigned char *)p, n, &c);
	if (*used != 0)
		return c;
	*used = 1;
	return 0xFFFD;
}

/* Marks of direction (UAX 9, 2), which would be of no use in logical order. */
static bool
is_direction_mark(uint32_t c)
{
	return c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static bool
is_private(uint32_t c)
{
	return c >= 0xE000 && c <= 0xF8FF;
}

/* How many of the n bytes at p are characters of ASCII that stand for themselves. */
static size_t
plain(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= ' ' && p[i] < 0x7F && p[i] != '&')
		i++;
	return i;
}

/*
 * A font that does not say which character a glyph is gives its number, often a control character,
 * or one for private use. A bullet of a symbol font is that too, and alone.
 */
static void
put_word(struct pdf_page *page, struct pdf_word *w, const char *p, size_t n)
{
	size_t used, n_private = 0;
	uint32_t c;
	char b[4];

	w->at = page->text.len;
	w->n_chars = 0;
	for (; n > 0; p += used, n -= used) {
		if ((used = plain(p, n)) > 0) {
			pdf_put(&page->text, p, used);
			w->n_chars += (unsigned)used;
			continue;
		}
		c = character(p, n, &used);
		if (is_direction_mark(c))
			continue;
		if (c < ' ' || (c >= 0x7F && c < 0xA0))
			c = 0xFFFD;
		page->unreadable |= c == 0xFFFD;
		n_private += is_private(c);
		pdf_put(&page->text, b, utf8_put(c, b));
		w->n_chars++;
	}
	page->unreadable |= n_private > 0 && w->n_chars > 1;
	w->n = (unsigned)(page->text.len - w->at);
}

/* A number as %f prints it, and a quote behind it; moves *p past both. False for anything else. */
static bool
read_number(const char **p, float *to)
{
	const char *at = *p;
	bool negative = *at == '-';
	uint64_t digits = 0, unit = 1;
	double value;

	at += negative;
	for (; *at >= '0' && *at <= '9' && digits < 1000000; at++)
		digits = digits * 10 + (uint64_t)(*at - '0');
	if (*at++ != '.')
		return false;
	for (; *at >= '0' && *at <= '9' && unit < 1000000000; at++, unit *= 10)
		digits = digits * 10 + (uint64_t)(*at - '0');
	value = (double)digits / (double)unit;
	*to = (float)(negative ? -value : value);
	*p = at + 1;
	return *at == '"';
}

/* The box of a word at *p, which is moved behind the tag. False where it is none. */
static bool
read_box(struct pdf_word *w, const char **p)
{
	static const char *const names[] = { "<word xMin=\"", " yMin=\"", " xMax=\"", " yMax=\"" };
	float *const to[] = { &w->x0, &w->y0, &w->x1, &w->y1 };
	size_t i, n;

	for (i = 0; i < 4; i++) {
		n = strlen(names[i]);
		if (strncmp(*p, names[i], n) != 0)
			return false;
		*p += n;
		if (!read_number(p, to[i]))
			return false;
	}
	return *(*p)++ == '>' && w->x1 >= w->x0 && w->y1 >= w->y0;
}

void
pdf_words(struct pdf_page *page, const char *xml, size_t n)
{
	const char *p = xml, *end = xml + n, *text;
	struct pdf_word w;

	page->n = page->text.len = 0;
	page->unreadable = false;
	/* Within a word's letters < is escaped. */
	while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
		text = p++;
		if (!read_box(&w, &text))
			continue;
		if ((p = memchr(text, '<', (size_t)(end - text))) == NULL)
			break;
		w.seq = (unsigned)page->n;
		put_word(page, &w, text, (size_t)(p - text));
		if (page->n == page->cap) {
			page->cap = page->cap * 2 + 1024;
			page->words = grow(page->words, page->cap * sizeof(w));
		}
		if (w.n > 0)
			page->words[page->n++] = w;
	}
}
