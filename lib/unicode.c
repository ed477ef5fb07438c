#include <ctype.h>
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
