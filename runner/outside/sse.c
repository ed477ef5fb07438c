#include <stdlib.h>

#include <millrace/arena.h>

#include "runner/outside/sse.h"

void
sse_init(struct sse *s, size_t max)
{
	*s = (struct sse){ .max = max };
}

void
sse_free(struct sse *s)
{
	free(s->line);
	free(s->data);
	*s = (struct sse){ 0 };
}

static bool
add(char **p, size_t *n, size_t *room, struct str bytes, size_t max)
{
	if (bytes.n > max - *n)
		return false;
	if (*n + bytes.n > *room) {
		*room = *room * 2 > *n + bytes.n ? *room * 2 : *n + bytes.n + 256;
		*p = xrealloc(*p, *room);
	}
	if (bytes.n > 0)
		memcpy(*p + *n, bytes.p, bytes.n);
	*n += bytes.n;
	return true;
}

/* An empty line: the event is whole. One without data is none. */
static bool
dispatch(struct sse *s, sse_event *event, void *arg)
{
	struct str type = s->type[0] ? str_from(s->type) : S("message");
	bool more = true;

	if (s->has_data)
		more = event(arg, type, (struct str){ s->data ? s->data : "", s->n_data });
	s->n_data = 0;
	s->has_data = false;
	s->type[0] = '\0';
	return more;
}

static bool
add_data(struct sse *s, struct str value)
{
	if (s->has_data && !add(&s->data, &s->n_data, &s->data_room, S("\n"), s->max))
		return false;
	s->has_data = true;
	return add(&s->data, &s->n_data, &s->data_room, value, s->max);
}

static void
set_type(struct sse *s, struct str type)
{
	size_t n = type.n < sizeof(s->type) ? type.n : sizeof(s->type) - 1;

	if (n > 0)
		memcpy(s->type, type.p, n);
	s->type[n] = '\0';
}

static bool
end_line(struct sse *s, sse_event *event, void *arg)
{
	struct str line = { s->line, s->n_line }, name, value;

	s->n_line = 0;
	/* The standard has one at the start alone; some servers write one with each flush. */
	if (str_starts(line, S("\xef\xbb\xbf"))) {
		line.p += 3;
		line.n -= 3;
	}
	if (line.n == 0)
		return dispatch(s, event, arg);
	value = str_cut(line, ':', &name);
	if (value.n > 0 && value.p[0] == ' ') {
		value.p++;
		value.n--;
	}
	if (str_eq(name, S("data")))
		return add_data(s, value);
	if (str_eq(name, S("event")))
		set_type(s, value);
	/* No field of the standard's; llama.cpp's servers have sent their errors in it. */
	if (str_eq(name, S("error"))) {
		set_type(s, name);
		return add_data(s, value);
	}
	/* The fields id and retry mean nothing to us; a name that is empty is a comment. */
	return true;
}

bool
sse_feed(struct sse *s, struct str bytes, sse_event *event, void *arg)
{
	while (bytes.n > 0) {
		size_t n = 0;
		char end;

		if (s->after_cr) {
			s->after_cr = false;
			if (bytes.p[0] == '\n') {
				bytes.p++;
				bytes.n--;
				continue;
			}
		}
		while (n < bytes.n && bytes.p[n] != '\n' && bytes.p[n] != '\r')
			n++;
		if (!add(&s->line, &s->n_line, &s->line_room, (struct str){ bytes.p, n }, s->max))
			return false;
		if (n == bytes.n)
			return true;
		end = bytes.p[n];
		s->after_cr = end == '\r';
		bytes.p += n + 1;
		bytes.n -= n + 1;
		if (!end_line(s, event, arg))
			return false;
	}
	return true;
}

bool
sse_end(struct sse *s, sse_event *event, void *arg)
{
	if (s->n_line > 0 && !end_line(s, event, arg))
		return false;
	return dispatch(s, event, arg);
}
