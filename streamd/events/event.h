/*
 * Events and the buffers that carry them. A buffer holds finished bytes for the wire; it never
 * changes, and every connection that queues it holds a reference. An event lives only while the
 * hub delivers it; each of its wire forms is made when the first subscriber needs it, and shared.
 *
 * One thread: references are counted without locks. Nothing blocks or fails.
 */
#ifndef STREAMD_EVENTS_EVENT_H
#define STREAMD_EVENTS_EVENT_H

#include <millrace/clock.h>
#include <millrace/str.h>

struct buffer {
	uint32_t refs;
	uint32_t len;
	/* when its event was published (Unix); 0: no event, or read from the log */
	int64_t born_ms;
	char bytes[];
};

/* The key of a wire form: whose it is in the high bits, its variant in the low byte. */
enum { FORM_SSE = 0x100, FORM_CHANNEL = 0x200, FORM_SOCKETIO = 0x300 };
#define EVENT_FORMS 6

struct event {
	int64_t seq;
	struct str type;
	struct str data; /* one JSON value */
	int64_t at_ms; /* when it was published, Unix milliseconds */
	int64_t born_ms; /* as in struct buffer */
	struct event_form {
		unsigned key;
		struct buffer *bytes;
	} forms[EVENT_FORMS];
	unsigned n_forms; /* made so far; the oldest is replaced */
};

/* A buffer of `len` bytes to be filled in, below 4 GiB; one reference, the caller's. */
struct buffer *buffer_new(size_t len);
/* The same, filled with s. */
struct buffer *buffer_of(struct str s);
/* Adds a reference; returns b. */
struct buffer *buffer_hold(struct buffer *b);
/* Gives a reference back; the last one frees. NULL is ignored. */
void buffer_drop(struct buffer *b);

/* Is it `done` or `error`, a run's last event? */
bool event_is_terminal(const struct event *e);
/* The form of that key, the event's, or NULL where it is not made; hold it to keep it. */
struct buffer *event_form(const struct event *e, unsigned key);
/* Adds a form, of which the event takes over the reference; returns it. */
struct buffer *event_keep(struct event *e, unsigned key, struct buffer *bytes);
/* The event as one chunk (RFC 9112, 7.1) of text/event-stream (HTML standard, 9.2), the event's;
   hold it to keep it. */
struct buffer *event_sse(struct event *e);
/* Gives the forms back. */
void event_end(struct event *e);

#endif
