/*
 * Whole HTTP/1.1 responses (RFC 9112) as buffers. Each has Connection: close, since nginx opens a
 * connection for each request. Nothing here fails or blocks.
 */
#ifndef STREAMD_HTTP_RESPONSE_H
#define STREAMD_HTTP_RESPONSE_H

#include <millrace/arena.h>
#include <millrace/err.h>
#include <millrace/grant.h>

#include "streamd/conn.h"

struct response {
	int status;
	struct str type; /* Content-Type; absent: JSON */
	struct str headers; /* more lines, each with its line break */
	struct str body;
	bool no_body; /* to a HEAD: everything but the body */
};

/* The response's bytes; one reference, the caller's. `a` is used for scratch. */
struct buffer *response_new(struct arena *a, const struct response *from);
/* The same in the API's error shape. `text` NULL: e's own. `headers` as in struct response. */
struct buffer *response_error(struct arena *a, enum err e, const char *text, struct str request_id,
    struct str headers, bool no_body);
/* Refuses the request, whose head is the connection's own, with response_error, and finishes the
   connection. */
void response_refuse(struct conn *c, enum err e, const char *text, struct str headers);
/* Adds "Name: value" and a line break; nothing where either could break out of the line. */
void response_put_header(struct buf *b, struct str name, struct str value);
/* The grant's headers as lines; the arena's. */
struct str response_grant_headers(struct arena *a, const struct grant *g);

#endif
