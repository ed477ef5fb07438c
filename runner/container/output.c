#include <string.h>

#include "runner/container/output.h"

static void
keep(struct output *o, struct str bytes)
{
	size_t room = o->n < OUTPUT_FIRST ? OUTPUT_FIRST - o->n : 0;
	size_t n = bytes.n < room ? bytes.n : room;

	memcpy(o->first + (OUTPUT_FIRST - room), bytes.p, n);
	o->n += n;
	for (size_t i = n; i < bytes.n; i++, o->n++)
		o->last[(o->n - OUTPUT_FIRST) % OUTPUT_LAST] = bytes.p[i];
}

/* How many bytes a character has that begins so; 1 for what begins none. */
static size_t
char_len(unsigned char c)
{
	return c >= 0xc2 && c < 0xe0   ? 2
	       : c >= 0xe0 && c < 0xf0 ? 3
	       : c >= 0xf0 && c < 0xf5 ? 4
				       : 1;
}

/* How many bytes at the end are the beginning of a character that is not whole. */
static size_t
begun(struct str s)
{
	for (size_t n = 1; n <= 3 && n <= s.n; n++) {
		unsigned char c = (unsigned char)s.p[s.n - n];

		if ((c & 0xc0) != 0x80)
			return char_len(c) > n ? n : 0;
	}
	return 0;
}

void
output_add(struct output *o, unsigned int stream, struct str bytes)
{
	struct output_part *part = &o->parts[stream];
	size_t n;

	/* A character that was cut goes on here, or is none. */
	while (part->n > 0 && bytes.n > 0) {
		if (((unsigned char)bytes.p[0] & 0xc0) == 0x80) {
			part->bytes[part->n++] = *bytes.p++;
			bytes.n--;
			if (part->n < char_len((unsigned char)part->bytes[0]))
				continue;
		}
		keep(o, (struct str){ part->bytes, part->n });
		part->n = 0;
	}
	n = begun(bytes);
	keep(o, (struct str){ bytes.p, bytes.n - n });
	if (n > 0) {
		memcpy(part->bytes, bytes.p + bytes.n - n, n);
		part->n = n;
	}
}

static void
put_clean(struct buf *b, struct str s)
{
	while (s.n > 0) {
		unsigned char c = (unsigned char)s.p[0];
		size_t n = char_len(c);
		bool good = n <= s.n && str_utf8((struct str){ s.p, n }) &&
			    (c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f;

		if (!good)
			n = 1;
		/* A line's end is one character, whoever wrote it. */
		if (c != '\r' || s.n < 2 || s.p[1] != '\n')
			buf_put(b, good ? (struct str){ s.p, n } : S("\xef\xbf\xbd"));
		s.p += n;
		s.n -= n;
	}
}

/* Without the rest of a character that was cut off before it. */
static struct str
whole_from(struct str s)
{
	for (int i = 0; i < 3 && s.n > 0 && ((unsigned char)s.p[0] & 0xc0) == 0x80; i++) {
		s.p++;
		s.n--;
	}
	return s;
}

struct str
output_text(struct output *o, struct arena *a)
{
	struct buf b = { .a = a };
	struct str first, last;
	size_t behind;
	char *ring;

	for (size_t i = 0; i < FRAMES_STREAMS; i++) {
		keep(o, (struct str){ o->parts[i].bytes, o->parts[i].n });
		o->parts[i].n = 0;
	}
	if (o->n <= OUTPUT_FIRST) {
		put_clean(&b, (struct str){ o->first, o->n });
		return buf_str(&b);
	}
	behind = o->n - OUTPUT_FIRST;
	ring = arena_alloc(a, OUTPUT_FIRST + OUTPUT_LAST);
	memcpy(ring, o->first, OUTPUT_FIRST);
	if (behind <= OUTPUT_LAST) {
		memcpy(ring + OUTPUT_FIRST, o->last, behind);
		put_clean(&b, (struct str){ ring, o->n });
		return buf_str(&b);
	}
	for (size_t i = 0; i < OUTPUT_LAST; i++)
		ring[OUTPUT_FIRST + i] = o->last[(behind + i) % OUTPUT_LAST];
	first = (struct str){ ring, OUTPUT_FIRST - begun((struct str){ ring, OUTPUT_FIRST }) };
	last = whole_from((struct str){ ring + OUTPUT_FIRST, OUTPUT_LAST });
	put_clean(&b, first);
	buf_printf(&b, "\n[%zu bytes are left out here]\n", o->n - first.n - last.n);
	put_clean(&b, last);
	return buf_str(&b);
}
