/*
 * A reply in pieces: each is written, a slice at a time, when nginx has room for it, and the next
 * is made when it has gone. So the loop never waits for nginx, and of what is too large to be held
 * a request holds one piece, however slowly its client reads. reply_body sends what is longer than
 * a slice so, by itself; reply_start begins one whose head gives no length.
 */
#ifndef FCGI_PIECES_H
#define FCGI_PIECES_H

#include <millrace/err.h>

#include "fcgi/request.h"

/* A UNIX socket is writable while at most a quarter of its buffer (208 KiB, with the kernel's own
   overhead) is used, so a slice of this size does not block. */
#define PIECES_SLICE (32 * KIB)

/* For fcgi/reply.c: the reply comes in pieces, and next(r) is called whenever one has gone. */
void pieces_begin(struct req *r, int status, answer_fn *next);
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
