#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

#include <idn2.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>
#include <unictype.h>

#include <millrace/unicode.h>

static const uint8_t *
bytes_of(struct str s)
{
	return (const uint8_t *)s.p;
}

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* What the library has allocated, as the arena's; `otherwise` where it has failed. */
static struct str
taken(struct arena *a, uint8_t *p, size_t n, struct str otherwise)
{
	struct str s = p ? arena_str(a, (struct str){ (char *)p, n }) : otherwise;

	free(p);
	return s;
}

struct str
unicode_nfc(struct arena *a, struct str s)
{
	size_t n = 0;
	uint8_t *p;

	if (is_ascii(s) || !str_utf8(s))
		return s;
	p = u8_normalize(UNINORM_NFC, bytes_of(s), s.n, NULL, &n);
	return taken(a, p, n, s);
}

/* Every code point mapped to one other. */
static struct str
mapped(struct arena *a, struct str s, ucs4_t (*map)(ucs4_t c))
{
	struct buf b = { .a = a };
	uint8_t bytes[6];
	ucs4_t c;

	if (is_ascii(s) || !str_utf8(s))
		return s;
	for (size_t i = 0; i < s.n;) {
		i += (size_t)u8_mbtouc(&c, bytes_of(s) + i, s.n - i);
		buf_put(&b,
		    (struct str){ (char *)bytes, (size_t)u8_uctomb(bytes, map(c), sizeof(bytes)) });
	}
	return buf_str(&b);
}

static ucs4_t
to_space(ucs4_t c)
{
	return uc_is_general_category(c, UC_SPACE_SEPARATOR) ? ' ' : c;
}

struct str
unicode_password(struct arena *a, struct str s)
{
	return unicode_nfc(a, mapped(a, s, to_space));
}

static ucs4_t
to_usual_width(ucs4_t c)
{
	ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
	int tag, n = uc_decomposition(c, &tag, to);

	return n == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW) ? to[0] : c;
}

/*
 * Nearly all text is ASCII, for which these need no table: the library's stay out of a worker's
 * memory until they are wanted.
 */
static bool
is_blank(ucs4_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= '\t' && c <= '\r');
	return uc_is_property_white_space(c) || uc_is_property_default_ignorable_code_point(c);
}

static struct str
trimmed(struct str s)
{
	const uint8_t *from = bytes_of(s), *to = from + s.n, *before;
	ucs4_t c;

	if (!str_utf8(s))
		return s;
	while (from < to) {
		int n = u8_mbtouc(&c, from, (size_t)(to - from));

		if (!is_blank(c))
			break;
		from += n;
	}
	while (from < to && (before = u8_prev(&c, to, from)) && is_blank(c))
		to = before;
	return (struct str){ (const char *)from, (size_t)(to - from) };
}

struct str
unicode_name(struct arena *a, struct str s)
{
	return unicode_nfc(a, mapped(a, trimmed(s), to_usual_width));
}

static struct str
ascii_lower(struct arena *a, struct str s)
{
	char *to = arena_alloc(a, s.n);

	for (size_t i = 0; i < s.n; i++)
		to[i] = (char)tolower((unsigned char)s.p[i]);
	return (struct str){ to, s.n };
}

struct str
unicode_name_lower(struct arena *a, struct str s)
{
	size_t n = 0;
	uint8_t *p;

	s = unicode_name(a, s);
	if (s.n == 0 || !str_utf8(s))
		return s;
	if (is_ascii(s))
		return ascii_lower(a, s);
	p = u8_tolower(bytes_of(s), s.n, NULL, UNINORM_NFC, NULL, &n);
	return taken(a, p, n, s);
}

static bool
holds(struct str s, bool (*is)(ucs4_t c))
{
	ucs4_t c;

	for (size_t i = 0; i < s.n;) {
		i += (size_t)u8_mbtouc(&c, bytes_of(s) + i, s.n - i);
		if (is(c))
			return true;
	}
	return false;
}

static bool
is_control(ucs4_t c)
{
	if (c < 0x80)
		return c < 0x20 || c == 0x7f;
	return uc_is_general_category(c, UC_CONTROL);
}

bool
unicode_has_controls(struct str s)
{
	return holds(s, is_control);
}

bool
unicode_has_blanks(struct str s)
{
	return holds(s, is_blank) || holds(s, is_control);
}

/* Labels in ASCII that IDNA has nothing to say about. */
static bool
is_plain(struct str s)
{
	struct str label;

	if (!is_ascii(s))
		return false;
	while (s.n > 0) {
		s = str_cut(s, '.', &label);
		if (label.n >= 4 && str_eq_nocase((struct str){ label.p, 4 }, S("xn--")))
			return false;
	}
	return true;
}

bool
unicode_domain_ascii(struct arena *a, struct str s, struct str *out)
{
	char *ascii = NULL;

	if (is_plain(s)) {
		*out = unicode_name_lower(a, s);
		return true;
	}
	if (!str_utf8(s) || idn2_to_ascii_8z(arena_cstr(a, s), &ascii,
				IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return false;
	*out = arena_str(a, str_from(ascii));
	idn2_free(ascii);
	return true;
}

bool
unicode_domain(struct arena *a, struct str s, struct str *out)
{
	char *text = NULL;
	struct str ascii;

	if (!unicode_domain_ascii(a, s, &ascii))
		return false;
	if (is_plain(ascii)) {
		*out = ascii;
		return true;
	}
	if (idn2_to_unicode_8z8z(arena_cstr(a, ascii), &text, 0) != IDN2_OK)
		return false;
	*out = arena_str(a, str_from(text));
	idn2_free(text);
	return true;
}

/* -- what search compares -- */

#define BORDER 0x200b /* ZERO WIDTH SPACE */

static void
put_char(struct buf *b, ucs4_t c)
{
	uint8_t bytes[6];

	buf_put(b, (struct str){ (char *)bytes, (size_t)u8_uctomb(bytes, c, sizeof(bytes)) });
}

static bool
is_mark(ucs4_t c)
{
	return c >= 0x80 && uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M);
}

/* Signs that decompose to letters or digits (™ ① ²), which are no part of the word beside them. */
static bool
is_sign(ucs4_t c)
{
	ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
	int tag;

	return c >= 0x80 &&
	       uc_is_general_category_withtable(c, UC_CATEGORY_MASK_So | UC_CATEGORY_MASK_No) &&
	       uc_decomposition(c, &tag, to) > 0;
}

/* Small letters are folded to these (CaseFolding.txt). */
static bool
is_cherokee_capital(ucs4_t c)
{
	return c >= 0x13a0 && c <= 0x13f5;
}

/* Of those that folded text has, none: neither Cherokee's nor pictographs of letters (U+1F189). */
static bool
is_upper(ucs4_t c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z';
	return uc_is_property_uppercase(c) && !is_cherokee_capital(c) &&
	       (is_sign(c) || !uc_is_general_category(c, UC_OTHER_SYMBOL));
}

static bool
is_lower(ucs4_t c)
{
	return c < 0x80 ? c >= 'a' && c <= 'z'
			: uc_is_property_lowercase(c) || is_cherokee_capital(c);
}

/* A text that is being folded. */
struct folding {
	struct buf to;
	bool after_lower, after_upper; /* the character before, without its marks */
};

/*
 * Does a border stand before c: a capital that begins a part of a word, which is one behind a small
 * letter, or of several in a row the last, where a small one follows? Notes c.
 */
static bool
begins_part(struct folding *f, bool upper, bool lower, bool next_lower)
{
	bool begins = upper && (f->after_lower || (f->after_upper && next_lower));

	f->after_lower = lower;
	f->after_upper = upper;
	return begins;
}

/* The character at i; 0 at the end. */
static ucs4_t
char_at(struct str s, size_t i)
{
	ucs4_t c = 0;

	if (i < s.n)
		(void)u8_mbtouc(&c, bytes_of(s) + i, s.n - i);
	return c;
}

/* The characters from i to `end` with borders, also around signs. */
static struct str
with_borders(struct folding *f, struct str s, size_t i, size_t end)
{
	struct buf b = { .a = f->to.a };

	while (i < end) {
		ucs4_t c;
		bool sign;

		i += (size_t)u8_mbtouc(&c, bytes_of(s) + i, s.n - i);
		sign = is_sign(c);
		if ((!is_mark(c) &&
			begins_part(f, is_upper(c), is_lower(c), is_lower(char_at(s, i)))) ||
		    sign)
			put_char(&b, BORDER);
		put_char(&b, c);
		if (sign)
			put_char(&b, BORDER);
	}
	return buf_str(&b);
}

/* How a small letter is spelled that Unicode does not decompose; NULL for all others. */
static const char *
spelling_of(ucs4_t c)
{
	switch (c) {
	case 0xe6: /* æ */
		return "ae";
	case 0xf0: /* ð, đ */
	case 0x111:
		return "d";
	case 0xf8: /* ø */
		return "o";
	case 0xfe: /* þ */
		return "th";
	case 0x127: /* ħ */
		return "h";
	case 0x131: /* ı */
		return "i";
	case 0x142: /* ł */
		return "l";
	case 0x14b: /* ŋ */
		return "n";
	case 0x153: /* œ */
		return "oe";
	case 0x167: /* ŧ */
		return "t";
	case 0x2bb: /* apostrophes that count as letters */
	case 0x2bc:
		return "'";
	case 0x629: /* teh marbuta */
		return "\u0647";
	case 0x640: /* tatweel */
		return "";
	case 0x649: /* alef maksura, Farsi yeh */
	case 0x6cc:
		return "\u064a";
	case 0x671: /* alef wasla */
		return "\u0627";
	case 0x6a9: /* keheh */
		return "\u0643";
	default:
		return NULL;
	}
}

/*
 * What writers leave out, or cannot see: accents, the vowels of Hebrew and Arabic, soft hyphens and
 * the like. Other marks make another letter: the voicing of kana, the vowels of Thai and Hindi.
 */
static bool
is_left_out(ucs4_t c)
{
	const char *script;

	if (uc_is_property_default_ignorable_code_point(c))
		return c != BORDER;
	if (!is_mark(c) || c == 0x3099 || c == 0x309a || uc_script(c) == NULL)
		return false;
	script = uc_script(c)->name;
	return strcmp(script, "Inherited") == 0 || strcmp(script, "Hebrew") == 0 ||
	       strcmp(script, "Arabic") == 0;
}

/* Decomposed text without what is left out, and with digits of ASCII alone. */
static struct str
spelled_plainly(struct arena *a, struct str s)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < s.n;) {
		const char *spelling;
		ucs4_t c;

		i += (size_t)u8_mbtouc(&c, bytes_of(s) + i, s.n - i);
		if (c < 0x80)
			put_char(&b, c);
		else if ((spelling = spelling_of(uc_tolower(c))) != NULL)
			buf_put(&b, str_from(spelling));
		else if (uc_is_general_category(c, UC_DECIMAL_DIGIT_NUMBER))
			put_char(&b, '0' + (ucs4_t)uc_decimal_value(c));
		else if (!is_left_out(c))
			put_char(&b, c);
	}
	return buf_str(&b);
}

/* What text outside of ASCII becomes, once it has its borders. */
static struct str
folded(struct arena *a, struct str s)
{
	size_t n = 0;
	uint8_t *p = u8_normalize(UNINORM_NFKD, bytes_of(s), s.n, NULL, &n);

	s = spelled_plainly(a, taken(a, p, n, s));
	if (is_ascii(s))
		return ascii_lower(a, s);
	p = u8_casefold(bytes_of(s), s.n, NULL, UNINORM_NFC, NULL, &n);
	return taken(a, p, n, s);
}

/*
 * Characters that become the same whatever stands beside them, each worked out once: Latin, Greek
 * and Cyrillic ones, as long as there is no mark among them.
 */
#define ALONE_END 0x530

static struct alone {
	bool upper, lower, sign;
	unsigned char n;
	char text[12];
} alone[ALONE_END];
static pthread_once_t alone_once = PTHREAD_ONCE_INIT;

static void
alone_fill(void)
{
	struct arena *a = arena_new();

	for (ucs4_t c = 0x80; c < ALONE_END; c++) {
		struct alone *x = &alone[c];
		struct buf b = { .a = a };
		struct str text;

		put_char(&b, c);
		text = folded(a, buf_str(&b));
		*x = (struct alone){ is_upper(c), is_lower(c), is_sign(c), (unsigned char)text.n,
			"" };
		memcpy(x->text, text.p, text.n < sizeof(x->text) ? text.n : sizeof(x->text));
		arena_reset(a);
	}
	arena_free(a);
}

/* The others of that kind are punctuation, which stays as it is, and a border. */
static bool
is_alone(ucs4_t c)
{
	ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
	int tag;

	if (c < ALONE_END)
		return !is_mark(c);
	return c == BORDER || (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_P) &&
				  uc_decomposition(c, &tag, to) < 0);
}

static void
fold_alone(struct folding *f, ucs4_t c, bool next_lower)
{
	static const struct alone other;
	const struct alone *x = c < ALONE_END ? &alone[c] : &other;

	if (begins_part(f, x->upper, x->lower, next_lower) || x->sign)
		put_char(&f->to, BORDER);
	if (c < ALONE_END)
		buf_put(&f->to, (struct str){ x->text, x->n });
	else
		put_char(&f->to, c);
	if (x->sign)
		put_char(&f->to, BORDER);
}

/* Folds what stands from i on outside of ASCII; returns where it ends. */
static size_t
fold_others(struct folding *f, struct str s, size_t i)
{
	size_t end = i;
	bool all_alone = true;
	ucs4_t c;

	while (end < s.n && (unsigned char)s.p[end] >= 0x80) {
		end += (size_t)u8_mbtouc(&c, bytes_of(s) + end, s.n - end);
		all_alone = all_alone && is_alone(c);
	}
	if (!all_alone) {
		buf_put(&f->to, folded(f->to.a, with_borders(f, s, i, end)));
		return end;
	}
	(void)pthread_once(&alone_once, alone_fill);
	while (i < end) {
		i += (size_t)u8_mbtouc(&c, bytes_of(s) + i, s.n - i);
		fold_alone(f, c, is_lower(char_at(s, i)));
	}
	return end;
}

/* The same of ASCII. */
static size_t
fold_ascii(struct folding *f, struct str s, size_t i)
{
	char part[256];
	size_t n = 0;

	for (; i < s.n && (unsigned char)s.p[i] < 0x80 && n + 4 <= sizeof(part); i++) {
		ucs4_t c = (unsigned char)s.p[i];
		bool upper = is_upper(c);

		if (begins_part(f, upper, is_lower(c), upper && is_lower(char_at(s, i + 1)))) {
			memcpy(part + n, "\u200b", 3);
			n += 3;
		}
		part[n++] = (char)(upper ? c | 0x20 : c);
	}
	buf_put(&f->to, (struct str){ part, n });
	return i;
}

struct str
unicode_fold(struct arena *a, struct str s)
{
	struct folding f = { .to = { .a = a } };

	if (!str_utf8(s))
		return s;
	for (size_t i = 0; i < s.n;)
		i = ((unsigned char)s.p[i] < 0x80 ? fold_ascii : fold_others)(&f, s, i);
	return buf_str(&f.to);
}

/* Scripts without spaces between words. */
static enum unicode_kind
kind_of_script(const char *script)
{
	static const char *const scripts[] = { "Katakana", "Bopomofo", "Thai", "Lao", "Khmer",
		"Myanmar" };

	if (strcmp(script, "Han") == 0 || strcmp(script, "Hangul") == 0)
		return UNICODE_IDEOGRAPH;
	if (strcmp(script, "Hiragana") == 0)
		return UNICODE_HIRAGANA;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		if (strcmp(script, scripts[i]) == 0)
			return UNICODE_UNSPACED;
	return UNICODE_LETTER;
}

enum unicode_kind
unicode_kind(uint32_t c)
{
	if (c < 0x80)
		return c >= '0' && c <= '9' ? UNICODE_DIGIT
		       : is_lower(c)	    ? UNICODE_LETTER
					    : UNICODE_OTHER;
	if (c >= 0x1f000 && uc_is_general_category(c, UC_OTHER_SYMBOL))
		return UNICODE_IDEOGRAPH;
	if (!uc_is_general_category_withtable(
		c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_N))
		return UNICODE_OTHER;
	if (c == 0x30fc) /* lengthens katakana, and is of no script */
		return UNICODE_UNSPACED;
	return c >= 0xe00 && uc_script(c) ? kind_of_script(uc_script(c)->name) : UNICODE_LETTER;
}
