#include <time.h>

#include <millrace/face.h>
#include <millrace/json.h>
#include <millrace/sse.h>

#include "fcgi/pieces.h"
#include "fcgi/worker.h"

#define OVERLOADED_S 2
/* openai's clients take a longer Retry-After for none, and come back at once. */
#define WAIT_OBEYED_S 60

enum err
refuse(struct req *r, enum err e, const char *text)
{
	r->error_text = str_from(text);
	return e;
}

void
reply_header(struct req *r, const char *name, struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return;
	buf_printf(&r->headers, "%s: %.*s\r\n", name, S_ARG(value));
}

static void
put_number(struct buf *headers, const char *name, int64_t value)
{
	buf_printf(headers, "%s: %lld\r\n", name, (long long)value);
}

void
reply_head(struct req *r, struct buf *head, int status, const char *content_type)
{
	buf_printf(head, "Status: %d\r\n", status);
	if (content_type)
		buf_printf(head, "Content-Type: %s\r\n", content_type);
	if (r->rate_limit > 0) {
		put_number(&r->headers, "X-RateLimit-Limit", r->rate_limit);
		put_number(&r->headers, "X-RateLimit-Remaining", r->rate_remaining);
		put_number(&r->headers, "X-RateLimit-Reset", r->rate_reset);
	}
	if (r->allowed_origin.n > 0)
		reply_header(r, ALLOWED_ORIGIN, r->allowed_origin);
	buf_put(head, buf_str(&r->headers));
}

enum err
reply_body(struct req *r, int status, const char *content_type, struct str body)
{
	struct buf head = { .a = r->a };

	reply_head(r, &head, status, content_type);
	if (status != 204)
		buf_printf(&head, "Content-Length: %zu\r\n", body.n);
	buf_put(&head, S("\r\n"));
	/* A failed write shows at the end: libfcgi closes the connection, which worker.c sees. */
	(void)FCGX_PutStr(head.p, (int)head.n, r->fcgx.out);
	if (body.n > PIECES_SLICE) {
		pieces_begin(r, status, reply_end);
		return reply_piece(r, body);
	}
	if (body.n > 0)
		(void)FCGX_PutStr(body.p, (int)body.n, r->fcgx.out);
	r->worker->end(r, status);
	return ERR_OK;
}

enum err
reply_start(struct req *r, int status, const char *content_type, answer_fn *next)
{
	struct buf head = { .a = r->a };

	pieces_begin(r, status, next);
	r->page = arena_new();
	arena_defer(r->a, (void (*)(void *))arena_free, r->page);
	reply_head(r, &head, status, content_type);
	buf_put(&head, S("\r\n"));
	(void)FCGX_PutStr(head.p, (int)head.n, r->fcgx.out);
	return ERR_OK;
}

enum err
reply_json(struct req *r, int status, struct str json)
{
	return reply_body(r, status, json.p ? "application/json" : NULL, json);
}

void
reply_error_members(struct buf *b, enum err e, struct str text)
{
	const struct err_info *info = err_info(e);

	if (!text.p)
		text = str_from(info->text);
	buf_put(b, S("\"error\":"));
	buf_json(b, text);
	buf_printf(b, ",\"code\":\"%s\",\"detail\":", info->code);
	buf_json(b, text);
}

/* For how many seconds e refuses; 0: waiting does not help. */
static int64_t
error_wait_s(const struct req *r, enum err e)
{
	/* What is refused with some of the rate left is refused for another reason, and for less.
	 */
	int64_t wait_s = r->rate_remaining == 0 ? r->rate_reset - time(NULL) : 0;

	if (e == ERR_RATE_LIMITED && r->refused_s > 0)
		return r->refused_s;
	if (e == ERR_RATE_LIMITED)
		return wait_s > 0 ? wait_s : 1;
	return e == ERR_OVERLOADED ? OVERLOADED_S : 0;
}

static void
put_wait(struct req *r, int64_t wait_s)
{
	put_number(&r->headers, "Retry-After", wait_s);
	if (wait_s > WAIT_OBEYED_S)
		reply_header(r, "X-Should-Retry", S("false"));
}

/*
 * Clients show the text alone, so it says what is wrong with the first of the fields; a vendor's
 * says no more than that.
 */
static struct str
problem_text(struct req *r)
{
	struct str text = r->error_text.p ? r->error_text : S("Some fields are not valid.");

	if (r->problems.n == 0)
		return r->error_text;
	if (face_is_path(r->path))
		return arena_printf(r->a, "%.*s.", S_ARG(r->problems.first));
	return arena_printf(r->a, "%.*s: %.*s.", (int)text.n - 1, text.p, S_ARG(r->problems.first));
}

void
reply_error(struct req *r, enum err e)
{
	int64_t wait_s = error_wait_s(r, e);
	struct buf b = { .a = r->a };

	if (wait_s > 0 && r->route && route_is_event_source(r->route)) {
		(void)reply_body(r, 200, SSE_TYPE, sse_refusal(r->a, e, r->error_text, wait_s));
		return;
	}
	if (wait_s > 0)
		put_wait(r, wait_s);
	if (e == ERR_UNAUTHORIZED)
		reply_header(r, "WWW-Authenticate", S("Bearer"));
	if (face_is_path(r->path)) {
		buf_put(&b, face_error(r->a, e, problem_text(r), r->request_id));
		b.n--;
	} else {
		buf_put(&b, S("{"));
		reply_error_members(&b, e, problem_text(r));
		buf_put(&b, S(",\"request_id\":"));
		buf_json(&b, r->request_id);
	}
	if (r->problems.n > 0)
		buf_printf(&b, ",\"fields\":[%.*s]", S_ARG(buf_str(&r->problems.json)));
	buf_put(&b, S("}"));
	(void)reply_json(r, err_info(e)->status, buf_str(&b));
}
