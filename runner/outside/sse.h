/*
 * Server-sent events as they come from outside (WHATWG HTML, "server-sent events", parsing an event
 * stream): incremental, cut anywhere, lines ended by CR, LF or CRLF, comments, data of several
 * lines. What the standard does not have and servers send all the same is taken, too: a byte order
 * mark before any line, a field `error` (an event of that type), a last event without its empty
 * line. A function of the bytes alone.
 */
#ifndef RUNNER_OUTSIDE_SSE_H
#define RUNNER_OUTSIDE_SSE_H

#include <stdbool.h>

#include <millrace/str.h>

struct sse {
	size_t max; /* bytes of one line, and of one event's data */
	char *line;
	size_t n_line, line_room;
	char *data;
	size_t n_data, data_room;
	char type[64];
	bool has_data;
	bool after_cr; /* a LF that comes next belongs to that CR */
};

/* Called for each event; `type` is "message" where none was given. False ends the parsing. */
typedef bool sse_event(void *arg, struct str type, struct str data);

/* `max` is what is kept of it at most, in bytes. The caller frees it with sse_free. */
void sse_init(struct sse *s, size_t max);
void sse_free(struct sse *s);
/* False where `event` said so, or where a line or an event is longer than max. */
bool sse_feed(struct sse *s, struct str bytes, sse_event *event, void *arg);
/*
 * At the end of the bytes: the event that is still without its empty line. It may be cut short,
 * which `event` has to see for itself.
 */
bool sse_end(struct sse *s, sse_event *event, void *arg);

#endif
