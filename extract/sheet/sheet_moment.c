/* Dates, times and durations: from serial numbers and ISO 8601, and back into text. */
#include "extract/sheet/sheet_format.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000
#define DAYS_MAX 2958465 /* 9999-12-31 */
#define DURATION_DAYS_MAX 3650000
#define DAYS_MIN (-693593) /* 0001-01-01 */
#define LEAP_1900 60
#define EPOCH_1904 1462 /* days from 1899-12-30 */
#define FRACTION_DIGITS 11 /* of a day that count: less than a microsecond */

/* Days since 1899-12-30 of the proleptic Gregorian calendar, as in Hinnant's civil_from_days. */
static void
set_date(struct moment *m, long days)
{
	long z = days + 719468 - 25569, era = (z >= 0 ? z : z - 146096) / 146097;
	long doe = z - era * 146097;
	long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	long doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	m->date = true;
	m->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	m->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	m->year = (int)(yoe + era * 400 + (m->month <= 2));
}

/* Splits into whole days, rounded down, and milliseconds. False: too far away. */
static bool
split(const struct decimal *d, long *days, int64_t *ms)
{
	uint64_t fraction = 0, scale = 1;
	long whole = 0, i;

	if (d->point > 8)
		return false;
	for (i = 0; i < d->point; i++)
		whole = whole * 10 + (i < (long)d->n ? d->digits[i] - '0' : 0);
	for (i = 0; i < FRACTION_DIGITS; i++) {
		long at = d->point + i;

		fraction = fraction * 10 +
			   (at >= 0 && at < (long)d->n ? (uint64_t)(d->digits[at] - '0') : 0);
		scale *= 10;
	}
	*ms = (int64_t)((fraction * DAY_MS + scale / 2) / scale);
	if (d->negative) {
		whole = -whole;
		*ms = -*ms;
	}
	for (; *ms < 0; whole--)
		*ms += DAY_MS;
	for (; *ms >= DAY_MS; whole++)
		*ms -= DAY_MS;
	*days = whole;
	return true;
}

enum moment_result
moment_from_serial(const struct decimal *d, bool epoch_1904, enum cell_type type, struct moment *m)
{
	struct moment x = { 0 };
	long days;

	if (!split(d, &days, &x.ms))
		return MOMENT_NONE;
	if (type == CELL_DURATION) {
		if (days > DURATION_DAYS_MAX || days < -DURATION_DAYS_MAX)
			return MOMENT_NONE;
		x.ms += (int64_t)days * DAY_MS;
		*m = x;
		return MOMENT_OK;
	}
	x.time = type != CELL_DATE || x.ms != 0;
	if (epoch_1904)
		days += EPOCH_1904;
	else if (days == LEAP_1900)
		return MOMENT_LEAP_1900;
	if (days > DAYS_MAX || days < DAYS_MIN)
		return MOMENT_NONE;
	if (!epoch_1904 && days == 0) {
		/* A time of day alone. */
		if (type == CELL_DATE && x.ms == 0)
			return MOMENT_NONE;
	} else if (type != CELL_TIME || days != (epoch_1904 ? EPOCH_1904 : 0)) {
		set_date(&x, !epoch_1904 && days > 0 && days < LEAP_1900 ? days + 1 : days);
	}
	*m = x;
	return MOMENT_OK;
}

/* Reads `n` digits, or as many as there are, at most 9, where n is 0. */
static bool
digits(struct bytes *b, size_t n, int64_t *v)
{
	size_t i;

	*v = 0;
	for (i = 0; i < b->n && i < (n > 0 ? n : 9) && b->p[i] >= '0' && b->p[i] <= '9'; i++)
		*v = *v * 10 + (b->p[i] - '0');
	if (i == 0 || (n > 0 && i != n))
		return false;
	b->p += i;
	b->n -= i;
	return true;
}

static bool
skip(struct bytes *b, char c)
{
	if (b->n == 0 || b->p[0] != (unsigned char)c)
		return false;
	b->p++;
	b->n--;
	return true;
}

/* The digits behind a point, to the millisecond; more are dropped. */
static bool
fraction(struct bytes *b, int64_t *ms)
{
	int64_t scale = 100;

	if (!skip(b, '.') && !skip(b, ','))
		return true;
	for (; b->n > 0 && b->p[0] >= '0' && b->p[0] <= '9'; scale /= 10) {
		*ms += (b->p[0] - '0') * scale;
		b->p++;
		b->n--;
	}
	return true;
}

static bool
iso_time(struct bytes *b, struct moment *m)
{
	int64_t h, min, sec = 0, ms = 0, zone;

	if (!digits(b, 2, &h) || !skip(b, ':') || !digits(b, 2, &min) || h > 24 || min > 59)
		return false;
	if (skip(b, ':') && (!digits(b, 2, &sec) || sec > 59 || !fraction(b, &ms)))
		return false;
	if (!skip(b, 'Z') && (skip(b, '+') || skip(b, '-')))
		if (!digits(b, 2, &zone) || !skip(b, ':') || !digits(b, 2, &zone))
			return false;
	m->time = true;
	m->ms = ((h * 60 + min) * 60 + sec) * 1000 + ms;
	return b->n == 0;
}

bool
moment_from_iso(struct bytes b, struct moment *m)
{
	struct moment x = { 0 };
	int64_t y, mon, d;

	if (b.n >= 3 && b.p[2] == ':') {
		if (!iso_time(&b, &x))
			return false;
		*m = x;
		return true;
	}
	if (!digits(&b, 4, &y) || !skip(&b, '-') || !digits(&b, 2, &mon) || !skip(&b, '-') ||
	    !digits(&b, 2, &d) || mon < 1 || mon > 12 || d < 1 || d > 31)
		return false;
	x.date = true;
	x.year = (int)y;
	x.month = (int)mon;
	x.day = (int)d;
	if (b.n > 0 && ((!skip(&b, 'T') && !skip(&b, ' ')) || !iso_time(&b, &x)))
		return false;
	*m = x;
	return true;
}

bool
moment_from_duration(struct bytes b, struct moment *m)
{
	bool negative = skip(&b, '-'), time = false;
	int64_t v, total = 0, ms;

	if (!skip(&b, 'P') || b.n == 0)
		return false;
	while (b.n > 0) {
		if (!time && skip(&b, 'T')) {
			time = true;
			continue;
		}
		ms = 0;
		if (!digits(&b, 0, &v) || !fraction(&b, &ms))
			return false;
		if (!time && skip(&b, 'D'))
			total += v * DAY_MS;
		else if (time && skip(&b, 'H'))
			total += v * 3600000;
		else if (time && skip(&b, 'M'))
			total += v * 60000;
		else if (time && skip(&b, 'S'))
			total += v * 1000 + ms;
		else
			return false;
		if (total > (int64_t)DURATION_DAYS_MAX * DAY_MS)
			return false;
	}
	*m = (struct moment){ .ms = negative ? -total : total };
	return true;
}

/* h:mm[:ss[.mmm]] */
static size_t
put_clock(char *to, size_t size, int64_t ms, int width, bool seconds)
{
	long long h = ms / 3600000, min = ms / 60000 % 60, s = ms / 1000 % 60, rest = ms % 1000;

	if (!seconds)
		return (size_t)snprintf(to, size, "%0*lld:%02lld", width, h, min);
	if (rest == 0)
		return (size_t)snprintf(to, size, "%0*lld:%02lld:%02lld", width, h, min, s);
	return (size_t)snprintf(to, size, "%0*lld:%02lld:%02lld.%03lld", width, h, min, s, rest);
}

static size_t
put_duration(char *to, size_t size, int64_t ms)
{
	long long v = ms < 0 ? -ms : ms, h = v / 3600000, min = v / 60000 % 60, s = v / 1000 % 60;
	size_t n = (size_t)snprintf(to, size, "%sPT", ms < 0 ? "-" : ""), start = n;

	if (h > 0)
		n += (size_t)snprintf(to + n, size - n, "%lldH", h);
	if (min > 0)
		n += (size_t)snprintf(to + n, size - n, "%lldM", min);
	if (v % 1000 != 0)
		n += (size_t)snprintf(to + n, size - n, "%lld.%03lldS", s, v % 1000);
	else if (s > 0 || n == start)
		n += (size_t)snprintf(to + n, size - n, "%lldS", s);
	return n;
}

static size_t
put_moment(const struct moment *m, char between, bool seconds, char to[MOMENT_TEXT])
{
	size_t n = 0;

	if (m->date)
		n = (size_t)snprintf(to, MOMENT_TEXT, "%04d-%02d-%02d", m->year % 10000,
		    m->month % 100, m->day % 100);
	if (m->date && m->time)
		to[n++] = between;
	if (m->time)
		n += put_clock(to + n, MOMENT_TEXT - n, m->ms, 2, seconds);
	return n;
}

size_t
moment_value(const struct moment *m, enum cell_type type, char to[MOMENT_TEXT])
{
	if (type == CELL_DURATION)
		return put_duration(to, MOMENT_TEXT, m->ms);
	return put_moment(m, 'T', true, to);
}

size_t
moment_shown(const struct moment *m, enum cell_type type, bool seconds, char to[MOMENT_TEXT])
{
	struct moment x = *m;
	size_t n = 0;

	if (type == CELL_DURATION) {
		if (m->ms < 0)
			to[n++] = '-';
		return n +
		       put_clock(to + n, MOMENT_TEXT - n, m->ms < 0 ? -m->ms : m->ms, 1, seconds);
	}
	/* Of a moment that has both, the format shows what it names. */
	if (x.date && x.time) {
		x.date = type != CELL_TIME;
		x.time = type != CELL_DATE;
	}
	return put_moment(&x, ' ', seconds, to);
}
