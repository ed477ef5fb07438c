#include <string.h>

#include "runner/outside/mrkdwn.h"

#define LINK_TEXT_MAX ((size_t)500) /* bytes; what is longer is no link */
#define LINK_URL_MAX ((size_t)3000)

enum { BOLD, STRIKE, ITALIC, N_MARKS };

static const struct mark {
	struct str from;
	struct str to;
} marks[N_MARKS] = {
	[BOLD] = { { "**", 2 }, { "*", 1 } },
	[STRIKE] = { { "~~", 2 }, { "~", 1 } },
	[ITALIC] = { { "*", 1 }, { "_", 1 } },
};

struct line {
	struct buf *b;
	struct str s;
	bool open[N_MARKS];
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
	buf_put(l->b, S("`"));
	put_escaped(l->b, (struct str){ l->s.p + i + n, end - i - 2 * n });
	buf_put(l->b, S("`"));
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
			buf_printf(b, "%%%02X", (unsigned)url.p[i]);
			break;
		default:
			put_escaped(b, (struct str){ url.p + i, 1 });
		}
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
	buf_put(l->b, S("<"));
	put_address(l->b, url);
	buf_put(l->b, text.n > 0 ? S("|") : S(""));
	put_escaped(l->b, text);
	buf_put(l->b, S(">"));
	return (size_t)(end + 1 - (l->s.p + i));
}

static bool
closes(struct str s, size_t i, int k)
{
	if (i == 0 || is_blank(s, i - 1) || !str_starts(from(s, i), marks[k].from))
		return false;
	return k != ITALIC || (s.p[i - 1] != '*' && (i + 1 >= s.n || s.p[i + 1] != '*'));
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

/* A mark of emphasis at i; how long it is there, 0: it is none. */
static size_t
put_mark(struct line *l, size_t i)
{
	for (int k = 0; k < N_MARKS; k++) {
		size_t n = marks[k].from.n;
		bool is_end;

		if (!str_starts(from(l->s, i), marks[k].from))
			continue;
		is_end = l->open[k] && closes(l->s, i, k);
		if (!is_end && (l->open[k] || is_blank(l->s, i + n) ||
				   (k == ITALIC && i > 0 && is_word(l->s, i - 1)) ||
				   !is_closed_later(l, i + n, k))) {
			buf_put(l->b, marks[k].from);
			return n;
		}
		l->open[k] = !is_end;
		if (k != BOLD || !l->bold)
			buf_put(l->b, marks[k].to);
		return n;
	}
	return 0;
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
}

static void
put_line(struct buf *b, struct str s)
{
	size_t indent = 0, level = 0;
	struct line l = { .b = b };

	while (indent < s.n && is_blank(s, indent))
		indent++;
	buf_put(b, (struct str){ s.p, indent });
	s = from(s, indent);
	while (level < s.n && s.p[level] == '#')
		level++;
	if (level > 0 && level <= 6 && level < s.n && s.p[level] == ' ') {
		l.s = str_trim(from(s, level));
		l.bold = l.s.n > 0;
		buf_put(b, l.bold ? S("*") : S(""));
		put_text(&l);
		buf_put(b, l.bold ? S("*") : S(""));
		return;
	}
	if (str_starts(s, S("- ")) || str_starts(s, S("* ")) || str_starts(s, S("+ "))) {
		buf_put(b, S("• "));
		s = from(s, 2);
	} else if (str_starts(s, S("> "))) {
		buf_put(b, S("> "));
		s = from(s, 2);
	}
	l.s = s;
	put_text(&l);
}

/* Does the line begin or end a block of code? It may hold all of one. */
static bool
is_fence(struct str s)
{
	s = str_trim(s);
	return str_starts(s, S("```")) && !memmem(s.p + 3, s.n - 3, "```", 3);
}

struct str
mrkdwn(struct arena *a, struct str markdown)
{
	struct buf b = { .a = a };
	bool fenced = false;
	struct str line;

	for (struct str rest = markdown; rest.p;) {
		rest = str_cut(rest, '\n', &line);
		if (is_fence(line)) {
			fenced = !fenced;
			/* Slack knows no languages. */
			buf_put(&b, S("```"));
		} else if (fenced) {
			put_escaped(&b, line);
		} else {
			put_line(&b, line);
		}
		buf_put(&b, rest.p ? S("\n") : S(""));
	}
	return buf_str(&b);
}
