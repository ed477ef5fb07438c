/*
 * Events and the buffers that carry them. A buffer holds finished bytes for the wire; it never changes and is shared by all
 * connections that it is queued on, each of which holds a reference. An event lives only while the hub hands it out; its wire
 * form is made when the first subscriber asks for it, and then shared.
 */
#ifndef STREAMD_EVENT_H
#define STREAMD_EVENT_H

#include <millrace/str.h>

struct buffer {
	uint32_t refs;
	uint32_t len;
	int64_t
	    born_us; /* when the event reached this process (clock_us); 0: not an event, not measured */
	char bytes[];
};

struct event {
	int64_t seq;
	struct str type;
	struct str data; /* one JSON value */
	int64_t at_ms; /* when it was published, Unix time; 0 where that is not known */
	int64_t born_us; /* as in buffer; 0 where it was read from the table */
	struct buffer *sse; /* made by event_sse */
};

/* Microseconds on the monotonic clock, now. */
int64_t clock_us(void);

/* `len` bytes to fill in; one reference, the caller's. `len` is under 2^32: events are bounded by the database's 1 GB. */
struct buffer *buffer_new(size_t len);
/* The same, filled with s. */
struct buffer *buffer_of(struct str s);
struct buffer *buffer_hold(struct buffer *b);
/* Gives a reference back; the last one frees. NULL is ignored. */
void buffer_drop(struct buffer *b);

/* Is it `done` or `error`, after which a run says nothing more? */
bool event_is_terminal(const struct event *e);
/* The event as one HTTP chunk of text/event-stream (RFC 9112, 7.1; HTML standard, 9.2). The event's; hold it to keep it. */
struct buffer *event_sse(struct event *e);
/* Gives back what was made for the event. */
void event_end(struct event *e);

#endif
