/*
 * Markdown, as GitHub reads it: cmark-gfm makes HTML of it, whose reader then knows lists, tables,
 * code, pictures and notes, and the HTML that stands in it.
 */
#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "extract/text/charset.h"
#include "extract/html/html.h"

#define OPTIONS (CMARK_OPT_UNSAFE | CMARK_OPT_FOOTNOTES)

/* tagfilter shows the tags that would swallow what follows, such as <title>, as text. */
static const char *const extensions[] = { "table", "strikethrough", "tasklist", "tagfilter" };

/* Of the data before the text, what is for readers. */
static const char *const keys[] = { "title", "subtitle", "description", "author", "date" };

/* The end of the line that begins at p, behind its newline. */
static const char *
next_line(const char *p, const char *end)
{
	const char *eol = memchr(p, '\n', (size_t)(end - p));

	return eol != NULL ? eol + 1 : end;
}

/* Takes white space and then one pair of quotation marks off a value. */
static struct bytes
bare(const char *p, const char *end)
{
	while (p < end && strchr(" \t", *p) != NULL && *p != '\0')
		p++;
	while (end > p && strchr(" \t\r\n", end[-1]) != NULL && end[-1] != '\0')
		end--;
	if (end - p >= 2 && (*p == '"' || *p == '\'') && end[-1] == *p) {
		p++;
		end--;
	}
	return (struct bytes){ (const unsigned char *)p, (size_t)(end - p) };
}

/* Appends the value of a line "title: Words" (YAML) or "title = Words" (TOML). */
static void
read_key(const char *p, const char *eol, struct out *o)
{
	size_t i, n;
	struct bytes value;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		n = strlen(keys[i]);
		if ((size_t)(eol - p) <= n || strncasecmp(p, keys[i], n) != 0)
			continue;
		value = bare(p + n, eol);
		if (value.n == 0 || (value.p[0] != ':' && value.p[0] != '='))
			continue;
		value = bare((const char *)value.p + 1, eol);
		out_paragraph(o, (const char *)value.p, value.n);
	}
}

/* True for a line of three such characters, and for one that ends YAML (YAML 1.2, 9.1.2). */
static bool
is_fence(const char *p, const char *eol, char c)
{
	struct bytes b = bare(p, eol);

	return b.n == 3 && ((b.p[0] == (unsigned char)c && memcmp(b.p, b.p + 1, 2) == 0) ||
			       (c == '-' && memcmp(b.p, "...", 3) == 0));
}

/* True for a line that begins with a key; else what follows a line of dashes is text. */
static bool
is_key(const char *p, const char *eol)
{
	const char *start = p;

	while (p < eol && (*p == '_' || *p == '-' || (*p >= '0' && *p <= '9') ||
			      ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')))
		p++;
	if (p == start)
		return false;
	while (p < eol && *p == ' ')
		p++;
	return p < eol && (*p == ':' || *p == '=');
}

/*
 * Moves past the data that a site's generator keeps before the text, between lines of "---" or
 * "+++", and reads what of them is for readers. Without an end they are text.
 */
static struct bytes
read_front(struct bytes b, struct out *o)
{
	const char *p = (const char *)b.p, *end = p + b.n, *start = next_line(p, end), *line;

	if (b.n < 4 || (*p != '-' && *p != '+') || !is_fence(p, start, *p) ||
	    !is_key(start, next_line(start, end)))
		return b;
	for (line = start; line < end && !is_fence(line, next_line(line, end), *p);)
		line = next_line(line, end);
	if (line == end)
		return b;
	for (; start < line; start = next_line(start, end))
		read_key(start, next_line(start, end), o);
	line = next_line(line, end);
	return (struct bytes){ (const unsigned char *)line, (size_t)(end - line) };
}

/* cmark-gfm's own would end the worker without a word. */
static void *
allocate(size_t n, size_t size)
{
	void *p;

	p = grow(NULL, n * size);
	memset(p, 0, n * size);
	return p;
}

void
markdown_read(struct bytes file, struct out *o)
{
	struct bytes b = read_front(charset_text(file, o->charset, o), o);
	cmark_mem memory = { allocate, grow, free };
	cmark_parser *parser;
	cmark_node *document;
	char *html;
	size_t i;

	cmark_gfm_core_extensions_ensure_registered();
	parser = cmark_parser_new_with_mem(OPTIONS, &memory);
	for (i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		cmark_parser_attach_syntax_extension(
		    parser, cmark_find_syntax_extension(extensions[i]));
	cmark_parser_feed(parser, (const char *)b.p, b.n);
	document = cmark_parser_finish(parser);
	html = cmark_render_html_with_mem(
	    document, OPTIONS, cmark_parser_get_syntax_extensions(parser), &memory);
	/* gumbo needs the room. */
	cmark_node_free(document);
	html_parse((struct bytes){ (const unsigned char *)html, strlen(html) }, true, o);
}
