#include <millrace/log.h>

#include "streamd/http/head.h"
#include "streamd/http/response.h"
#include "streamd/metrics.h"

struct buffer *
response_new(struct arena *a, const struct response *from)
{
	struct buf b = { .a = a };
	bool bodiless = from->status == 204 || from->status == 304;

	buf_printf(
	    &b, "HTTP/1.1 %d %s\r\nConnection: close\r\n", from->status, http_reason(from->status));
	if (!bodiless) {
		response_put_header(
		    &b, S("Content-Type"), from->type.p ? from->type : S("application/json"));
		buf_printf(&b, "Content-Length: %zu\r\n", from->body.n);
	}
	buf_put(&b, from->headers);
	buf_put(&b, S("\r\n"));
	if (!bodiless && !from->no_body)
		buf_put(&b, from->body);
	return buffer_of(buf_str(&b));
}

struct buffer *
response_error(struct arena *a, enum err e, const char *text, struct str request_id,
    struct str headers, bool no_body)
{
	const struct err_info *info = err_info(e);
	struct str message = str_from(text ? text : info->text);
	struct buf b = { .a = a };

	buf_put(&b, S("{\"error\":"));
	buf_json(&b, message);
	buf_printf(&b, ",\"code\":\"%s\",\"detail\":", info->code);
	buf_json(&b, message);
	buf_put(&b, S(",\"request_id\":"));
	buf_json(&b, request_id);
	buf_put(&b, S("}"));
	return response_new(a, &(struct response){ .status = info->status,
				   .headers = headers,
				   .body = buf_str(&b),
				   .no_body = no_body });
}

void
response_refuse(struct conn *c, enum err e, const char *text, struct str headers)
{
	struct http_head *h = c->head;
	struct buffer *b =
	    response_error(h->arena, e, text, h->request_id, headers, h->method == METHOD_HEAD);

	metrics.requests_refused++;
	log_debug("http: request refused", "code", err_info(e)->code, "request_id",
	    h->request_id.p ? arena_cstr(h->arena, h->request_id) : NULL);
	conn_put(c, b);
	buffer_drop(b);
	conn_finish(c);
}

void
response_put_header(struct buf *b, struct str name, struct str value)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == ':' || name.p[i] == 0x7f)
			return;
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < ' ' && value.p[i] != '\t')
			return;
	if (name.n == 0)
		return;
	buf_put(b, name);
	buf_put(b, S(": "));
	buf_put(b, value);
	buf_put(b, S("\r\n"));
}

struct str
response_grant_headers(struct arena *a, const struct grant *g)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < g->n_headers; i++)
		response_put_header(&b, g->headers[i].name, g->headers[i].value);
	return buf_str(&b);
}
