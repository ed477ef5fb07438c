/*
 * A reply in pieces, for what is too large to be held: its head gives no length, each piece is
 * written when nginx has room for it, and the next is made when it has gone. So a request holds one
 * piece, however slowly its client reads, and the loop never waits.
 */
#ifndef FCGI_PIECES_H
#define FCGI_PIECES_H

#include <millrace/err.h>

#include "fcgi/request.h"

/* Sends the head. next(r) is called whenever a piece has gone; always ERR_OK. */
enum err reply_start(struct req *r, int status, const char *content_type, answer_fn *next);
/*
 * Writes the next piece and returns at once; it may be of the present rows, which stay until the
 * next statement's. When nginx has all of it, next(r) is called, which asks for more rows or calls
 * reply_end. Always ERR_OK.
 */
enum err reply_piece(struct req *r, struct str piece);
/* The reply is whole; always ERR_OK. */
enum err reply_end(struct req *r);

/* The connection has room for more, or (`gone`) nginx has closed it. */
void pieces_ready(struct req *r, bool gone);
/* Breaks a begun reply off, so that the client sees that it did not end. */
void pieces_break(struct req *r);

#endif
