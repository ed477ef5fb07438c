/*
 * A reply in pieces, for what is too large to be held: its head says no length, each piece is written when nginx has room for it, and
 * the next is asked for when it has gone. So a request holds one piece, however slowly its client reads, and the loop never waits.
 */
#include <sys/socket.h>

#include <millrace/log.h>

#include "fcgi/worker.h"

/* A UNIX socket is writable while at most a quarter of its buffer (208 KiB, with the kernel's own overhead) is taken. */
#define SLICE_BYTES (32 * KIB)

struct pieces {
	struct str rest; /* of the piece that is being written */
	answer_fn *next;
};

enum err
reply_start(struct req *r, int status, const char *content_type, answer_fn *next)
{
	struct buf head = { .a = r->a };

	r->pieces = arena_alloc(r->a, sizeof(*r->pieces));
	r->pieces->next = next;
	r->page = arena_new();
	arena_defer(r->a, (void (*)(void *))arena_free, r->page);
	reply_head(r, &head, status, content_type);
	buf_put(&head, S("\r\n"));
	(void)FCGX_PutStr(head.p, (int)head.n, r->fcgx.out);
	return ERR_OK;
}

void
reply_break(struct req *r)
{
	log_warn("a reply in pieces was broken off", "request_id", arena_cstr(r->a, r->request_id));
	/* No end of request follows, so nginx tells the client that this is not all. */
	(void)shutdown(r->fd.fd, SHUT_RDWR);
	r->gone = true;
	req_end(r, 500);
}

void
pieces_ready(struct req *r, bool gone)
{
	struct pieces *p = r->pieces;
	struct str slice = { p->rest.p, p->rest.n < SLICE_BYTES ? p->rest.n : SLICE_BYTES };
	enum err e;

	if (gone || FCGX_PutStr(slice.p, (int)slice.n, r->fcgx.out) < 0 ||
	    FCGX_FFlush(r->fcgx.out) != 0) {
		r->gone = true;
		req_end(r, 200);
		return;
	}
	p->rest = (struct str){ p->rest.p + slice.n, p->rest.n - slice.n };
	if (p->rest.n > 0)
		return;
	r->writing = false;
	loop_watch(r->worker->loop, &r->fd, EPOLLRDHUP);
	if ((e = p->next(r)) != ERR_OK)
		reply_error(r, e);
}

enum err
reply_piece(struct req *r, struct str piece)
{
	/* nginx has left while the piece was asked for. */
	if (r->gone) {
		req_end(r, 200);
		return ERR_OK;
	}
	r->pieces->rest = piece;
	r->writing = true;
	loop_watch(r->worker->loop, &r->fd, EPOLLOUT | EPOLLRDHUP);
	return ERR_OK;
}

enum err
reply_end(struct req *r)
{
	req_end(r, 200);
	return ERR_OK;
}
