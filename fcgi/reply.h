/*
 * What goes out: one head and one body, or the error shape. A reply ends the request: after it
 * nothing of the request may be touched. None of these blocks: what is long goes as nginx takes it
 * (fcgi/pieces.h), so the body is the arena's, or a constant.
 */
#ifndef FCGI_REPLY_H
#define FCGI_REPLY_H

#include <millrace/arena.h>
#include <millrace/err.h>

#include "fcgi/route.h"

struct req;

/* nginx makes CORS headers of it, which are its own to send (nginx/cors.conf). */
#define ALLOWED_ORIGIN "X-Allowed-Origin"

/* Adds a header to the reply. Dropped where the value holds a control character. */
void reply_header(struct req *r, const char *name, struct str value);
/* Replies with status and JSON (absent: no body); always ERR_OK. */
enum err reply_json(struct req *r, int status, struct str json);
/* Replies with status and any other body; content_type NULL: none. Always ERR_OK. */
enum err reply_body(struct req *r, int status, const char *content_type, struct str body);
/*
 * Begins a reply in pieces: sends its head, without a length. Nothing ends it yet: reply_piece is
 * next, and next(r) is called whenever a piece has gone. Always ERR_OK.
 */
enum err reply_start(struct req *r, int status, const char *content_type, answer_fn *next);
/*
 * Replies with the error shape for e, with r->error_text and r->problems where there are any. What
 * will pass has Retry-After; where an EventSource asks, it is a stream that ends (millrace/sse.h).
 */
void reply_error(struct req *r, enum err e);
/*
 * The members that begin every error's JSON object, and none of its braces: error, code, detail.
 * text absent: the err's own.
 */
void reply_error_members(struct buf *b, enum err e, struct str text);
/* Sets the error reply's text and returns e, for `return refuse(r, ERR_CONFLICT, "…")`. */
MUST_CHECK enum err refuse(struct req *r, enum err e, const char *text);

/* Appends the status and every header that belongs to any reply to head, without the empty line. */
void reply_head(struct req *r, struct buf *head, int status, const char *content_type);

#endif
