#include <inttypes.h>
#include <string.h>

#include "fcgi/skeleton.h"

/* A byte of a string, or the quote that ends it. */
static void
text_byte(struct skeleton *s, char c)
{
	bool ends = c == '"' && !s->is_escaped;

	s->is_escaped = c == '\\' && !s->is_escaped;
	if (s->n_cut == 0 && !ends && s->out.n - s->text_at >= SKELETON_TEXT_MAX) {
		s->n_cut = (int64_t)(s->out.n - s->text_at);
		s->out.n = s->text_at;
	}
	if (s->n_cut > 0 && !ends) {
		s->n_cut++;
		return;
	}
	if (s->n_cut > 0)
		buf_printf(&s->out, "(%" PRId64 " bytes)", s->n_cut);
	buf_put(&s->out, (struct str){ &c, 1 });
	if (ends) {
		s->in_text = false;
		s->n_cut = 0;
	}
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

int64_t
skeleton_left_out(struct str text)
{
	struct str number, rest = str_cut(text, ' ', &number);
	int64_t n;

	if (!str_starts(number, S("(")) || !str_eq(rest, S("bytes)")) ||
	    !str_int((struct str){ number.p + 1, number.n - 1 }, &n) || n <= 0)
		return 0;
	return n;
}
