#include "extract/sheet/sheet_notice.h"

#include <stdio.h>
#include <string.h>

void
lines_note(struct lines *l, unsigned long line)
{
	if (l->n > 0 && l->last == line)
		return;
	if (l->n < LINES_KEPT)
		l->first[l->n] = line;
	l->last = line;
	l->n++;
}

bool
lines_write(const struct lines *l, char to[LINES_TEXT])
{
	size_t kept = l->n < LINES_KEPT ? l->n : LINES_KEPT, i, n;

	if (l->n == 0)
		return false;
	n = (size_t)snprintf(to, LINES_TEXT, "Line%s %lu", l->n > 1 ? "s" : "", l->first[0]);
	for (i = 1; i < kept; i++)
		n += (size_t)snprintf(to + n, LINES_TEXT - n, "%s %lu",
		    i + 1 == kept && l->n == kept ? " and" : ",", l->first[i]);
	if (l->n > kept)
		n += (size_t)snprintf(to + n, LINES_TEXT - n, " and %lu more", l->n - kept);
	(void)snprintf(to + n, LINES_TEXT - n, " %s", l->n > 1 ? "have" : "has");
	return true;
}

void
hidden_add(struct hidden *h, const char *name)
{
	size_t room = sizeof(h->names) - 40 - h->len; /* less the words around them */

	h->n++;
	if (strlen(name) + 3 < room)
		h->len +=
		    (size_t)snprintf(h->names + h->len, room, "%s%s", h->len > 0 ? ", " : "", name);
}

void
hidden_notice(const struct hidden *h, struct out *o)
{
	if (h->n == 1)
		out_notice(o, "The hidden sheet \"%s\" is left out.", h->names);
	else if (h->n > 1)
		out_notice(o, "%zu hidden sheets are left out: %s.", h->n, h->names);
}

void
uncalculated_notice(unsigned long n, struct out *o)
{
	if (n == 1)
		out_notice(o, "1 formula was never calculated by the program that wrote the file; "
			      "its cell is empty.");
	else if (n > 1)
		out_notice(o,
		    "%lu formulas were never calculated by the program that wrote the file; their "
		    "cells are empty.",
		    n);
}
