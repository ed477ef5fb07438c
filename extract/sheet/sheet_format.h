/*
 * Number formats of Excel workbooks (ECMA-376 part 1, 18.8.30 and 18.8.31): what kind of value a
 * number is, and how a reader sees it. Dates are written in ISO 8601 whatever the format's order,
 * since 03/04/24 means two days. Pure.
 */
#ifndef MILLRACE_EXTRACT_SHEET_FORMAT_H
#define MILLRACE_EXTRACT_SHEET_FORMAT_H

#include "extract/sheet/rows.h"
#include "extract/sheet/sheet_decimal.h"

#define FORMAT_SECTIONS 4
#define FORMAT_SHOWN (DECIMAL_TEXT + 256) /* bytes of a number as it is shown */
#define MOMENT_TEXT 48 /* bytes of a date or duration, with its NUL */

struct format {
	struct bytes sections[FORMAT_SECTIONS]; /* positive; negative; zero; text */
	size_t n;
	enum cell_type type; /* CELL_NUMBER, _PERCENTAGE, _DATE, _TIME, _DATETIME, _DURATION */
	bool general; /* shown as decimal_general() writes it */
	bool seconds; /* the format of a time shows them */
};

/* The code stays in use, the caller keeps it. */
struct format format_parse(struct bytes code);

/* The codes that files name by a number below 164 alone; "General" for what has none. */
const char *format_builtin(unsigned long id);

/* Writes the number as it is shown; returns its length. Not for dates and durations. */
size_t format_number(const struct format *f, const struct decimal *d, char to[FORMAT_SHOWN]);

/* A date, a time of day or both; or a duration, which has ms alone. */
struct moment {
	bool date, time;
	int year, month, day;
	int64_t ms; /* of the day, or of the duration, which may be negative */
};

enum moment_result {
	MOMENT_OK,
	MOMENT_NONE, /* there is no such date */
	MOMENT_LEAP_1900, /* serial 60: 29 February 1900, which Excel alone has */
};

/*
 * A date's serial number, in days since 1899-12-30, or, where epoch_1904, 1904-01-01, rounded to
 * the millisecond. 1 to 59 are Excel's January and February of 1900. `type` is one of the four of
 * enum cell_type.
 */
enum moment_result moment_from_serial(
    const struct decimal *d, bool epoch_1904, enum cell_type type, struct moment *m);

/* 2024-03-05, 23:30, 23:30:00.5, 2024-03-05T23:30:00Z (the zone is dropped). False: another form.
 */
bool moment_from_iso(struct bytes b, struct moment *m);

/* PT37H30M, P1DT2H, PT00H00M05.5S, -PT1H: without years and months. False: another form. */
bool moment_from_duration(struct bytes b, struct moment *m);

/* ISO 8601, and as it is shown; both with a NUL, both return the length. */
size_t moment_value(const struct moment *m, enum cell_type type, char to[MOMENT_TEXT]);
size_t moment_shown(
    const struct moment *m, enum cell_type type, bool seconds, char to[MOMENT_TEXT]);

#endif
