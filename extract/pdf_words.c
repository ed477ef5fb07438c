/* What pdftotext -bbox writes of a page: lines of <word xMin="" yMin="" xMax="" yMax="">, escaped.
 */
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "pdf.h"

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

/* The four numbers of a word's box; moves *p past them. False where they are not there. */
static bool
read_box(struct pdf_word *w, const char **p)
{
	float *const to[] = { &w->x0, &w->y0, &w->x1, &w->y1 };
	char *end;
	size_t i;

	for (i = 0; i < 4; i++) {
		*p = strchr(*p, '"');
		if (*p == NULL)
			return false;
		*to[i] = strtof(*p + 1, &end);
		if (end == *p + 1 || *end != '"' || !(*to[i] > -1e6f && *to[i] < 1e6f))
			return false;
		*p = end + 1;
	}
	return **p == '>' && w->x1 >= w->x0 && w->y1 >= w->y0;
}

void
pdf_words(struct pdf_page *page, const char *xml, size_t n)
{
	static const char open[] = "<word ", close[] = "</word>";
	const char *p = xml, *end = xml + n, *text, *last;
	struct pdf_word w;

	page->n = page->text.len = 0;
	page->unreadable = false;
	while ((p = memmem(p, (size_t)(end - p), open, sizeof(open) - 1)) != NULL &&
	       (last = memmem(p, (size_t)(end - p), close, sizeof(close) - 1)) != NULL) {
		text = p;
		if (read_box(&w, &text) && text < last) {
			w.seq = (unsigned)page->n;
			put_word(page, &w, text + 1, (size_t)(last - text) - 1);
			if (page->n == page->cap) {
				page->cap = page->cap * 2 + 1024;
				page->words = grow(page->words, page->cap * sizeof(w));
			}
			if (w.n > 0)
				page->words[page->n++] = w;
		}
		p = last + sizeof(close) - 1;
	}
}
