#include <string.h>

#include "runner/models/echo.h"

/* So many bytes in common are no accident. */
#define ECHO_MIN ((size_t)48)
#define SAID_MIN 4 /* nor is all of an answer that is at least this long */
#define OVERLAP_MAX ((size_t)2048) /* of the answer's end: a paragraph */

void
echo_init(struct echo *e, struct arena *a, struct str said)
{
	*e = (struct echo){ .said = said, .held = { .a = a }, .is_open = said.n >= SAID_MIN };
}

/* How many bytes that end the answer also begin the continuation; 0 where they are few. */
static size_t
overlap(const struct echo *e)
{
	struct str held = buf_str(&e->held);
	size_t n = held.n < e->said.n ? held.n : e->said.n;

	if (n > OVERLAP_MAX)
		n = OVERLAP_MAX;
	for (; n >= ECHO_MIN; n--)
		if (memcmp(e->said.p + e->said.n - n, held.p, n) == 0)
			return n;
	return 0;
}

static size_t
echo_len(const struct echo *e)
{
	return e->same == e->said.n ? e->said.n : overlap(e);
}

/* Is what is held the beginning of the answer, or in its end? */
static bool
is_undecided(struct echo *e)
{
	struct str held = buf_str(&e->held);
	size_t tail = e->said.n < OVERLAP_MAX ? e->said.n : OVERLAP_MAX;

	while (e->same < held.n && e->same < e->said.n && held.p[e->same] == e->said.p[e->same])
		e->same++;
	return (e->same == held.n && e->same < e->said.n) ||
	       (held.n < tail &&
		   memmem(e->said.p + e->said.n - tail, tail, held.p, held.n) != NULL);
}

bool
echo_skip(struct echo *e, struct str *text)
{
	size_t n;

	buf_put(&e->held, *text);
	*text = buf_str(&e->held);
	if (is_undecided(e)) {
		text->n = 0;
		return true;
	}
	e->is_open = false;
	n = echo_len(e);
	text->p += n;
	text->n -= n;
	return n > 0 || e->same < ECHO_MIN;
}

struct str
echo_rest(const struct echo *e)
{
	struct str held = buf_str(&e->held);
	size_t n = e->same >= ECHO_MIN ? held.n : echo_len(e);

	return (struct str){ held.p + n, held.n - n };
}
