#include <sys/socket.h>

#include <millrace/log.h>

#include "fcgi/pieces.h"
#include "fcgi/worker.h"

struct pieces {
	struct str rest; /* of the piece that is being written */
	int status;
	answer_fn *next;
};

void
pieces_begin(struct req *r, int status, answer_fn *next)
{
	r->pieces = arena_alloc(r->a, sizeof(*r->pieces));
	*r->pieces = (struct pieces){ .status = status, .next = next };
}

void
pieces_break(struct req *r)
{
	log_warn("reply in pieces: broken off", "request_id", arena_cstr(r->a, r->request_id));
	/* No end of request follows, so nginx lets the client know that this is not all. */
	(void)shutdown(r->fd.fd, SHUT_RDWR);
	r->gone = true;
	r->worker->end(r, 500);
}

void
pieces_ready(struct req *r, bool gone)
{
	struct pieces *p = r->pieces;
	struct str slice = { p->rest.p, p->rest.n < PIECES_SLICE ? p->rest.n : PIECES_SLICE };
	enum err e;

	if (gone || FCGX_PutStr(slice.p, (int)slice.n, r->fcgx.out) < 0 ||
	    FCGX_FFlush(r->fcgx.out) != 0) {
		r->gone = true;
		r->worker->end(r, p->status);
		return;
	}
	p->rest = (struct str){ p->rest.p + slice.n, p->rest.n - slice.n };
	if (p->rest.n > 0)
		return;
	r->writing = false;
	loop_watch(r->worker->loop, &r->fd, EPOLLRDHUP);
	if ((e = p->next(r)) != ERR_OK)
		r->worker->fail(r, e);
}

enum err
reply_piece(struct req *r, struct str piece)
{
	/* nginx has closed the connection while the database made the piece. */
	if (r->gone) {
		r->worker->end(r, r->pieces->status);
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
	r->worker->end(r, r->pieces->status);
	return ERR_OK;
}
