/*
 * millrace-phones <LINES: phone numbers as people write them in the form of E.164. A child of the
 * runner, since they are strangers' text and the library is C++: it has its input, which is a
 * regular file, and its output, and is in the sandbox of the extractor's parsers.
 *
 * A line of input is a region (ISO 3166-1; may be empty), a tab and a cell's text; a line of
 * output, for each, is the number and what else it may be known by (number.h), with a tab between;
 * both are empty where it is none. Of several in a cell the first is taken.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extract/extract.h"
#include "extract/sandbox.h"
#include "phones/number.h"

#define CELL_MAX 250 /* bytes; the library takes no more */
#define INPUT_MAX (16 * MIB)
#define DIGITS "0123456789"
#define SECONDS_MAX 30 /* of the processor */

static char input[INPUT_MAX];

/* All of the input, which is followed by a NUL. */
static size_t
load(void)
{
	size_t n = 0;
	ssize_t got;

	while ((got = pread(STDIN_FILENO, input + n, sizeof(input) - n, (off_t)n)) > 0)
		n += (size_t)got;
	if (got < 0 || n == sizeof(input))
		fail("The numbers cannot be read.");
	return n;
}

/* The first of what stands between the separators. False where none is a number. */
static bool
read_parts(char *cell, const char *region, struct number *out)
{
	char *word, *part, *rest = cell;

	while ((word = strstr(cell, " or ")) != NULL)
		memcpy(word, ";  ;", 4);
	while ((part = strsep(&rest, "/;,")) != NULL)
		if (number_read(part, region, out))
			return true;
	return false;
}

/*
 * Programs write numbers to call as those to calculate with: 912345678.0, 9.12345678E+8. Gives them
 * their digits back. False: it is such a number, but some are lost (3.51912E+11).
 */
static bool
read_decimal(char *cell)
{
	char *point = cell + strspn(cell, "+"), *e;
	size_t places;

	point += strspn(point, DIGITS);
	if (point == cell || *point != '.')
		return true;
	places = strspn(point + 1, DIGITS);
	e = point + 1 + places;
	if (*e == '\0' && strspn(point + 1, "0") == places)
		*point = '\0';
	if ((*e != 'E' && *e != 'e') || e[1] != '+' || e[2 + strspn(e + 2, DIGITS)] != '\0')
		return true;
	if (strtoul(e + 2, NULL, 10) != places)
		return false;
	*e = '\0';
	memmove(point, point + 1, places + 1);
	return true;
}

/* Reads a line of `len` bytes. */
static struct number
read_line(const char *line, size_t len)
{
	const char *tab = memchr(line, '\t', len);
	size_t n = tab ? len - (size_t)(tab + 1 - line) : 0;
	char region[3] = "", cell[CELL_MAX + 1];
	struct number out = { "", "" };

	if (n == 0 || n > CELL_MAX)
		return out;
	if (tab - line == 2)
		memcpy(region, line, 2);
	memcpy(cell, tab + 1, n);
	cell[n] = '\0';
	if (read_decimal(cell) &&
	    (number_read(cell, region, &out) || read_parts(cell, region, &out)))
		return out;
	return (struct number){ "", "" };
}

int
main(void)
{
	static char buffer[BUFSIZ * 8];
	size_t n, len, at;

	number_init();
	sandbox_limits(getppid());
	sandbox_seconds(SECONDS_MAX);
	sandbox_parser();
	(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	n = load();
	for (at = 0; at < n; at += len + 1) {
		struct number number;

		len = strcspn(input + at, "\n");
		number = read_line(input + at, len);
		if (printf("%s\t%s\n", number.e164, number.key) < 0)
			return 3;
	}
	/* Not by exit(): a sanitizer looks for leaks there, which the sandbox does not let it. */
	_exit(fflush(stdout) == 0 ? 0 : 3);
}
