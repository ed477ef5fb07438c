/* The numbers of lists and clauses. */
#include "extract/number.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "extract/out.h"

#define WIDTH_MAX 20
#define LETTERS_MAX 30 /* of one number; as many as Word writes */

static size_t
put_decimal(uint32_t n, unsigned width, char to[NUMBER_MAX])
{
	return (size_t)snprintf(
	    to, NUMBER_MAX, "%0*u", (int)(width < WIDTH_MAX ? width : WIDTH_MAX), n);
}

/* 0: there is none. */
static size_t
put_roman(uint32_t n, bool upper, char to[NUMBER_MAX])
{
	static const struct {
		uint32_t value;
		const char *text;
	} parts[] = { { 1000, "m" }, { 900, "cm" }, { 500, "d" }, { 400, "cd" }, { 100, "c" },
		{ 90, "xc" }, { 50, "l" }, { 40, "xl" }, { 10, "x" }, { 9, "ix" }, { 5, "v" },
		{ 4, "iv" }, { 1, "i" } };
	size_t i, k, len = 0;

	if (n > 3999)
		return 0;
	for (i = 0; n > 0; i++)
		for (; n >= parts[i].value; n -= parts[i].value)
			for (k = 0; parts[i].text[k] != '\0'; k++)
				to[len++] =
				    (char)(upper ? toupper(parts[i].text[k]) : parts[i].text[k]);
	return len;
}

/* The n-th character of an alphabet of `count`, again and again after its end. 0: too often. */
static size_t
put_letters(uint32_t n, const char *alphabet, uint32_t count, char to[NUMBER_MAX])
{
	uint32_t times, c = 0;
	size_t used = 0, len = 0;
	char letter[4];

	if (n == 0 || (times = (n - 1) / count + 1) > LETTERS_MAX)
		return 0;
	for (n = (n - 1) % count + 1; n > 0; n--) {
		alphabet += used;
		used = utf8_get((const unsigned char *)alphabet, strlen(alphabet), &c);
	}
	used = utf8_put(c, letter);
	for (; times > 0; times--, len += used)
		memcpy(to + len, letter, used);
	return len;
}

static size_t
put_ordinal(uint32_t n, char to[NUMBER_MAX])
{
	const char *end = "th";

	if (n / 10 % 10 != 1)
		end = n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
	return (size_t)snprintf(to, NUMBER_MAX, "%u%s", n, end);
}

static const char *const ideographs[] = { "〇", "一", "二", "三", "四", "五", "六", "七", "八",
	"九" };

/* Each decimal digit as a character. */
static size_t
put_digits(uint32_t n, bool wide, char to[NUMBER_MAX])
{
	char digits[NUMBER_MAX];
	size_t i, len = 0, n_digits = put_decimal(n, 0, digits);

	for (i = 0; i < n_digits; i++) {
		if (wide) {
			len += utf8_put(0xFF10 + (uint32_t)(digits[i] - '0'), to + len);
		} else {
			memcpy(to + len, ideographs[digits[i] - '0'], 3);
			len += 3;
		}
	}
	return len;
}

/*
 * Digits with their units. Japanese leaves out the one of 百 and 十; Chinese the one of 十 at the
 * beginning alone, and says a zero within. 0: there is none.
 */
static size_t
put_units(uint32_t n, bool japanese, char to[NUMBER_MAX])
{
	static const struct {
		uint32_t value;
		const char *text;
	} units[] = { { 1000, "千" }, { 100, "百" }, { 10, "十" }, { 1, "" } };
	bool gap = false;
	size_t i, len = 0;

	if (n == 0 || n > 9999)
		return 0;
	for (i = 0; i < 4; i++) {
		uint32_t digit = n / units[i].value % 10;

		if (digit == 0) {
			gap = len > 0;
			continue;
		}
		if (gap && !japanese) {
			memcpy(to + len, "零", 3);
			len += 3;
		}
		gap = false;
		if (digit > 1 || i == 3 || (!japanese && (i < 2 || len > 0))) {
			memcpy(to + len, ideographs[digit], 3);
			len += 3;
		}
		memcpy(to + len, units[i].text, strlen(units[i].text));
		len += strlen(units[i].text);
	}
	return len;
}

/* 0: the format has no such number. */
static size_t
put_other(enum number_format format, uint32_t n, char to[NUMBER_MAX])
{
	if (format == NUMBER_UPPER_ROMAN || format == NUMBER_LOWER_ROMAN)
		return put_roman(n, format == NUMBER_UPPER_ROMAN, to);
	if (format == NUMBER_UPPER_LETTER)
		return put_letters(n, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 26, to);
	if (format == NUMBER_LOWER_LETTER)
		return put_letters(n, "abcdefghijklmnopqrstuvwxyz", 26, to);
	if (format == NUMBER_UPPER_RUSSIAN)
		return put_letters(n, "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ", 29, to);
	if (format == NUMBER_LOWER_RUSSIAN)
		return put_letters(n, "абвгдежзиклмнопрстуфхцчшщыэюя", 29, to);
	if (format == NUMBER_ORDINAL)
		return put_ordinal(n, to);
	if (format == NUMBER_CIRCLE)
		return n >= 1 && n <= 20 ? utf8_put(0x2460 + n - 1, to) : 0;
	if (format == NUMBER_DASHES)
		return (size_t)snprintf(to, NUMBER_MAX, "- %u -", n);
	if (format == NUMBER_CHINESE || format == NUMBER_JAPANESE)
		return put_units(n, format == NUMBER_JAPANESE, to);
	return put_digits(n, format == NUMBER_FULL_WIDTH, to);
}

size_t
number_put(enum number_format format, uint32_t n, unsigned width, char to[NUMBER_MAX])
{
	size_t len = 0;

	if (format == NUMBER_NONE)
		return 0;
	if (format != NUMBER_DECIMAL)
		len = put_other(format, n, to);
	return len > 0 ? len : put_decimal(n, width, to);
}
