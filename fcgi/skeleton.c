#include <ctype.h>
#include <string.h>

#include "fcgi/skeleton.h"

/* Is it other than base64, or a data URL of it? */
static bool
is_prose(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!isalnum((unsigned char)text.p[i]) && !strchr("+/=-_:;,.\\", text.p[i]))
			return true;
	return false;
}

static void
cut(struct skeleton *s)
{
	s->is_prose = is_prose((struct str){ s->out.p + s->text_at, s->out.n - s->text_at });
	if (s->is_prose)
		s->n_prose += (int64_t)(s->out.n - s->text_at);
	else
		s->n_files++;
	s->out.n = s->text_at;
	s->is_cut = true;
}

/* A byte of a string, or the quote that ends it. */
static void
text_byte(struct skeleton *s, char c)
{
	bool ends = c == '"' && !s->is_escaped;

	s->is_escaped = c == '\\' && !s->is_escaped;
	if (!s->is_cut && !ends && s->out.n - s->text_at >= SKELETON_TEXT_MAX)
		cut(s);
	s->n_prose += s->is_cut && s->is_prose && !ends;
	if (ends || !s->is_cut)
		buf_put(&s->out, (struct str){ &c, 1 });
	if (ends)
		s->in_text = s->is_cut = false;
}

bool
skeleton_feed(struct skeleton *s, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (s->in_text) {
			text_byte(s, bytes.p[i]);
			continue;
		}
		/* A text that may still be cut has its room beyond. */
		if (s->out.n >= s->max)
			return false;
		buf_put(&s->out, (struct str){ bytes.p + i, 1 });
		if (bytes.p[i] == '"') {
			s->in_text = true;
			s->text_at = s->out.n;
		}
	}
	return true;
}
