#include <millrace/unicode.h>

#include "runner/knowledge/terms.h"
#include "runner/knowledge/utf8.h"

#define CHAIN_MAX 192 /* bytes of a word; what is longer is taken in pieces */
#define GROUPS_MAX 8 /* of a number */
#define DIGITS_MAX 64 /* of a group */

struct scan {
	struct buf words, more;
	/* The word at hand, its parts one after the other */
	char chain[CHAIN_MAX];
	size_t n;
	size_t part; /* where its last part begins */
	int parts; /* those before that */
	bool has_letter;
	enum unicode_kind kind; /* the last part's */
	/* The character before, of a script without spaces; absent where there is none */
	struct str last;
	enum unicode_kind last_kind;
	int run; /* characters of that kind in a row */
};

/* A number: digits in groups, a separator between any two. */
struct number {
	struct str group[GROUPS_MAX];
	uint32_t separator[GROUPS_MAX]; /* before the group */
	size_t n;
};

static void
put_term(struct buf *b, struct str term)
{
	if (b->n > 0)
		buf_put(b, S(" "));
	buf_put(b, term);
}

static void
end_part(struct scan *s)
{
	if (s->n == s->part)
		return;
	put_term(&s->words, (struct str){ s->chain + s->part, s->n - s->part });
	s->part = s->n;
	s->parts++;
}

/* Digits alone are no word: 12-15 is not 1215. */
static void
end_chain(struct scan *s)
{
	end_part(s);
	if (s->parts > 1 && s->has_letter)
		put_term(&s->words, (struct str){ s->chain, s->n });
	s->n = s->part = 0;
	s->parts = 0;
	s->has_letter = false;
}

static void
add_char(struct scan *s, struct str c, enum unicode_kind kind)
{
	if (s->n > s->part && kind != s->kind)
		end_part(s);
	if (s->n + c.n > sizeof(s->chain))
		end_chain(s);
	memcpy(s->chain + s->n, c.p, c.n);
	s->n += c.n;
	s->kind = kind;
	s->has_letter = s->has_letter || kind == UNICODE_LETTER;
}

static void
end_run(struct scan *s)
{
	if (s->run == 1 && s->last_kind == UNICODE_IDEOGRAPH)
		put_term(&s->words, s->last);
	s->run = 0;
}

/* A character of a script without spaces makes a word with its neighbour. */
static void
add_unspaced(struct scan *s, struct str c, enum unicode_kind kind)
{
	if (s->run > 0 && kind != s->last_kind)
		end_run(s);
	if (s->run > 0)
		put_term(kind == UNICODE_HIRAGANA ? &s->more : &s->words,
		    (struct str){ s->last.p, s->last.n + c.n });
	if (kind == UNICODE_IDEOGRAPH)
		put_term(&s->more, c);
	s->last = c;
	s->last_kind = kind;
	s->run++;
}

static size_t
digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && n < DIGITS_MAX && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* May these digits stand behind a separator of thousands? (Lakhs are in groups of two.) */
static bool
is_group(const struct number *x, size_t i)
{
	return x->group[i].n == 3 ||
	       (i + 1 < x->n && x->group[i].n == 2 && x->group[x->n - 1].n == 3);
}

/* Do the separators behind the first and up to the last of n groups divide thousands? */
static bool
are_thousands(const struct number *x, size_t n)
{
	struct number head = *x;

	head.n = n;
	if (n > 1 && x->group[0].n > 3)
		return false;
	for (size_t i = 1; i < n; i++)
		if (x->separator[i] != x->separator[1] || !is_group(&head, i))
			return false;
	return true;
}

/* Does a space behind these groups, and before the next, divide thousands? */
static bool
is_wide(const struct number *x, struct str next)
{
	return next.n == 3 && x->group[0].n <= 3 && (x->n == 1 || x->separator[1] == ' ') &&
	       are_thousands(x, x->n);
}

/* Reads as many groups as there are; returns their bytes. */
static size_t
read_number(struct str s, struct number *out)
{
	size_t at = digits(s);

	*out = (struct number){ .group = { { s.p, at } }, .n = 1 };
	while (out->n < GROUPS_MAX && at < s.n) {
		uint32_t c;
		size_t len = utf8_next((struct str){ s.p + at, s.n - at }, &c);
		struct str group = { s.p + at + len, s.n - at - len };

		group.n = digits(group);
		if (group.n == 0 || !(c == '.' || c == ',' || c == '\'' || c == 0x2019 || c == ' '))
			break;
		if (c == ' ' && !is_wide(out, group))
			break;
		out->separator[out->n] = c;
		out->group[out->n++] = group;
		at += len + group.n;
	}
	return at;
}

/* The first n groups as one term. */
static void
put_groups(struct buf *b, const struct number *x, size_t n, struct str between)
{
	for (size_t i = 0; i < n; i++) {
		buf_put(b, i > 0 ? between : S(" "));
		buf_put(b, x->group[i]);
	}
}

/*
 * A number of several groups: each, and the whole. 1,234 may be 1234 and 1.234, and is both; what
 * is no such number, as a version, keeps its points.
 */
static void
put_number(struct buf *b, const struct number *x)
{
	uint32_t last = x->separator[x->n - 1];
	bool is_whole = are_thousands(x, x->n);
	bool is_decimal = (last == '.' || last == ',') && are_thousands(x, x->n - 1) &&
			  (x->n == 2 || last != x->separator[1]);

	for (size_t i = 0; i < x->n; i++)
		put_term(b, x->group[i]);
	if (is_whole)
		put_groups(b, x, x->n, S(""));
	if (is_decimal) {
		put_groups(b, x, x->n - 1, S(""));
		buf_put(b, S("."));
		buf_put(b, x->group[x->n - 1]);
	}
	if (!is_whole && !is_decimal)
		put_groups(b, x, x->n, S("."));
}

/* Digits at the start of `rest`; returns how many bytes are done. */
static size_t
add_number(struct scan *s, struct str rest)
{
	struct number x;
	size_t len = read_number(rest, &x);

	if (x.n > 1) {
		end_chain(s);
		put_number(&s->words, &x);
		return len;
	}
	for (size_t i = 0; i < len; i++)
		add_char(s, (struct str){ rest.p + i, 1 }, UNICODE_DIGIT);
	return len;
}

/* What joins two parts of a word: hyphens, also at a line's end, apostrophes, borders. */
static size_t
joint(struct str rest, uint32_t c, size_t len)
{
	bool is_hyphen = c == '-' || c == 0x2010;
	enum unicode_kind kind;

	if (!is_hyphen && c != '_' && c != '\'' && c != 0x2019 && c != 0xb7 && c != 0x200b)
		return 0;
	if (is_hyphen && len < rest.n && rest.p[len] == '\n')
		len++;
	if (len == rest.n)
		return 0;
	(void)utf8_next((struct str){ rest.p + len, rest.n - len }, &c);
	kind = unicode_kind(c);
	return kind == UNICODE_LETTER || kind == UNICODE_DIGIT ? len : 0;
}

/* The next character, or number; returns how many bytes are done. */
static size_t
scan_next(struct scan *s, struct str rest)
{
	uint32_t c;
	size_t len = utf8_next(rest, &c), joined;
	enum unicode_kind kind = unicode_kind(c);

	if (kind >= UNICODE_IDEOGRAPH) {
		end_chain(s);
		add_unspaced(s, (struct str){ rest.p, len }, kind);
		return len;
	}
	end_run(s);
	if (kind == UNICODE_DIGIT)
		return add_number(s, rest);
	if (kind == UNICODE_LETTER) {
		add_char(s, (struct str){ rest.p, len }, kind);
		return len;
	}
	if (s->n > 0 && (joined = joint(rest, c, len)) > 0) {
		end_part(s);
		return joined;
	}
	end_chain(s);
	return len;
}

void
terms_of(struct arena *a, struct str text, struct terms *out)
{
	struct scan s = { .words = { .a = a }, .more = { .a = a } };
	struct str rest = unicode_fold(a, text);

	while (rest.n > 0) {
		size_t len = scan_next(&s, rest);

		rest.p += len;
		rest.n -= len;
	}
	end_chain(&s);
	end_run(&s);
	*out = (struct terms){ buf_str(&s.words), buf_str(&s.more) };
}
