/*
 * Bounds a page's nesting before gumbo parses it, whose time is elements times their depth, and
 * attributes times their number in one tag. Browsers bound the depth as well (Chromium at 512).
 */
#include <string.h>
#include <strings.h>

#include "extract/html/html.h"
#include "extract/html/html_element.h"

#define NESTED_MAX 512 /* elements of most kinds */
#define TABLES_MAX 64 /* tables, whose rows and cells are not counted */
#define FORMATS_MAX 64 /* each paragraph repeats those that are not closed */
#define BLANKS_MAX 2000 /* in a tag, outside of values: its attributes */

enum nesting {
	NESTING_OTHER,
	NESTING_NONE, /* has no content, or ends where the next begins */
	NESTING_FORMAT, /* its kind goes on in the next paragraph where it is not closed */
	NESTING_TABLE,
	NESTING_RAW, /* no tag in it is one */
	NESTING_N,
};

static const unsigned most[NESTING_N] = {
	[NESTING_OTHER] = NESTED_MAX,
	[NESTING_FORMAT] = FORMATS_MAX,
	[NESTING_TABLE] = TABLES_MAX,
};

static const enum nesting nestings[GUMBO_TAG_LAST + 1] = {
	[GUMBO_TAG_A] = NESTING_NONE,
	[GUMBO_TAG_AREA] = NESTING_NONE,
	[GUMBO_TAG_B] = NESTING_FORMAT,
	[GUMBO_TAG_BASE] = NESTING_NONE,
	[GUMBO_TAG_BIG] = NESTING_FORMAT,
	[GUMBO_TAG_BODY] = NESTING_NONE,
	[GUMBO_TAG_BR] = NESTING_NONE,
	[GUMBO_TAG_CAPTION] = NESTING_NONE,
	[GUMBO_TAG_CODE] = NESTING_FORMAT,
	[GUMBO_TAG_COL] = NESTING_NONE,
	[GUMBO_TAG_COLGROUP] = NESTING_NONE,
	[GUMBO_TAG_DD] = NESTING_NONE,
	[GUMBO_TAG_DT] = NESTING_NONE,
	[GUMBO_TAG_EM] = NESTING_FORMAT,
	[GUMBO_TAG_EMBED] = NESTING_NONE,
	[GUMBO_TAG_FONT] = NESTING_FORMAT,
	[GUMBO_TAG_FRAME] = NESTING_NONE,
	[GUMBO_TAG_HEAD] = NESTING_NONE,
	[GUMBO_TAG_HR] = NESTING_NONE,
	[GUMBO_TAG_HTML] = NESTING_NONE,
	[GUMBO_TAG_I] = NESTING_FORMAT,
	[GUMBO_TAG_IFRAME] = NESTING_RAW,
	[GUMBO_TAG_IMG] = NESTING_NONE,
	[GUMBO_TAG_INPUT] = NESTING_NONE,
	[GUMBO_TAG_LI] = NESTING_NONE,
	[GUMBO_TAG_LINK] = NESTING_NONE,
	[GUMBO_TAG_META] = NESTING_NONE,
	[GUMBO_TAG_NOBR] = NESTING_NONE,
	[GUMBO_TAG_NOEMBED] = NESTING_RAW,
	[GUMBO_TAG_NOFRAMES] = NESTING_RAW,
	[GUMBO_TAG_OPTGROUP] = NESTING_NONE,
	[GUMBO_TAG_OPTION] = NESTING_NONE,
	[GUMBO_TAG_P] = NESTING_NONE,
	[GUMBO_TAG_PARAM] = NESTING_NONE,
	[GUMBO_TAG_RP] = NESTING_NONE,
	[GUMBO_TAG_RT] = NESTING_NONE,
	[GUMBO_TAG_S] = NESTING_FORMAT,
	[GUMBO_TAG_SCRIPT] = NESTING_RAW,
	[GUMBO_TAG_SMALL] = NESTING_FORMAT,
	[GUMBO_TAG_SOURCE] = NESTING_NONE,
	[GUMBO_TAG_STRIKE] = NESTING_FORMAT,
	[GUMBO_TAG_STRONG] = NESTING_FORMAT,
	[GUMBO_TAG_STYLE] = NESTING_RAW,
	[GUMBO_TAG_TABLE] = NESTING_TABLE,
	[GUMBO_TAG_TBODY] = NESTING_NONE,
	[GUMBO_TAG_TD] = NESTING_NONE,
	[GUMBO_TAG_TEXTAREA] = NESTING_RAW,
	[GUMBO_TAG_TFOOT] = NESTING_NONE,
	[GUMBO_TAG_TH] = NESTING_NONE,
	[GUMBO_TAG_THEAD] = NESTING_NONE,
	[GUMBO_TAG_TITLE] = NESTING_RAW,
	[GUMBO_TAG_TR] = NESTING_NONE,
	[GUMBO_TAG_TRACK] = NESTING_NONE,
	[GUMBO_TAG_TT] = NESTING_FORMAT,
	[GUMBO_TAG_U] = NESTING_FORMAT,
	[GUMBO_TAG_WBR] = NESTING_NONE,
	[GUMBO_TAG_XMP] = NESTING_RAW,
};

struct source {
	const char *p, *end; /* what is still to be read */
	char *to; /* the copy; it is not longer */
	size_t len;
	unsigned depth[NESTING_N];
	bool head; /* before the body */
};

static void
copy(struct source *s, const char *end)
{
	memcpy(s->to + s->len, s->p, (size_t)(end - s->p));
	s->len += (size_t)(end - s->p);
	s->p = end;
}

/*
 * The end of the tag at s->p, behind its ">"; NULL where it has none. *n_blanks counts white space
 * outside of quoted values, a run as one.
 */
static const char *
tag_end(const struct source *s, size_t *n_blanks)
{
	const char *p;
	char before = ' ';
	bool blank = false;

	*n_blanks = 0;
	for (p = s->p + 1; p < s->end; p++) {
		if (*p == '>')
			return p + 1;
		if (*p == ' ' || (*p >= '\t' && *p <= '\r')) {
			*n_blanks += !blank;
			blank = true;
			continue;
		}
		if ((*p == '"' || *p == '\'') && before == '=' &&
		    (p = memchr(p + 1, *p, (size_t)(s->end - p - 1))) == NULL)
			return NULL;
		before = *p;
		blank = false;
	}
	return NULL;
}

/* The next end tag of that name; the source's end where there is none. */
static const char *
raw_end(const struct source *s, const char *p, const char *name, size_t n)
{
	for (; (p = memmem(p, (size_t)(s->end - p), "</", 2)) != NULL; p += 2)
		if ((size_t)(s->end - p) >= n + 2 && strncasecmp(p + 2, name, n) == 0)
			return p;
	return s->end;
}

/* An element's start: copied, or where the nesting is too deep, left out. */
static void
start_tag(struct source *s, GumboTag tag, const char *end)
{
	enum nesting nesting = nestings[tag];

	if (nesting == NESTING_NONE || nesting == NESTING_RAW || end[-2] == '/' ||
	    ++s->depth[nesting] <= most[nesting]) {
		copy(s, end);
		return;
	}
	if (html_tag_role(tag) == HTML_BLOCK) {
		memcpy(s->to + s->len, "<p>", 3);
		s->len += 3;
	}
	s->p = end;
}

static void
end_tag(struct source *s, GumboTag tag, const char *end)
{
	enum nesting nesting = nestings[tag];
	bool counted = nesting != NESTING_NONE && nesting != NESTING_RAW;

	if (counted && s->depth[nesting] > most[nesting])
		s->p = end;
	else
		copy(s, end);
	s->depth[nesting] -= counted && s->depth[nesting] > 0;
}

/* Moves past the tag or comment at s->p. */
static void
next_tag(struct source *s)
{
	bool is_end = s->end - s->p > 1 && s->p[1] == '/';
	const char *name = s->p + 1 + is_end, *end;
	size_t n = 0, n_blanks;
	GumboTag tag;

	if (s->end - s->p >= 4 && memcmp(s->p, "<!--", 4) == 0) {
		end = memmem(s->p + 2, (size_t)(s->end - s->p - 2), "-->", 3);
		copy(s, end != NULL ? end + 3 : s->end);
		return;
	}
	while (name + n < s->end && strchr(" \t\r\n\f/><", name[n]) == NULL)
		n++;
	if (n == 0 || !((name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z')) {
		copy(s, s->p + 1);
		return;
	}
	tag = gumbo_tagn_enum(name, (unsigned)n);
	end = tag_end(s, &n_blanks);
	if (tag == GUMBO_TAG_BODY || (is_end && tag == GUMBO_TAG_HEAD))
		s->head = false;
	if (end != NULL && s->head && tag == GUMBO_TAG_NOSCRIPT && !is_end) {
		s->p = raw_end(s, end, name, n);
		end = tag_end(s, &n_blanks);
		is_end = true;
	}
	if (end == NULL || n_blanks > BLANKS_MAX)
		s->p = end != NULL ? end : s->end;
	else if (is_end)
		end_tag(s, tag, end);
	else
		start_tag(s, tag, end);
	if (!is_end && nestings[tag] == NESTING_RAW)
		copy(s, raw_end(s, s->p, name, n));
}

/*
 * Takes out control characters, for which gumbo puts U+FFFD. Vertical tab and U+0085 divide words:
 * they become spaces.
 */
static size_t
drop_controls(char *p, size_t n)
{
	size_t i, to = 0;

	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i],
			      next = i + 1 < n ? (unsigned char)p[i + 1] : 0;
		bool c1 = c == 0xC2 && next >= 0x80 && next < 0xA0;

		if (c == '\v' || (c1 && next == 0x85))
			p[to++] = ' ';
		else if (!c1 && (c >= ' ' || strchr("\t\n\f\r", c) != NULL) && c != 0x7F)
			p[to++] = p[i];
		i += c1;
	}
	return to;
}

struct bytes
html_bounded(struct bytes page)
{
	struct source s = {
		.p = (const char *)page.p,
		.end = (const char *)page.p + page.n,
		.to = grow(NULL, page.n + 1),
		.head = true,
	};
	const char *tag;

	while (s.p < s.end) {
		tag = memchr(s.p, '<', (size_t)(s.end - s.p));
		copy(&s, tag != NULL ? tag : s.end);
		if (tag != NULL)
			next_tag(&s);
	}
	return (struct bytes){ (unsigned char *)s.to, drop_controls(s.to, s.len) };
}
