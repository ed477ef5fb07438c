/*
 * Events and the buffers that carry them. A buffer holds finished bytes for the wire; it never changes and is shared by all
 * connections that it is queued on, each of which holds a reference. An event lives only while the hub hands it out; each of its
 * wire forms is made when the first subscriber asks for it, and then shared.
 */
#ifndef STREAMD_EVENTS_EVENT_H
#define STREAMD_EVENTS_EVENT_H

#include <millrace/clock.h>
#include <millrace/str.h>

struct buffer {
	uint32_t refs;
	uint32_t len;
	int64_t born_ms; /* when the event was published (Unix); 0: not an event, or caught up */
	char bytes[];
};

/* Which bytes an event became: whose form it is in the high bits, how it is made in the low byte. */
enum { FORM_SSE = 0x100, FORM_CHANNEL = 0x200, FORM_SOCKETIO = 0x300 };
#define EVENT_FORMS 6

struct event {
	int64_t seq;
	struct str type;
	struct str data; /* one JSON value */
	int64_t at_ms; /* when it was published, Unix milliseconds */
	int64_t born_ms; /* as in buffer: at_ms, or 0 where it was read from the table */
	struct event_form {
		unsigned key;
		struct buffer *bytes;
	} forms[EVENT_FORMS];
	unsigned n_forms; /* made so far; the oldest give way */
};

/* `len` bytes to fill in; one reference, the caller's. `len` is under 2^32: events are bounded by the database's 1 GB. */
struct buffer *buffer_new(size_t len);
/* The same, filled with s. */
struct buffer *buffer_of(struct str s);
struct buffer *buffer_hold(struct buffer *b);
/* Gives a reference back; the last one frees. NULL is ignored. */
void buffer_drop(struct buffer *b);

/* Is it `done` or `error`, after which a run says nothing more? */
bool event_is_terminal(const struct event *e);
/* The form of that key, or NULL where nobody has made it. The event's; hold it to keep it. */
struct buffer *event_form(const struct event *e, unsigned key);
/* Keeps a form, whose reference the event takes over, for those who ask next; returns it. */
struct buffer *event_keep(struct event *e, unsigned key, struct buffer *bytes);
/* The event as one HTTP chunk of text/event-stream (RFC 9112, 7.1; HTML standard, 9.2). The event's; hold it to keep it. */
struct buffer *event_sse(struct event *e);
/* Gives back the forms. */
void event_end(struct event *e);

#endif
