#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <millrace/arena.h>

#include "streamd/events/event.h"

struct buffer *
buffer_new(size_t len)
{
	struct buffer *b = xmalloc(sizeof(*b) + len);

	if (len > UINT32_MAX)
		abort();
	b->refs = 1;
	b->len = (uint32_t)len;
	b->born_ms = 0;
	return b;
}

struct buffer *
buffer_of(struct str s)
{
	struct buffer *b = buffer_new(s.n);

	if (s.n > 0)
		memcpy(b->bytes, s.p, s.n);
	return b;
}

struct buffer *
buffer_hold(struct buffer *b)
{
	b->refs++;
	return b;
}

void
buffer_drop(struct buffer *b)
{
	if (b && --b->refs == 0)
		free(b);
}

bool
event_is_terminal(const struct event *e)
{
	return str_eq(e->type, S("done")) || str_eq(e->type, S("error"));
}

/* Copies s with spaces for line breaks: in JSON a raw one is only white space between tokens. */
static char *
put_line(char *to, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		*to++ = s.p[i] == '\n' || s.p[i] == '\r' ? ' ' : s.p[i];
	return to;
}

static char *
put(char *to, struct str s)
{
	memcpy(to, s.p, s.n);
	return to + s.n;
}

struct buffer *
event_form(const struct event *e, unsigned key)
{
	for (size_t i = 0; i < EVENT_FORMS; i++)
		if (e->forms[i].bytes && e->forms[i].key == key)
			return e->forms[i].bytes;
	return NULL;
}

struct buffer *
event_keep(struct event *e, unsigned key, struct buffer *bytes)
{
	struct event_form *f = &e->forms[e->n_forms++ % EVENT_FORMS];

	buffer_drop(f->bytes);
	*f = (struct event_form){ key, bytes };
	bytes->born_ms = e->born_ms;
	return bytes;
}

/* The id comes last: @microsoft/fetch-event-source takes it as soon as it has read that line, and
   would go on behind an event that was cut after it. */
struct buffer *
event_sse(struct event *e)
{
	const struct str event = S("event: "), data = S("\ndata: "), end = S("\n\n\r\n");
	struct buffer *b = event_form(e, FORM_SSE);
	char id[32], size[32];
	size_t id_len, size_len;
	char *to;

	if (b)
		return b;
	id_len = (size_t)snprintf(id, sizeof(id), "\nid: %lld", (long long)e->seq);
	size_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n",
	    event.n + e->type.n + data.n + e->data.n + id_len + end.n - 2);
	b = buffer_new(size_len + event.n + e->type.n + data.n + e->data.n + id_len + end.n);
	to = put(b->bytes, (struct str){ size, size_len });
	to = put_line(put(to, event), e->type);
	to = put_line(put(to, data), e->data);
	to = put(to, (struct str){ id, id_len });
	(void)put(to, end);
	return event_keep(e, FORM_SSE, b);
}

void
event_end(struct event *e)
{
	for (size_t i = 0; i < EVENT_FORMS; i++) {
		buffer_drop(e->forms[i].bytes);
		e->forms[i].bytes = NULL;
	}
}
