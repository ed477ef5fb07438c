#include "extract/sheet/sheet_decimal.h"

#include <stdio.h>
#include <string.h>

#define GENERAL_DIGITS 15 /* that a double keeps of any number */
#define GENERAL_WHOLE 21 /* digits of a whole number that are written out */
#define GENERAL_SMALL (-9) /* the point of the smallest number without an exponent */

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* Reads the exponent behind E; false for none, or one beyond what is read. */
static bool
parse_exponent(struct bytes b, long *exponent)
{
	bool negative = b.n > 0 && b.p[0] == '-';
	size_t i = b.n > 0 && (b.p[0] == '-' || b.p[0] == '+');
	long v = 0;

	if (i == b.n)
		return false;
	for (; i < b.n; i++)
		if (!is_digit(b.p[i]) || (v = v * 10 + (b.p[i] - '0')) > 2 * DECIMAL_POINT)
			return false;
	*exponent = negative ? -v : v;
	return true;
}

/* Zeros at the end say nothing. */
static void
trim(struct decimal *d)
{
	while (d->n > 0 && d->digits[d->n - 1] == '0')
		d->n--;
	if (d->n == 0)
		d->point = 0, d->negative = false;
}

bool
decimal_parse(struct bytes b, struct decimal *d)
{
	struct decimal x = { .negative = b.n > 0 && b.p[0] == '-' };
	size_t i = b.n > 0 && (b.p[0] == '-' || b.p[0] == '+'), n_digits = 0, n_zeros = 0;
	bool point = false;
	long exponent = 0;

	for (; i < b.n && (is_digit(b.p[i]) || (b.p[i] == '.' && !point)); i++) {
		if (b.p[i] == '.') {
			point = true;
			continue;
		}
		n_digits++;
		if (!point && (x.n > 0 || n_zeros > 0 || b.p[i] != '0'))
			x.point++;
		if (point && x.n == 0 && n_zeros == 0 && b.p[i] == '0') {
			x.point--;
			continue;
		}
		/* Zeros are kept only when another digit follows them. */
		if (b.p[i] == '0') {
			n_zeros += x.n > 0;
			continue;
		}
		if (x.n + n_zeros >= DECIMAL_DIGITS)
			return false;
		memset(x.digits + x.n, '0', n_zeros);
		x.n += n_zeros;
		n_zeros = 0;
		x.digits[x.n++] = (char)b.p[i];
	}
	if (n_digits == 0)
		return false;
	if (i < b.n && (b.p[i] | 0x20) == 'e' &&
	    parse_exponent((struct bytes){ b.p + i + 1, b.n - i - 1 }, &exponent))
		i = b.n;
	if (i != b.n || (x.n > 0 && (x.point + exponent > DECIMAL_POINT ||
					x.point + exponent < -DECIMAL_POINT)))
		return false;
	x.point += exponent;
	trim(&x);
	*d = x;
	return true;
}

void
decimal_scale(struct decimal *d, long power)
{
	if (d->n > 0)
		d->point += power;
}

void
decimal_round(struct decimal *d, long places)
{
	long keep = d->point + places;
	bool up;
	size_t i;

	if (keep >= (long)d->n)
		return;
	if (keep < 0) {
		d->n = 0;
		trim(d);
		return;
	}
	up = d->digits[keep] >= '5';
	d->n = (size_t)keep;
	for (i = d->n; up && i > 0; i--) {
		up = d->digits[i - 1] == '9';
		d->digits[i - 1] = up ? '0' : (char)(d->digits[i - 1] + 1);
	}
	if (up) {
		/* 99.9 to 100: all digits have become zeros. */
		d->digits[0] = '1';
		d->n = 1;
		d->point++;
	}
	trim(d);
}

size_t
decimal_write(const struct decimal *d, char to[DECIMAL_TEXT])
{
	size_t len = 0, whole = d->point > 0 ? (size_t)d->point : 0, i;
	long zeros;

	if (d->negative)
		to[len++] = '-';
	for (i = 0; i < whole && len < DECIMAL_TEXT - 1; i++)
		to[len++] = i < d->n ? d->digits[i] : '0';
	if (whole == 0)
		to[len++] = '0';
	if (d->n > whole) {
		to[len++] = '.';
		for (zeros = d->point; zeros < 0 && len < DECIMAL_TEXT - 1; zeros++)
			to[len++] = '0';
		for (i = whole; i < d->n && len < DECIMAL_TEXT - 1; i++)
			to[len++] = d->digits[i];
	}
	to[len] = '\0';
	return len;
}

size_t
decimal_general(const struct decimal *d, char to[DECIMAL_TEXT])
{
	bool whole = d->point >= (long)d->n;
	struct decimal x = *d;
	size_t len = 0;

	if (!whole || d->point > GENERAL_WHOLE)
		decimal_round(&x, GENERAL_DIGITS - x.point);
	if (x.point <= GENERAL_WHOLE && x.point >= GENERAL_SMALL)
		return decimal_write(&x, to);
	if (x.negative)
		to[len++] = '-';
	to[len++] = x.digits[0];
	if (x.n > 1)
		to[len++] = '.';
	memcpy(to + len, x.digits + 1, x.n - 1);
	len += x.n - 1;
	return len + (size_t)snprintf(to + len, DECIMAL_TEXT - len, "E%+03ld", x.point - 1);
}
