/* Numbers of lists and clauses as documents write them, and characters of symbol fonts. */
#include <stdio.h>
#include <string.h>

#include "extract/number.h"
#include "extract/out.h"
#include "extract/symbol.h"

#include "test.h"

static void
test_formats(void)
{
	static const struct {
		enum number_format format;
		uint32_t n;
		unsigned width;
		const char *text;
	} cases[] = {
		{ NUMBER_NONE, 7, 0, "" },
		{ NUMBER_DECIMAL, 0, 0, "0" },
		{ NUMBER_DECIMAL, 4294967295, 0, "4294967295" },
		{ NUMBER_DECIMAL, 7, 2, "07" },
		{ NUMBER_DECIMAL, 123, 2, "123" },
		{ NUMBER_DECIMAL, 1, 99, "00000000000000000001" },
		{ NUMBER_UPPER_ROMAN, 4, 0, "IV" },
		{ NUMBER_LOWER_ROMAN, 1949, 0, "mcmxlix" },
		{ NUMBER_LOWER_ROMAN, 3888, 0, "mmmdccclxxxviii" },
		{ NUMBER_UPPER_ROMAN, 4000, 0, "4000" },
		{ NUMBER_UPPER_ROMAN, 0, 0, "0" },
		{ NUMBER_UPPER_LETTER, 1, 0, "A" },
		{ NUMBER_UPPER_LETTER, 26, 0, "Z" },
		{ NUMBER_LOWER_LETTER, 27, 0, "aa" },
		{ NUMBER_LOWER_LETTER, 80, 0, "bbbb" },
		{ NUMBER_LOWER_LETTER, 0, 0, "0" },
		{ NUMBER_LOWER_LETTER, 780, 0, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" },
		{ NUMBER_LOWER_LETTER, 781, 0, "781" },
		{ NUMBER_LOWER_RUSSIAN, 30, 0, "аа" },
		{ NUMBER_UPPER_RUSSIAN, 29, 0, "Я" },
		{ NUMBER_ORDINAL, 1, 0, "1st" },
		{ NUMBER_ORDINAL, 12, 0, "12th" },
		{ NUMBER_ORDINAL, 113, 0, "113th" },
		{ NUMBER_ORDINAL, 22, 0, "22nd" },
		{ NUMBER_CIRCLE, 20, 0, "⑳" },
		{ NUMBER_CIRCLE, 21, 0, "21" },
		{ NUMBER_FULL_WIDTH, 10, 0, "１０" },
		{ NUMBER_DASHES, 5, 0, "- 5 -" },
		{ NUMBER_CHINESE, 10, 0, "十" },
		{ NUMBER_CHINESE, 21, 0, "二十一" },
		{ NUMBER_CHINESE, 101, 0, "一百零一" },
		{ NUMBER_CHINESE, 110, 0, "一百一十" },
		{ NUMBER_CHINESE, 1001, 0, "一千零一" },
		{ NUMBER_CHINESE, 9999, 0, "九千九百九十九" },
		{ NUMBER_CHINESE, 10000, 0, "10000" },
		{ NUMBER_JAPANESE, 101, 0, "百一" },
		{ NUMBER_JAPANESE, 1110, 0, "千百十" },
		{ NUMBER_IDEOGRAPHS, 101, 0, "一〇一" },
	};
	bool good = true;
	size_t i, n;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char to[NUMBER_MAX];

		n = number_put(cases[i].format, cases[i].n, cases[i].width, to);
		EACH(good, n == strlen(cases[i].text) && memcmp(to, cases[i].text, n) == 0,
		    "%s is \"%.*s\"", cases[i].text, (int)n, to);
	}
	CHECK("numbers are written in each format, and in digits where it ends", good);
}

static void
test_symbols(void)
{
	static const struct {
		const char *font;
		uint32_t code, character;
	} cases[] = {
		{ "Symbol", 0xF0B0, 0xB0 },
		{ "symbol", 0x61, 0x3B1 },
		{ "Symbol", 0xFE, 0x23AD },
		{ "Symbol", 0x7F, 0 },
		{ "Symbol", 0x60, 0 },
		{ "Wingdings", 0xF0FE, 0x2611 },
		{ "WINGDINGS", 0xE0, 0x2192 },
		{ "Wingdings", 0x21, 0x270F },
		{ "Wingdings", 0xB7, 0x1F550 },
		{ "Wingdings", 0xFF, 0 },
		{ "Wingdings 2", 0x52, 0x2611 },
		{ "Wingdings 2", 0x7E, 0x277F },
		{ "Wingdings 3", 0xF07D, 0x25B6 },
		{ "Arial", 0x41, 0 },
		{ "", 0x41, 0 },
	};
	bool good = true;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes font = { (const unsigned char *)cases[i].font, strlen(cases[i].font) };

		EACH(good, symbol_unicode(font, cases[i].code) == cases[i].character,
		    "%s 0x%X is U+%04X", cases[i].font, cases[i].code,
		    symbol_unicode(font, cases[i].code));
	}
	CHECK("characters of symbol fonts are what they look like", good);
}

int
main(void)
{
	test_formats();
	test_symbols();
	return test_end();
}
