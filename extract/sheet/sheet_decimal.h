/*
 * Numbers as their decimal digits: exact, whatever their length, where a double would change the
 * digits of a phone or an account. Pure.
 */
#ifndef MILLRACE_EXTRACT_SHEET_DECIMAL_H
#define MILLRACE_EXTRACT_SHEET_DECIMAL_H

#include "extract/extract.h"

#define DECIMAL_DIGITS 64 /* significant ones */
#define DECIMAL_POINT 400 /* the point's distance from the first digit; a double's is 308 */
#define DECIMAL_TEXT (DECIMAL_DIGITS + DECIMAL_POINT + 8) /* bytes of one written out */

/* 0.digits * 10^point. Zero has no digits; the first and the last are not '0'. */
struct decimal {
	bool negative;
	size_t n;
	long point;
	char digits[DECIMAL_DIGITS];
};

/*
 * Takes [+-]digits[.digits][E[+-]digits]. False, with nothing written, for anything else and for
 * more digits than fit.
 */
bool decimal_parse(struct bytes b, struct decimal *d);

/* Multiplies by 10^power, exactly. */
void decimal_scale(struct decimal *d, long power);

/* Rounds to so many places after the point, halves away from zero. */
void decimal_round(struct decimal *d, long places);

/* All digits without an exponent: "-1234.5", "0.001". Returns the length. */
size_t decimal_write(const struct decimal *d, char to[DECIMAL_TEXT]);

/*
 * As a spreadsheet shows it without a format: whole numbers with all their digits up to 21,
 * others with 15, which hides a double's noise (0.30000000000000004); beyond, with an exponent.
 */
size_t decimal_general(const struct decimal *d, char to[DECIMAL_TEXT]);

#endif
