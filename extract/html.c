/*
 * HTML, by libxml2's forgiving parser as a stream of SAX events; no tree is
 * built. Scripts, styles and the like are left out, entities come decoded, and
 * block elements divide paragraphs. For text only: nothing here makes markup safe.
 */
#include <libxml/HTMLparser.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "out.h"

struct html {
	struct out *out;
	char *p; /* the paragraph that is being read: cap bytes, len used */
	size_t len;
	size_t cap;
	int skip; /* depth of elements whose content is not text */
	int pre; /* depth of elements that keep their white space */
	bool space; /* white space is due before the next character */
};

/* What an element means for the text. Inline elements mean nothing. */
enum role {
	ROLE_NONE,
	ROLE_BLOCK, /* starts and ends a paragraph */
	ROLE_SKIP, /* its content is no text */
	ROLE_PRE, /* a block that keeps its white space */
	ROLE_BREAK, /* a new line */
	ROLE_CELL, /* ends with a tab */
};

static const struct {
	const char *name;
	enum role role;
} roles[] = {
	{ "address", ROLE_BLOCK },
	{ "article", ROLE_BLOCK },
	{ "aside", ROLE_BLOCK },
	{ "blockquote", ROLE_BLOCK },
	{ "body", ROLE_BLOCK },
	{ "br", ROLE_BREAK },
	{ "caption", ROLE_BLOCK },
	{ "center", ROLE_BLOCK },
	{ "dd", ROLE_BLOCK },
	{ "details", ROLE_BLOCK },
	{ "div", ROLE_BLOCK },
	{ "dl", ROLE_BLOCK },
	{ "dt", ROLE_BLOCK },
	{ "fieldset", ROLE_BLOCK },
	{ "figcaption", ROLE_BLOCK },
	{ "figure", ROLE_BLOCK },
	{ "footer", ROLE_BLOCK },
	{ "form", ROLE_BLOCK },
	{ "h1", ROLE_BLOCK },
	{ "h2", ROLE_BLOCK },
	{ "h3", ROLE_BLOCK },
	{ "h4", ROLE_BLOCK },
	{ "h5", ROLE_BLOCK },
	{ "h6", ROLE_BLOCK },
	{ "header", ROLE_BLOCK },
	{ "hr", ROLE_BLOCK },
	{ "iframe", ROLE_SKIP },
	{ "legend", ROLE_BLOCK },
	{ "li", ROLE_BLOCK },
	{ "main", ROLE_BLOCK },
	{ "nav", ROLE_BLOCK },
	{ "noframes", ROLE_SKIP },
	{ "noscript", ROLE_SKIP },
	{ "object", ROLE_SKIP },
	{ "ol", ROLE_BLOCK },
	{ "option", ROLE_BLOCK },
	{ "p", ROLE_BLOCK },
	{ "pre", ROLE_PRE },
	{ "script", ROLE_SKIP },
	{ "section", ROLE_BLOCK },
	{ "select", ROLE_BLOCK },
	{ "style", ROLE_SKIP },
	{ "summary", ROLE_BLOCK },
	{ "svg", ROLE_SKIP },
	{ "table", ROLE_BLOCK },
	{ "td", ROLE_CELL },
	{ "template", ROLE_SKIP },
	{ "textarea", ROLE_PRE },
	{ "th", ROLE_CELL },
	{ "title", ROLE_BLOCK },
	{ "tr", ROLE_BLOCK },
	{ "ul", ROLE_BLOCK },
};

static enum role
role_of(const xmlChar *name)
{
	size_t i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcasecmp((const char *)name, roles[i].name) == 0)
			return roles[i].role;
	return ROLE_NONE;
}

static void
put(struct html *h, char c)
{
	if (h->len == h->cap) {
		h->cap = h->cap * 2 + 1024;
		h->p = grow(h->p, h->cap);
	}
	h->p[h->len++] = c;
}

static void
flush(struct html *h)
{
	if (h->len > 0)
		out_paragraph(h->out, h->p, h->len);
	h->len = 0;
	h->space = false;
}

static void
html_start(void *arg, const xmlChar *name, const xmlChar **attr)
{
	struct html *h = arg;
	enum role role = role_of(name);

	(void)attr;
	if (role == ROLE_SKIP)
		h->skip++;
	if (h->skip > 0)
		return;
	if (role == ROLE_BLOCK || role == ROLE_PRE)
		flush(h);
	if (role == ROLE_PRE)
		h->pre++;
	if (role == ROLE_BREAK) {
		put(h, '\n');
		h->space = false;
	}
}

static void
html_end(void *arg, const xmlChar *name)
{
	struct html *h = arg;
	enum role role = role_of(name);

	if (role == ROLE_SKIP && h->skip > 0) {
		h->skip--;
		return;
	}
	if (h->skip > 0)
		return;
	if (role == ROLE_BLOCK || role == ROLE_PRE)
		flush(h);
	if (role == ROLE_PRE && h->pre > 0)
		h->pre--;
	if (role == ROLE_CELL) {
		put(h, '\t');
		h->space = false;
	}
}

/* A run of white space becomes one space, and none at the beginning of a line. */
static void
html_text(void *arg, const xmlChar *s, int n)
{
	struct html *h = arg;
	int i;

	if (h->skip > 0)
		return;
	for (i = 0; i < n; i++) {
		char c = (char)s[i];

		if (h->pre == 0 && c != 0 && strchr(" \t\r\n\f", c) != NULL) {
			h->space = true;
			continue;
		}
		if (h->space && h->len > 0 && h->p[h->len - 1] != '\n' && h->p[h->len - 1] != '\t')
			put(h, ' ');
		h->space = false;
		put(h, c);
	}
}

/* Script and style content, which is not text. */
static void
on_cdata(void *arg, const xmlChar *s, int n)
{
	(void)arg, (void)s, (void)n;
}

/*
 * The encoding to force on the parser; NULL leaves it to the page's own <meta>.
 * UTF-8 is detected from the bytes, since many such pages declare another encoding.
 */
static const char *
encoding_of(struct bytes b)
{
	size_t i, n = b.n < 4096 ? b.n : 4096;

	if (text_charset(b) == CHARSET_UTF8)
		return "UTF-8";
	for (i = 0; i + 7 < n; i++)
		if (strncasecmp((const char *)b.p + i, "charset", 7) == 0)
			return NULL;
	return "windows-1252";
}

void
html_read(struct bytes file, struct out *o)
{
	const htmlSAXHandler sax = {
		.startElement = html_start,
		.endElement = html_end,
		.characters = html_text,
		.ignorableWhitespace = html_text,
		.cdataBlock = on_cdata,
	};
	struct html h = { .out = o };
	const char *encoding;
	htmlParserCtxtPtr ctx;
	enum charset cs = text_charset(file);

	if (cs == CHARSET_UTF16LE || cs == CHARSET_UTF16BE)
		file = text_decode(file);
	encoding = encoding_of(file);
	if (file.n > INT_MAX || (ctx = htmlNewParserCtxt()) == NULL)
		fail("The HTML file cannot be read.");
	*ctx->sax = sax;
	ctx->userData = &h;
	htmlCtxtReadMemory(ctx, (const char *)file.p, (int)file.n, NULL, encoding,
	    HTML_PARSE_RECOVER | HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING);
	flush(&h);
	htmlFreeParserCtxt(ctx);
}
