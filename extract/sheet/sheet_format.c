/* Number formats: their sections, what they make of a number, and how it is shown. */
#include "extract/sheet/sheet_format.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCALE_MAX 6 /* percent signs and thousands' commas that count */
#define PLACES_MAX 30 /* that Excel shows */

/* One item of a code: a placeholder, a letter, or text that is shown as it is. */
enum token {
	TOKEN_END,
	TOKEN_TEXT, /* quoted, escaped, a currency, or a character without a meaning */
	TOKEN_CHAR, /* has a meaning: 0 # ? . , % / @ E and letters */
	TOKEN_BRACKET, /* [h], [Red], [>100] */
	TOKEN_GENERAL,
};

struct scan {
	struct bytes rest;
	struct bytes text; /* of the last token, without quotes and brackets */
};

static struct bytes
take(struct scan *s, size_t skip, size_t n, size_t behind)
{
	struct bytes t = { s->rest.p + skip, n };

	s->rest.p += skip + n + behind;
	s->rest.n -= skip + n + behind;
	return t;
}

/* [$€-816] shows €; all other brackets show nothing. */
static enum token
take_bracket(struct scan *s)
{
	const unsigned char *end = memchr(s->rest.p, ']', s->rest.n), *dash;

	if (end == NULL) {
		s->text = take(s, 0, 1, 0);
		return TOKEN_TEXT;
	}
	s->text = take(s, 1, (size_t)(end - s->rest.p) - 1, 1);
	if (s->text.n == 0 || s->text.p[0] != '$')
		return TOKEN_BRACKET;
	s->text.p++;
	s->text.n--;
	if ((dash = memchr(s->text.p, '-', s->text.n)) != NULL)
		s->text.n = (size_t)(dash - s->text.p);
	return TOKEN_TEXT;
}

/* The bytes of the character at p. */
static size_t
character(const unsigned char *p, size_t n)
{
	uint32_t c;
	size_t len = utf8_get(p, n, &c);

	return len > 0 ? len : 1;
}

static enum token
next_token(struct scan *s)
{
	const unsigned char *p = s->rest.p, *end;
	size_t n = s->rest.n;

	if (n == 0)
		return TOKEN_END;
	if (p[0] == '"') {
		end = memchr(p + 1, '"', n - 1);
		s->text = end != NULL ? take(s, 1, (size_t)(end - p) - 1, 1) : take(s, 1, n - 1, 0);
		return TOKEN_TEXT;
	}
	if (p[0] == '\\' && n > 1) {
		s->text = take(s, 1, character(p + 1, n - 1), 0);
		return TOKEN_TEXT;
	}
	if (p[0] == '_' && n > 1) {
		/* As much room as the next character takes. */
		(void)take(s, 1, character(p + 1, n - 1), 0);
		s->text = (struct bytes){ (const unsigned char *)" ", 1 };
		return TOKEN_TEXT;
	}
	if (p[0] == '*' && n > 1) {
		/* The next character fills the cell's width. */
		(void)take(s, 1, character(p + 1, n - 1), 0);
		s->text.n = 0;
		return TOKEN_TEXT;
	}
	if (p[0] == '[')
		return take_bracket(s);
	if (n >= 7 && strncasecmp((const char *)p, "general", 7) == 0) {
		s->text = take(s, 0, 7, 0);
		return TOKEN_GENERAL;
	}
	/* The sign of an exponent is part of it. */
	s->text = take(s, 0, 1, (p[0] | 0x20) == 'e' && n > 1 && (p[1] == '+' || p[1] == '-'));
	return strchr("0#?.,%/@eEyYmMdDhHsSaApPgGbB", s->text.p[0]) != NULL ? TOKEN_CHAR
									    : TOKEN_TEXT;
}

/* The next section; code is what follows it. */
static struct bytes
cut_section(struct bytes *code)
{
	struct scan s = { .rest = *code };
	struct bytes section = *code;

	while (s.rest.n > 0 && s.rest.p[0] != ';')
		(void)next_token(&s);
	section.n -= s.rest.n;
	if (s.rest.n > 0)
		(void)take(&s, 1, 0, 0);
	*code = s.rest;
	return section;
}

/* What the letters of a date format are, outside of what is shown as it is. */
struct letters {
	bool date, time, seconds, duration;
	bool digits; /* places of a number */
	bool percent, general;
	bool last_hour; /* an m behind it is minutes */
	bool month_or_minute; /* an m that the next letter decides */
};

static void
see_letter(struct letters *l, int c)
{
	bool undecided = l->month_or_minute;

	l->month_or_minute = c == 'm' && !l->last_hour;
	if (c == 'm') {
		l->time |= l->last_hour;
		l->month_or_minute |= undecided;
		return;
	}
	if (undecided && c == 's')
		l->time = true;
	else if (undecided)
		l->date = true;
	l->date |= c == 'y' || c == 'd';
	l->time |= c == 'h' || c == 's';
	l->seconds |= c == 's';
	l->last_hour = c == 'h';
}

static void
see_token(struct letters *l, enum token t, struct bytes text)
{
	int c = text.n > 0 ? text.p[0] | 0x20 : 0;

	if (t == TOKEN_GENERAL)
		l->general = true;
	if (t == TOKEN_BRACKET && (c == 'h' || c == 'm' || c == 's') &&
	    (text.n == 1 || (text.p[1] | 0x20) == c)) {
		l->duration = true;
		l->last_hour = c == 'h';
		l->seconds |= c == 's';
	}
	if (t != TOKEN_CHAR)
		return;
	c = text.p[0];
	/* The zeros of ss.000 are a time's. */
	if (c == '#' || c == '?' || (c == '0' && !l->seconds))
		l->digits = true;
	else if (c == '%')
		l->percent = true;
	else if (strchr("yYmMdDhHsS", c) != NULL)
		see_letter(l, c | 0x20);
}

struct format
format_parse(struct bytes code)
{
	struct format f = { .type = CELL_NUMBER };
	struct letters l = { 0 };
	struct scan s;
	enum token t;

	do {
		f.sections[f.n++] = cut_section(&code);
	} while (code.n > 0 && f.n < FORMAT_SECTIONS);
	s.rest = f.sections[0];
	while ((t = next_token(&s)) != TOKEN_END)
		see_token(&l, t, s.text);
	l.date |= l.month_or_minute;
	f.seconds = l.seconds;
	f.general = f.n == 1 && l.general && f.sections[0].n == 7;
	if (l.percent)
		f.type = CELL_PERCENTAGE;
	else if (l.duration && !l.digits)
		f.type = CELL_DURATION;
	else if ((l.date || l.time) && !l.digits && !l.general)
		f.type = l.date && l.time ? CELL_DATETIME : l.date ? CELL_DATE : CELL_TIME;
	return f;
}

const char *
format_builtin(unsigned long id)
{
	static const struct {
		unsigned char first, last;
		const char *code;
	} codes[] = {
		{ 1, 1, "0" },
		{ 2, 2, "0.00" },
		{ 3, 3, "#,##0" },
		{ 4, 4, "#,##0.00" },
		{ 5, 6, "$#,##0;-$#,##0" },
		{ 7, 8, "$#,##0.00;-$#,##0.00" },
		{ 9, 9, "0%" },
		{ 10, 10, "0.00%" },
		{ 11, 11, "0.00E+00" },
		{ 12, 13, "# ?/?" },
		{ 14, 17, "yyyy-mm-dd" },
		{ 18, 18, "h:mm" },
		{ 19, 19, "h:mm:ss" },
		{ 20, 20, "h:mm" },
		{ 21, 21, "h:mm:ss" },
		{ 22, 22, "yyyy-mm-dd h:mm" },
		/* By the language of Excel: dates in East Asia's, but some times. */
		{ 27, 31, "yyyy-mm-dd" },
		{ 32, 35, "h:mm:ss" },
		{ 36, 36, "yyyy-mm-dd" },
		{ 37, 38, "#,##0;(#,##0)" },
		{ 39, 40, "#,##0.00;(#,##0.00)" },
		{ 41, 42, "#,##0;-#,##0" },
		{ 43, 44, "#,##0.00;-#,##0.00" },
		{ 45, 45, "mm:ss" },
		{ 46, 46, "[h]:mm:ss" },
		{ 47, 47, "mm:ss.0" },
		{ 48, 48, "##0.0E+0" },
		{ 50, 58, "yyyy-mm-dd" },
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (id >= codes[i].first && id <= codes[i].last)
			return codes[i].code;
	return "General";
}

/* A section's places, and what is done to the number before it fills them. */
struct shape {
	size_t whole; /* places before the point */
	long places, least; /* after it: at most, at least */
	long power; /* of ten */
	bool point, group, plain; /* plain: fractions and exponents, shown as decimal_general() */
};

static struct shape
shape_of(struct bytes section)
{
	struct scan s = { .rest = section };
	struct shape h = { 0 };
	long commas = 0;
	enum token t;

	while ((t = next_token(&s)) != TOKEN_END) {
		int c = t == TOKEN_CHAR ? s.text.p[0] : 0;

		if (t == TOKEN_GENERAL || c == 'E' || c == 'e' || c == '/')
			h.plain = true;
		if (c == '%' && h.power < SCALE_MAX)
			h.power += 2;
		if (c == ',')
			commas++;
		if (c == '.')
			h.point = true;
		if (c != '0' && c != '#' && c != '?')
			continue;
		h.group |= commas > 0 && h.whole > 0 && !h.point;
		commas = 0;
		if (!h.point) {
			h.whole++;
		} else if (h.places < PLACES_MAX) {
			h.places++;
			if (c == '0')
				h.least = h.places;
		}
	}
	/* Commas behind the last place divide by a thousand each. */
	if (h.whole > 0)
		h.power -= 3 * (commas < SCALE_MAX ? commas : SCALE_MAX);
	return h;
}

struct shown {
	char *p;
	size_t n, cap;
};

static void
show(struct shown *to, const void *p, size_t n)
{
	if (n > 0 && n <= to->cap - to->n) {
		memcpy(to->p + to->n, p, n);
		to->n += n;
	}
}

/* The whole part's digits for the place i of n: the first place takes all that are too many. */
static void
show_whole(
    struct shown *to, const struct shape *h, const char *digits, size_t n, size_t i, bool zero)
{
	size_t from, left = h->whole - i; /* this place and those to its right */

	if (i == 0 && n > h->whole) {
		from = 0;
	} else if (n >= left) {
		from = n - left;
	} else {
		if (zero) {
			show(to, "0", 1);
			if (h->group && left > 1 && left % 3 == 1)
				show(to, ",", 1);
		}
		return;
	}
	for (; from < n - left + 1; from++) {
		size_t behind = n - 1 - from;

		show(to, digits + from, 1);
		if (h->group && behind > 0 && behind % 3 == 0)
			show(to, ",", 1);
	}
}

/* The number, which is positive, in a section. */
static void
show_section(struct shown *to, struct bytes section, const struct decimal *d)
{
	struct scan s = { .rest = section };
	struct shape h = shape_of(section);
	char digits[DECIMAL_TEXT], *point;
	size_t n, i = 0, whole;
	bool plain = h.plain, fraction = false;
	struct decimal x = *d;
	enum token t;

	decimal_scale(&x, h.power);
	if (!plain)
		decimal_round(&x, h.places);
	n = plain ? decimal_general(&x, digits) : decimal_write(&x, digits);
	digits[n] = '\0';
	point = strchr(digits, '.');
	whole = point != NULL ? (size_t)(point - digits) : n;
	if (whole == 1 && digits[0] == '0')
		whole = 0;
	while ((t = next_token(&s)) != TOKEN_END) {
		int c = t == TOKEN_CHAR ? s.text.p[0] : 0;

		if (t == TOKEN_TEXT || c == '%') {
			show(to, s.text.p, s.text.n);
		} else if (h.plain) {
			if (plain && (t == TOKEN_GENERAL || c == '0' || c == '#' || c == '?'))
				show(to, digits, n);
			plain = plain && t != TOKEN_GENERAL && c != '0' && c != '#' && c != '?';
		} else if ((c == '0' || c == '#' || c == '?') && !fraction) {
			show_whole(to, &h, digits, whole, i++, c == '0');
		} else if (c == '.' && !fraction) {
			size_t have = point != NULL ? n - (size_t)(point - digits) - 1 : 0;

			fraction = true;
			if (h.whole == 0)
				show(to, digits, whole);
			if (have > 0 || h.least > 0)
				show(to, ".", 1);
			if (have > 0)
				show(to, point + 1, have);
			for (; have < (size_t)h.least; have++)
				show(to, "0", 1);
		}
	}
}

/* [>100] before a section: true where it has one, and *holds whether the number fits. */
static bool
condition(struct bytes section, const struct decimal *d, bool *holds)
{
	struct scan s = { .rest = section };
	char text[DECIMAL_TEXT], number[64];
	double v, limit;
	size_t op = 0;
	enum token t;

	while ((t = next_token(&s)) == TOKEN_BRACKET)
		if (s.text.n > 0 && s.text.n < sizeof(number) && strchr("<>=", s.text.p[0]) != NULL)
			break;
	if (t != TOKEN_BRACKET)
		return false;
	memcpy(number, s.text.p, s.text.n);
	number[s.text.n] = '\0';
	op = strspn(number, "<>=");
	(void)decimal_write(d, text);
	/* Which section it is needs no exact digits. */
	v = strtod(text, NULL);
	limit = strtod(number + op, NULL);
	if (op == 2 && number[0] == '<' && number[1] == '>')
		*holds = v < limit || v > limit;
	else
		*holds = (v < limit && memchr(number, '<', op) != NULL) ||
			 (v > limit && memchr(number, '>', op) != NULL) ||
			 (!(v < limit) && !(v > limit) && memchr(number, '=', op) != NULL);
	return true;
}

/* The section for a number; *sign: its minus is shown. */
static struct bytes
choose(const struct format *f, const struct decimal *d, bool *sign)
{
	size_t n = f->n < 3 ? f->n : 3, i;
	bool holds, any = false;

	*sign = d->negative;
	for (i = 0; i < n; i++) {
		if (!condition(f->sections[i], d, &holds))
			continue;
		any = true;
		if (holds)
			return f->sections[i];
	}
	if (any)
		return f->sections[n - 1];
	if (n == 1 || (!d->negative && (d->n > 0 || n < 3)))
		return f->sections[0];
	*sign = false;
	return f->sections[d->negative ? 1 : 2];
}

size_t
format_number(const struct format *f, const struct decimal *d, char to[FORMAT_SHOWN])
{
	struct shown out = { to, 0, FORMAT_SHOWN };
	struct bytes section;
	struct decimal x = *d;
	size_t start = 0, i;
	bool sign;

	section = choose(f, d, &sign);
	x.negative = false;
	if (sign)
		show(&out, "-", 1);
	start = out.n;
	/* A section of text alone (@) shows the number as it is. */
	if (section.n == 1 && section.p[0] == '@')
		section = (struct bytes){ (const unsigned char *)"General", 7 };
	show_section(&out, section, &x);
	/* -0.00 is no number. */
	for (i = start; sign && i < out.n && !(to[i] >= '1' && to[i] <= '9'); i++)
		;
	if (sign && i == out.n) {
		memmove(to, to + start, out.n - start);
		out.n -= start;
	}
	while (out.n > 0 && to[out.n - 1] == ' ')
		out.n--;
	for (i = 0; i < out.n && to[i] == ' '; i++)
		;
	memmove(to, to + i, out.n - i);
	return out.n - i;
}
