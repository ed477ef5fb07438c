/*
 * Whole HTTP/1.1 replies (RFC 9112) as buffers. Each says Connection: close; nginx opens a connection for each request.
 */
#ifndef STREAMD_HTTP_RESPONSE_H
#define STREAMD_HTTP_RESPONSE_H

#include <millrace/arena.h>
#include <millrace/err.h>
#include <millrace/grant.h>

#include "streamd/events/event.h"

struct answer {
	int status;
	struct str type; /* Content-Type; absent: JSON */
	struct str headers; /* more lines, each with its line break */
	struct str body;
	bool no_body; /* a HEAD: everything but the body */
};

/* One reference, the caller's. `a` is for scratch. */
struct buffer *answer_new(struct arena *a, const struct answer *from);
/* The API's error shape. `text` NULL: e's own. */
struct buffer *answer_error(struct arena *a, enum err e, const char *text, struct str request_id,
    struct str headers, bool no_body);
/* Adds "Name: value" and a line break; what could break out of the line is left out whole. */
void answer_header(struct buf *b, struct str name, struct str value);
/* The grant's headers as lines; the arena's. */
struct str answer_grant_headers(struct arena *a, const struct grant *g);

#endif
