#include <stdlib.h>

#include <http_parser.h>

#include "http.h"

#define HEAD_MAX ((size_t)64 * 1024)
#define NAME_MAX_LEN 64

struct http_parse {
	http_parser parser;
	size_t taken;
	bool complete;
	bool in_value;
	size_t name_len; /* beyond NAME_MAX_LEN: not one of ours */
	char name[NAME_MAX_LEN];
	struct buf url;
	struct buf grant;
	struct buf request_id;
	struct buf *value; /* where the current header's value goes, or NULL */
};

static int
on_url(http_parser *p, const char *at, size_t n)
{
	struct http_head *h = p->data;

	buf_put(&h->parse->url, (struct str){ at, n });
	return 0;
}

static int
on_field(http_parser *p, const char *at, size_t n)
{
	struct http_parse *parse = ((struct http_head *)p->data)->parse;

	if (parse->in_value)
		parse->name_len = 0;
	parse->in_value = false;
	if (parse->name_len + n <= NAME_MAX_LEN)
		memcpy(parse->name + parse->name_len, at, n);
	parse->name_len += n;
	return 0;
}

/* Each may come once. */
static struct buf *
value_place(struct http_parse *parse)
{
	struct str name = { parse->name, parse->name_len };

	if (parse->name_len > NAME_MAX_LEN)
		return NULL;
	if (str_eq_nocase(name, S("x-grant")))
		return &parse->grant;
	if (str_eq_nocase(name, S("x-request-id")))
		return &parse->request_id;
	return NULL;
}

static int
on_value(http_parser *p, const char *at, size_t n)
{
	struct http_parse *parse = ((struct http_head *)p->data)->parse;

	if (!parse->in_value) {
		parse->value = value_place(parse);
		if (parse->value && parse->value->p)
			return -1;
	}
	parse->in_value = true;
	if (parse->value)
		buf_put(parse->value, (struct str){ at, n });
	return 0;
}

static int
on_complete(http_parser *p)
{
	((struct http_head *)p->data)->parse->complete = true;
	return 0;
}

struct http_head *
http_head_new(void)
{
	struct arena *a = arena_new();
	struct http_head *h = arena_alloc(a, sizeof(*h));

	*h = (struct http_head){ .arena = a, .parse = arena_alloc(a, sizeof(*h->parse)) };
	h->parse->url.a = h->parse->grant.a = h->parse->request_id.a = a;
	http_parser_init(&h->parse->parser, HTTP_REQUEST);
	h->parse->parser.data = h;
	return h;
}

void
http_head_free(struct http_head *h)
{
	if (h)
		arena_free(h->arena);
}

bool
http_head_begun(const struct http_head *h)
{
	return h->parse->taken > 0;
}

static struct str
absent_if_empty(const struct buf *b)
{
	return b->n > 0 ? buf_str(b) : (struct str){ NULL, 0 };
}

static void
head_fill(struct http_head *h)
{
	enum http_method method = (enum http_method)h->parse->parser.method;

	h->method = method == HTTP_GET	  ? METHOD_GET
		    : method == HTTP_HEAD ? METHOD_HEAD
					  : METHOD_OTHER;
	(void)str_cut(buf_str(&h->parse->url), '?', &h->path);
	h->grant = absent_if_empty(&h->parse->grant);
	h->request_id = absent_if_empty(&h->parse->request_id);
}

enum http_state
http_head_feed(struct http_head *h, struct str bytes)
{
	static const http_parser_settings settings = {
		.on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = on_complete,
	};

	h->parse->taken += bytes.n;
	(void)http_parser_execute(&h->parse->parser, &settings, bytes.p, bytes.n);
	if (HTTP_PARSER_ERRNO(&h->parse->parser) == HPE_HEADER_OVERFLOW ||
	    h->parse->taken > HEAD_MAX)
		return HTTP_TOO_LARGE;
	if (h->parse->complete) {
		head_fill(h);
		return HTTP_READY;
	}
	return HTTP_PARSER_ERRNO(&h->parse->parser) == HPE_OK ? HTTP_MORE : HTTP_BAD;
}

const char *
http_reason(int status)
{
	const char *text = http_status_str((enum http_status)status);

	return text[0] == '<' ? "Unknown" : text;
}
