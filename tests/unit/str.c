/* lib/str.c: strings from outside, UTF-8, integers, UUIDs. */
#include "test.h"

/* The lowest and highest code point of each row of the Unicode Standard's table 3-7. */
static const struct {
	uint32_t first, last;
} rows[] = {
	{ 0x0, 0x7f },
	{ 0x80, 0x7ff },
	{ 0x800, 0xfff },
	{ 0x1000, 0xcfff },
	{ 0xd000, 0xd7ff },
	{ 0xe000, 0xffff },
	{ 0x10000, 0x3ffff },
	{ 0x40000, 0xfffff },
	{ 0x100000, 0x10ffff },
};

static size_t
encode(uint32_t c, char *p)
{
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = len; i-- > 1; c >>= 6)
		p[i] = (char)(0x80 | (c & 0x3f));
	p[0] = (char)(len == 1 ? c : (0xf00U >> len & 0xf0) | c);
	return len;
}

static bool
is_scalar(uint32_t c)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (c >= rows[i].first && c <= rows[i].last)
			return true;
	return false;
}

static void
utf8_code_points(void)
{
	bool good = true;
	char p[4];

	for (uint32_t c = 0; c <= 0x110010; c++) {
		struct str s = { p, encode(c, p) };

		EACH(good, str_utf8(s) == is_scalar(c), "U+%04X", c);
		if (is_scalar(c))
			EACH(good, str_chars(s) == 1, "U+%04X counts as one", c);
	}
	CHECK("every code point is taken, and no surrogate, nor what is above U+10FFFF", good);
}

/* Table 3-7 written out once more, byte by byte. */
static bool
table_says(const unsigned char b[4], size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len = b[0] < 0x80		    ? 1
		     : b[0] >= 0xc2 && b[0] <= 0xdf ? 2
		     : b[0] >= 0xe0 && b[0] <= 0xef ? 3
		     : b[0] >= 0xf0 && b[0] <= 0xf4 ? 4
						    : 0;

	if (len != n)
		return false;
	low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : low;
	high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : high;
	for (size_t i = 1; i < len; i++) {
		if (b[i] < low || b[i] > high)
			return false;
		low = 0x80;
		high = 0xbf;
	}
	return true;
}

static void
utf8_bytes(void)
{
	static const unsigned char edges[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
		0xc0, 0xff };
	bool good = true;

	for (unsigned first = 0; first < 256; first++)
		for (size_t i = 0; i < sizeof(edges); i++)
			for (size_t k = 0; k < sizeof(edges); k++) {
				unsigned char b[4] = { (unsigned char)first, edges[i], edges[k],
					0x80 };

				for (size_t n = 2; n <= 4; n++) {
					bool one = table_says(b, n);
					bool more =
					    first < 0x80 || table_says(b, 2) || table_says(b, 3);

					if (!one && more)
						continue;
					EACH(good, str_utf8((struct str){ (char *)b, n }) == one,
					    "%02x %02x %02x %02x, %zu", b[0], b[1], b[2], b[3], n);
				}
			}
	CHECK("sequences are those of table 3-7", good);
	CHECK("a sequence cut short is refused",
	    !str_utf8(S("\xc3")) && !str_utf8(S("a\xe2\x82")) && !str_utf8(S("\xf0\x9f\x98")));
	CHECK("overlong forms are refused", !str_utf8(S("\xc0\xaf")) &&
						!str_utf8(S("\xe0\x80\xaf")) &&
						!str_utf8(S("\xf0\x80\x80\xaf")));
	CHECK("nothing is well formed", str_utf8(S("")) && str_utf8((struct str){ NULL, 0 }));
	CHECK(
	    "characters are counted, not bytes", str_chars(S("Zo\xc3\xab \xf0\x9f\x98\x80")) == 5);
}

static void
integers(void)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "--1",
		"9223372036854775808", "-9223372036854775809", "18446744073709551616",
		"99999999999999999999999999", "1a", "\xd9\xa1" };
	int64_t v = 7;
	bool good = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !str_int(str_from(bad[i]), &v) && v == 7, "\"%s\"", bad[i]);
	CHECK("what is no integer is refused and writes nothing", good);
	CHECK("zero", str_int(S("0"), &v) && v == 0 && str_int(S("-0"), &v) && v == 0);
	CHECK("the largest", str_int(S("9223372036854775807"), &v) && v == INT64_MAX);
	CHECK("the smallest", str_int(S("-9223372036854775808"), &v) && v == INT64_MIN);
	CHECK("leading zeros", str_int(S("0000000000000000000000042"), &v) && v == 42);
	CHECK("NUL is no digit", !str_int((struct str){ "1\0", 2 }, &v));
}

static void
uuids(void)
{
	static const char *const bad[] = { "", "0190b3e8-8a54-7c3e-9d55-0242ac12000",
		"0190b3e8-8a54-7c3e-9d55-0242ac1200022", "0190b3e88a54-7c3e-9d55-0242ac120002-",
		"0190b3e8-8a54-7c3e-9d55-0242ac12000g", "{190b3e8-8a54-7c3e-9d55-0242ac12000}",
		"0190b3e8 8a54 7c3e 9d55 0242ac120002" };
	struct uuid u = { "" };
	bool good = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !uuid_parse(str_from(bad[i]), &u) && u.text[0] == '\0', "%s", bad[i]);
	CHECK("what is no UUID is refused and writes nothing", good);
	CHECK("an absent UUID is an absent str", uuid_str(&u).p == NULL);
	CHECK("letters become small",
	    uuid_parse(S("0190B3E8-8A54-7C3E-9D55-0242AC12ABCD"), &u) &&
		str_eq(uuid_str(&u), S("0190b3e8-8a54-7c3e-9d55-0242ac12abcd")));
}

static void
pieces(void)
{
	static const char *const some[] = { "a", "b", NULL };
	struct str head, rest = str_cut(S("a=b=c"), '=', &head);

	CHECK("cut at the first", str_eq(head, S("a")) && str_eq(rest, S("b=c")));
	rest = str_cut(S("abc"), '=', &head);
	CHECK("nothing to cut", str_eq(head, S("abc")) && rest.p == NULL);
	rest = str_cut(S("abc="), '=', &head);
	CHECK("an empty rest is present", str_eq(head, S("abc")) && rest.p && rest.n == 0);
	rest = str_cut((struct str){ NULL, 0 }, '=', &head);
	CHECK("absent stays absent", head.p == NULL && rest.p == NULL);
	CHECK("trimmed", str_eq(str_trim(S(" \t a b\t ")), S("a b")) && str_trim(S(" \t ")).n == 0);
	CHECK("case is ignored for ASCII only",
	    str_eq_nocase(S("Content-TYPE"), S("content-type")) && !str_eq_nocase(S("a"), S("b")) &&
		!str_eq_nocase(S("\xc3\xa4"), S("\xc3\x84")) && !str_eq_nocase(S("a"), S("aa")));
	CHECK("one of several", str_is_in(S("b"), some) && !str_is_in(S("bc"), some) &&
				    !str_is_in((struct str){ NULL, 0 }, some));
	CHECK("starts", str_starts(S("Bearer x"), S("Bearer ")) && !str_starts(S("B"), S("Be")) &&
			    str_starts((struct str){ NULL, 0 }, S("")) &&
			    str_starts(S("a"), (struct str){ NULL, 0 }));
	CHECK("equal", str_eq(S(""), (struct str){ NULL, 0 }) && !str_eq(S("a"), S("ab")) &&
			   !str_eq(S("a\0b"), S("a\0c")));
}

int
main(void)
{
	utf8_code_points();
	utf8_bytes();
	integers();
	uuids();
	pieces();
	return test_end();
}
