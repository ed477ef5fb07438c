#include <string.h>

#include "runner/outside/markup.h"

#define LINK_TEXT_MAX ((size_t)500) /* bytes; what is longer is no link */
#define LINK_URL_MAX ((size_t)3000)

enum { BOLD, BOLD_TOO, STRIKE, ITALIC, ITALIC_TOO, N_MARKS };

static const struct str marks[N_MARKS] = {
	[BOLD] = { "**", 2 },
	[BOLD_TOO] = { "__", 2 },
	[STRIKE] = { "~~", 2 },
	[ITALIC] = { "*", 1 },
	[ITALIC_TOO] = { "_", 1 },
};

/* What a service writes before and behind. */
struct around {
	struct str before, behind;
};

#define AROUND(before, behind)                     \
	{                                          \
		{ before, sizeof(before) - 1 },    \
		{                                  \
			behind, sizeof(behind) - 1 \
		}                                  \
	}

struct dialect {
	bool is_html;
	struct around mark[N_MARKS], code, fence, quote;
};

static const struct dialect slack = {
	.mark = { [BOLD] = AROUND("*", "*"),
	    [BOLD_TOO] = AROUND("*", "*"),
	    [STRIKE] = AROUND("~", "~"),
	    [ITALIC] = AROUND("_", "_"),
	    [ITALIC_TOO] = AROUND("_", "_") },
	.code = AROUND("`", "`"),
	.fence = AROUND("```", "```"), /* Slack knows no languages. */
	.quote = AROUND("> ", ""),
};

static const struct dialect telegram = {
	.is_html = true,
	.mark = { [BOLD] = AROUND("<b>", "</b>"),
	    [BOLD_TOO] = AROUND("<b>", "</b>"),
	    [STRIKE] = AROUND("<s>", "</s>"),
	    [ITALIC] = AROUND("<i>", "</i>"),
	    [ITALIC_TOO] = AROUND("<i>", "</i>") },
	.code = AROUND("<code>", "</code>"),
	.fence = AROUND("<pre>", "</pre>"),
	.quote = AROUND("<blockquote>", "</blockquote>"),
};

struct line {
	const struct dialect *d;
	struct buf *b;
	struct str s;
	int open[N_MARKS]; /* the last one is closed first */
	size_t n_open;
	bool never[N_MARKS]; /* nothing in the rest of the line closes one */
	bool bold; /* all of it is */
};

static bool
is_blank(struct str s, size_t i)
{
	return i >= s.n || s.p[i] == ' ' || s.p[i] == '\t';
}

static bool
is_word(struct str s, size_t i)
{
	unsigned char c = i < s.n ? (unsigned char)s.p[i] : 0, low = c | 0x20;

	return (c >= '0' && c <= '9') || (low >= 'a' && low <= 'z') || c >= 0x80;
}

static struct str
from(struct str s, size_t i)
{
	return (struct str){ s.p + i, s.n - i };
}

static void
put_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_put(b, s.p[i] == '&'   ? S("&amp;")
			   : s.p[i] == '<' ? S("&lt;")
			   : s.p[i] == '>' ? S("&gt;")
					   : (struct str){ s.p + i, 1 });
}

/* Where what begins with n backticks at i ends with as many; 0: nowhere. */
static size_t
code_end(struct str s, size_t i, size_t n)
{
	for (size_t k = i + n, run = 0; k <= s.n; k++) {
		if (k < s.n && s.p[k] == '`') {
			run++;
			continue;
		}
		if (run == n)
			return k;
		run = 0;
	}
	return 0;
}

/* Code at i; how long it is there, 0: it is none. */
static size_t
put_code(struct line *l, size_t i)
{
	size_t n = 0, end;

	while (i + n < l->s.n && l->s.p[i + n] == '`')
		n++;
	if (n == 0)
		return 0;
	end = code_end(l->s, i, n);
	if (end == 0) {
		buf_put(l->b, (struct str){ l->s.p + i, n });
		return n;
	}
	buf_put(l->b, l->d->code.before);
	put_escaped(l->b, (struct str){ l->s.p + i + n, end - i - 2 * n });
	buf_put(l->b, l->d->code.behind);
	return end - i;
}

/* The address's own characters that would end it are percent-encoded. */
static void
put_address(struct buf *b, struct str url)
{
	for (size_t i = 0; i < url.n; i++)
		switch (url.p[i]) {
		case '<':
		case '>':
		case '|':
		case '"':
			buf_printf(b, "%%%02X", (unsigned)url.p[i]);
			break;
		default:
			put_escaped(b, (struct str){ url.p + i, 1 });
		}
}

static void
put_link_as(struct line *l, struct str url, struct str text)
{
	bool html = l->d->is_html;

	buf_put(l->b, html ? S("<a href=\"") : S("<"));
	put_address(l->b, url);
	if (html)
		buf_put(l->b, S("\">"));
	else if (text.n > 0)
		buf_put(l->b, S("|"));
	put_escaped(l->b, html && text.n == 0 ? url : text);
	buf_put(l->b, html ? S("</a>") : S(">"));
}

/* [text](address), or a picture's ![text](address), at i; how long it is there, 0: it is none. */
static size_t
put_link(struct line *l, size_t i)
{
	struct str rest = from(l->s, i), text, url;
	const char *middle, *end;

	if (str_starts(rest, S("!")))
		rest = from(rest, 1);
	if (!str_starts(rest, S("[")) ||
	    !(middle = memmem(rest.p, rest.n < LINK_TEXT_MAX ? rest.n : LINK_TEXT_MAX, "](", 2)))
		return 0;
	text = (struct str){ rest.p + 1, (size_t)(middle - rest.p) - 1 };
	url = from(rest, (size_t)(middle - rest.p) + 2);
	if (!(end = memchr(url.p, ')', url.n < LINK_URL_MAX ? url.n : LINK_URL_MAX)))
		return 0;
	url.n = (size_t)(end - url.p);
	if ((!str_starts(url, S("https://")) && !str_starts(url, S("http://")) &&
		!str_starts(url, S("mailto:"))) ||
	    memchr(url.p, ' ', url.n))
		return 0;
	put_link_as(l, url, text);
	return (size_t)(end + 1 - (l->s.p + i));
}

static bool
closes(struct str s, size_t i, int k)
{
	struct str mark = marks[k];
	size_t end = i + mark.n;

	if (i == 0 || is_blank(s, i - 1) || !str_starts(from(s, i), mark))
		return false;
	if (*mark.p == '_' && is_word(s, end))
		return false;
	return mark.n > 1 || (s.p[i - 1] != *mark.p && (end >= s.n || s.p[end] != *mark.p));
}

static bool
is_closed_later(struct line *l, size_t i, int k)
{
	for (i++; i < l->s.n && !l->never[k]; i++)
		if (closes(l->s, i, k))
			return true;
	l->never[k] = true;
	return false;
}

static bool
is_open(const struct line *l, int k)
{
	for (size_t i = 0; i < l->n_open; i++)
		if (l->open[i] == k)
			return true;
	return false;
}

static bool
opens(struct line *l, size_t i, int k)
{
	struct str mark = marks[k];
	bool in_word = i > 0 && is_word(l->s, i - 1);

	return !is_open(l, k) && !is_blank(l->s, i + mark.n) &&
	       !(in_word && (mark.n == 1 || *mark.p == '_')) && is_closed_later(l, i + mark.n, k);
}

/* A heading is bold as it is. */
static void
put_as(struct line *l, int k, bool is_end)
{
	const struct around *as = &l->d->mark[k];

	if ((k != BOLD && k != BOLD_TOO) || !l->bold)
		buf_put(l->b, is_end ? as->behind : as->before);
}

/* A mark of emphasis at i; how long it is there, 0: it is none. */
static size_t
put_mark(struct line *l, size_t i)
{
	int k = 0;

	while (k < N_MARKS && !str_starts(from(l->s, i), marks[k]))
		k++;
	if (k == N_MARKS)
		return 0;
	if (l->n_open > 0 && l->open[l->n_open - 1] == k && closes(l->s, i, k)) {
		put_as(l, k, true);
		l->n_open--;
	} else if (opens(l, i, k)) {
		put_as(l, k, false);
		l->open[l->n_open++] = k;
	} else {
		buf_put(l->b, marks[k]);
	}
	return marks[k].n;
}

static void
put_text(struct line *l)
{
	size_t i = 0, n;

	while (i < l->s.n) {
		if ((n = put_code(l, i)) == 0 && (n = put_link(l, i)) == 0 &&
		    (n = put_mark(l, i)) == 0) {
			n = 1;
			put_escaped(l->b, (struct str){ l->s.p + i, 1 });
		}
		i += n;
	}
	while (l->n_open > 0)
		put_as(l, l->open[--l->n_open], true);
}

static void
put_line(const struct dialect *d, struct buf *b, struct str s)
{
	size_t indent = 0, level = 0;
	struct line l = { .d = d, .b = b };
	bool quoted = false;

	while (indent < s.n && is_blank(s, indent))
		indent++;
	buf_put(b, (struct str){ s.p, indent });
	s = from(s, indent);
	while (level < s.n && s.p[level] == '#')
		level++;
	if (level > 0 && level <= 6 && level < s.n && s.p[level] == ' ') {
		l.s = str_trim(from(s, level));
		l.bold = l.s.n > 0;
		buf_put(b, l.bold ? d->mark[BOLD].before : S(""));
		put_text(&l);
		buf_put(b, l.bold ? d->mark[BOLD].behind : S(""));
		return;
	}
	if (str_starts(s, S("- ")) || str_starts(s, S("* ")) || str_starts(s, S("+ "))) {
		buf_put(b, S("• "));
		s = from(s, 2);
	} else if (str_starts(s, S("> "))) {
		quoted = true;
		buf_put(b, d->quote.before);
		s = from(s, 2);
	}
	l.s = s;
	put_text(&l);
	if (quoted)
		buf_put(b, d->quote.behind);
}

/* Does the line begin or end a block of code? It may hold all of one. */
static bool
is_fence(struct str s)
{
	s = str_trim(s);
	return str_starts(s, S("```")) && !memmem(s.p + 3, s.n - 3, "```", 3);
}

/* In HTML a block's lines stand between its tags without more. */
static struct str
written(const struct dialect *d, struct arena *a, struct str markdown)
{
	struct buf b = { .a = a };
	bool fenced = false, joined = true;
	struct str line;

	for (struct str rest = markdown; rest.p;) {
		bool fence;

		rest = str_cut(rest, '\n', &line);
		fence = is_fence(line);
		if (!joined && !(fence && fenced && d->is_html))
			buf_put(&b, S("\n"));
		joined = false;
		if (fence) {
			buf_put(&b, fenced ? d->fence.behind : d->fence.before);
			fenced = !fenced;
			joined = fenced && d->is_html;
		} else if (fenced) {
			put_escaped(&b, line);
		} else {
			put_line(d, &b, line);
		}
	}
	if (fenced && d->is_html)
		buf_put(&b, d->fence.behind);
	return buf_str(&b);
}

struct str
markup_slack(struct arena *a, struct str markdown)
{
	return written(&slack, a, markdown);
}

struct str
markup_telegram(struct arena *a, struct str markdown)
{
	return written(&telegram, a, markdown);
}
