#include <string.h>

#include "decimal.h"

/*
 * The same number without its exponent: 2.34e-05, as Python writes small ones, is 0.0000234. False:
 * the exponent is none, or beyond what is of use.
 */
static bool
decimal_plain(struct arena *a, struct str text, struct str *out)
{
	char e = memchr(text.p, 'E', text.n) ? 'E' : 'e';
	struct str mantissa, exponent = str_cut(text, e, &mantissa), whole, part;
	struct buf b = { .a = a };
	int64_t x, point;

	*out = text;
	if (!exponent.p)
		return true;
	if (exponent.n > 1 && exponent.p[0] == '+')
		exponent = (struct str){ exponent.p + 1, exponent.n - 1 };
	if (mantissa.n > 2 * DECIMAL_DIGITS || !str_int(exponent, &x) || x < -DECIMAL_SCALE ||
	    x > DECIMAL_DIGITS)
		return false;
	if (mantissa.n > 0 && mantissa.p[0] == '-') {
		buf_put(&b, S("-"));
		mantissa = (struct str){ mantissa.p + 1, mantissa.n - 1 };
	}
	part = str_cut(mantissa, '.', &whole);
	point = (int64_t)whole.n + x;
	if (point <= 0)
		buf_put(&b, S("0."));
	for (int64_t i = point; i < 0; i++)
		buf_put(&b, S("0"));
	for (int64_t i = 0, n = (int64_t)(whole.n + part.n); i < n || i < point; i++) {
		bool in_whole = i < (int64_t)whole.n;

		if (i == point && point > 0)
			buf_put(&b, S("."));
		buf_put(
		    &b, i >= n ? S("0")
			       : (struct str){
				     in_whole ? whole.p + i : part.p + (i - (int64_t)whole.n), 1 });
	}
	*out = buf_str(&b);
	return true;
}

/* Digits, and how many of them from the first on that is not 0. */
static bool
decimal_digits(struct str digits, bool *leading, size_t *significant)
{
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		*leading = *leading && digits.p[i] == '0';
		*significant += !*leading;
	}
	return digits.n > 0;
}

bool
decimal_parse(struct arena *a, struct str text, struct decimal *out)
{
	struct str whole, part;
	bool leading = true;
	size_t significant = 0, of_part = 0;
	struct decimal d;

	if (!decimal_plain(a, text, &d.text))
		return false;
	d.is_negative = d.text.n > 0 && d.text.p[0] == '-';
	part = str_cut(d.text, '.', &whole);
	if (!decimal_digits((struct str){ whole.p + d.is_negative, whole.n - d.is_negative },
		&leading, &significant) ||
	    !str_int(whole, &d.whole) ||
	    (part.p && !decimal_digits(part, &leading, &significant)) || part.n > DECIMAL_SCALE ||
	    significant > DECIMAL_DIGITS)
		return false;
	leading = true;
	(void)decimal_digits(part, &leading, &of_part);
	d.has_fraction = of_part > 0;
	*out = d;
	return true;
}
