/*
 * Formulas (ECMA-376 part 1, 22.1) in one line, much as Unicode Technical Note 28 writes them:
 * "Q=(πd^2)/4 v". What is more than one character or number stands in parentheses.
 */
#include <ctype.h>
#include <string.h>

#include "extract/docx/docx_story.h"

#define INTEGRAL 0x222B
#define RADICAL 0x221A
#define HAT 0x0302
#define OVERLINE 0x0305

enum { CHAR_BEGIN, CHAR_DIVIDE, CHAR_END };

/* The element around the one that starts or ends, which is open as well. */
static struct open_element *
outer(struct story *s, int up)
{
	return &s->open[s->depth > up ? s->depth - up : 0];
}

static bool
is_word_char(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

void
math_text(struct story *s, const char *p, size_t n)
{
	s->gap = false;
	if (n > 0 && s->len > s->place.paragraph.start && is_word_char(p[0]) &&
	    is_word_char(s->p[s->len - 1]))
		story_put(s, " ", 1);
}

/* Before what is no character, and may become one. */
static void
put_gap(struct story *s)
{
	if (s->gap && s->len > s->place.paragraph.start && is_word_char(s->p[s->len - 1]))
		story_put(s, " ", 1);
	s->gap = false;
}

/* A sum's sign and the like, or a root's. */
static void
put_sign(struct story *s, uint32_t c)
{
	put_gap(s);
	story_put_char(s, c);
}

/* One character, a number, or, where a word may be one thing, a word. */
static bool
is_simple(const char *p, size_t n, bool words)
{
	uint32_t c;
	size_t i, digits = 0, letters = 0;

	if (n == 0 || utf8_get((const unsigned char *)p, n, &c) == n)
		return true;
	for (i = 0; i < n; i++) {
		digits += isdigit((unsigned char)p[i]) || p[i] == '.' || p[i] == ',';
		letters += isalpha((unsigned char)p[i]) != 0;
	}
	return digits == n || (words && letters == n);
}

/* Begins with a parenthesis that its last byte closes. */
static bool
is_enclosed(const char *p, size_t n)
{
	size_t i, open = 0;

	for (i = 0; i < n; i++) {
		open += p[i] == '(';
		if (p[i] == ')' && open > 0)
			open--;
		if (open == 0)
			break;
	}
	return n > 0 && i == n - 1;
}

/* Puts parentheses around what has been written since `at`, where it needs them. */
static void
wrap(struct story *s, size_t at, bool words)
{
	size_t n = s->len > at ? s->len - at : 0;

	if (is_simple(s->p + at, n, words) || is_enclosed(s->p + at, n))
		return;
	story_put(s, "()", 2);
	memmove(s->p + at + 1, s->p + at, n);
	s->p[at] = '(';
	s->p[s->len - 1] = ')';
}

/* An operator before an argument; dropped again where the argument is empty. */
static void
put_operator(struct story *s, char c)
{
	story_put(s, &c, 1);
	s->open[s->depth].at = s->len;
	s->gap = false;
}

static void
end_argument(struct story *s)
{
	struct open_element *o = &s->open[s->depth];

	if (s->len == o->at && s->len > 0)
		story_cut(s, s->len - 1);
	else
		wrap(s, o->at, true);
	s->gap = true;
}

static void
start_begun(struct story *s, const struct xml_element *e)
{
	(void)e;
	if (story_inside(s, 1, "nary") && outer(s, 1)->n++ == 0)
		put_sign(s, outer(s, 1)->chars[CHAR_BEGIN]);
}

static void
start_sub(struct story *s, const struct xml_element *e)
{
	start_begun(s, e);
	put_operator(s, '_');
}

static void
start_sup(struct story *s, const struct xml_element *e)
{
	start_begun(s, e);
	put_operator(s, '^');
}

/* m:lim, below or above. */
static void
start_limit(struct story *s, const struct xml_element *e)
{
	(void)e;
	put_operator(s, story_inside(s, 1, "limUpp") ? '^' : '_');
}

/* The degree of a root: "√[3]x". Mostly there and empty. */
static void
start_degree(struct story *s, const struct xml_element *e)
{
	(void)e;
	outer(s, 1)->n++;
	put_sign(s, RADICAL);
	put_operator(s, '[');
}

static void
end_degree(struct story *s)
{
	if (s->len == s->open[s->depth].at && s->len > 0)
		story_cut(s, s->len - 1);
	else
		story_put(s, "]", 1);
}

static void
start_numerator(struct story *s, const struct xml_element *e)
{
	(void)e;
	put_gap(s);
	s->open[s->depth].at = s->len;
}

static void
end_numerator(struct story *s)
{
	wrap(s, s->open[s->depth].at, false);
	s->gap = false;
}

static void
start_denominator(struct story *s, const struct xml_element *e)
{
	(void)e;
	story_put(s, "/", 1);
	s->open[s->depth].at = s->len;
}

static void
end_denominator(struct story *s)
{
	wrap(s, s->open[s->depth].at, false);
	s->gap = true;
}

/* The base of a power, what stands under a root, between brackets, in a matrix or an array. */
static void
start_base(struct story *s, const struct xml_element *e)
{
	struct open_element *of = outer(s, 1);

	start_begun(s, e);
	if (story_inside(s, 1, "rad") && of->n == 0)
		put_sign(s, RADICAL);
	else if (story_inside(s, 1, "d") && of->chars[of->n == 0 ? CHAR_BEGIN : CHAR_DIVIDE] != 0)
		story_put_char(s, of->chars[of->n == 0 ? CHAR_BEGIN : CHAR_DIVIDE]);
	else if (story_inside(s, 1, "nary"))
		story_put(s, " ", 1);
	else if (story_inside(s, 1, "mr") && of->n > 0)
		story_put(s, ", ", 2);
	else if (story_inside(s, 1, "eqArr") && of->n > 0)
		story_put(s, "; ", 2);
	of->n++;
	if (s->len > s->open[s->depth].at)
		s->gap = false;
	s->open[s->depth].at = s->len;
}

static void
end_base(struct story *s)
{
	struct open_element *o = &s->open[s->depth], *of = outer(s, 1);
	size_t n = s->len > o->at ? s->len - o->at : 0;
	uint32_t c;

	if (story_inside(s, 1, "rad")) {
		wrap(s, o->at, false);
		s->gap = true;
	}
	if ((story_inside(s, 1, "acc") || story_inside(s, 1, "bar")) && n > 0 &&
	    utf8_get((const unsigned char *)s->p + o->at, n, &c) == n)
		story_put_char(s, of->chars[CHAR_BEGIN]);
}

static void
start_row(struct story *s, const struct xml_element *e)
{
	(void)e;
	if (outer(s, 1)->n++ > 0)
		story_put(s, "; ", 2);
}

static void
end_name(struct story *s)
{
	story_put(s, " ", 1);
}

static void
start_delimiters(struct story *s, const struct xml_element *e)
{
	struct open_element *o = &s->open[s->depth];

	(void)e;
	o->chars[CHAR_BEGIN] = '(';
	o->chars[CHAR_DIVIDE] = '|';
	o->chars[CHAR_END] = ')';
}

static void
end_delimiters(struct story *s)
{
	if (s->open[s->depth].chars[CHAR_END] != 0)
		story_put_char(s, s->open[s->depth].chars[CHAR_END]);
	s->gap = true;
}

static void
start_operator(struct story *s, const struct xml_element *e)
{
	s->open[s->depth].chars[CHAR_BEGIN] = strcmp(e->name, "nary") == 0  ? INTEGRAL
					      : strcmp(e->name, "bar") == 0 ? OVERLINE
									    : HAT;
}

static void
end_operator(struct story *s)
{
	s->gap = true;
}

/* A character that m:dPr, m:naryPr or m:accPr names for the element around them. Empty: none. */
static void
start_char(struct story *s, const struct xml_element *e)
{
	struct bytes v = xml_attr(e, NS_MATH, "val");
	int which = strcmp(e->name, "sepChr") == 0   ? CHAR_DIVIDE
		    : strcmp(e->name, "endChr") == 0 ? CHAR_END
						     : CHAR_BEGIN;
	uint32_t c = 0;

	if (v.n > 0 && utf8_get(v.p, v.n, &c) == 0)
		return;
	outer(s, 2)->chars[which] = c;
}

static void
start_math_run(struct story *s, const struct xml_element *e)
{
	(void)e;
	s->place.run = (struct run){ 0 };
}

static void
start_math_text(struct story *s, const struct xml_element *e)
{
	(void)e;
	s->text = story_visible(s);
}

static void
end_math_text(struct story *s)
{
	s->text = false;
}

static const struct rule rules[] = {
	{ "acc", start_operator, NULL },
	{ "bar", start_operator, NULL },
	{ "begChr", start_char, NULL },
	{ "chr", start_char, NULL },
	{ "d", start_delimiters, end_delimiters },
	{ "deg", start_degree, end_degree },
	{ "den", start_denominator, end_denominator },
	{ "e", start_base, end_base },
	{ "endChr", start_char, NULL },
	{ "eqArr", NULL, NULL },
	{ "fName", NULL, end_name },
	{ "lim", start_limit, end_argument },
	{ "limUpp", NULL, NULL },
	{ "mr", start_row, NULL },
	{ "nary", start_operator, end_operator },
	{ "num", start_numerator, end_numerator },
	{ "r", start_math_run, NULL },
	{ "rad", NULL, NULL },
	{ "sepChr", start_char, NULL },
	{ "sub", start_sub, end_argument },
	{ "sup", start_sup, end_argument },
	{ "t", start_math_text, end_math_text },
};

const struct rule *
math_rule(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}
