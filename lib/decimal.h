/*
 * Decimal numbers as clients write them, for the field tables: text stays text, so that no binary
 * double comes between a client's digits and PostgreSQL's numeric. Nothing blocks; any thread.
 */
#ifndef LIB_DECIMAL_H
#define LIB_DECIMAL_H

#include <millrace/arena.h>

#define DECIMAL_DIGITS 18 /* at most, behind leading zeros */
#define DECIMAL_SCALE 30 /* digits behind the point, at most */

struct decimal {
	struct str text; /* -?digits[.digits], with every digit that was given */
	int64_t whole; /* what is before the point, with its sign */
	bool is_negative; /* also -0.5, whose whole part does not show it */
	bool has_fraction; /* behind the point is more than zeros */
};

/*
 * Reads a JSON number (RFC 8259, 6). False: it is none, or has more digits than DECIMAL_DIGITS or
 * DECIMAL_SCALE. out->text points into the text, or is the arena's.
 */
bool decimal_parse(struct arena *a, struct str text, struct decimal *out);

#endif
